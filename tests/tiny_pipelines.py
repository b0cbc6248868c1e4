"""Small pipelines with random weights, real widths and the real CLIP vocabulary, made without any download.

The vocabulary is the one in the open_clip package; T5's stands here. Text encoders have one or two layers.
"""

from __future__ import annotations

import functools
import gzip
import json
import string
import tempfile
from importlib.util import find_spec
from pathlib import Path

import torch
import transformers

TRANSFORMERS = int(transformers.__version__.split(".")[0])
WORDS = "a an the photo of here masterpiece best quality man woman cat dog in on and with red blue very bad hand style"


@functools.cache
def clip_vocabulary() -> Path:
    """A folder with the real CLIP vocabulary as transformers reads it."""
    packed = Path(find_spec("open_clip").origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.decompress(packed.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    bytes_as_text = list(_bytes_as_text())
    tokens = [*bytes_as_text, *(f"{each}</w>" for each in bytes_as_text), *("".join(merge.split()) for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder = Path(tempfile.mkdtemp(prefix="clip-vocabulary-"))
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    return folder


def clip_tokenizer(pad: str = "<|endoftext|>", *, fast: bool = False):
    """CLIP's tokenizer; `pad` is "!" for SDXL's second one and SD 2.x. `fast` matters to transformers 4 only."""
    kind = transformers.CLIPTokenizerFast if fast and TRANSFORMERS < 5 else transformers.CLIPTokenizer
    return kind.from_pretrained(clip_vocabulary(), model_max_length=77, pad_token=pad)


def clip_encoder(
    width: int = 768,
    *,
    projection: bool = False,
    layers: int = 2,
    heads: int = 0,
    eos: int = 2,
    pad: int = 1,
    seed: int = 0,
):
    """A CLIP text encoder with its real table; `eos` 2 is what the configurations of most published models say."""
    config = transformers.CLIPTextConfig(
        hidden_size=width,
        intermediate_size=64,
        num_attention_heads=heads or width // 64,
        num_hidden_layers=layers,
        projection_dim=width if projection else 512,
        bos_token_id=0,
        eos_token_id=eos,
        pad_token_id=pad,
    )
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    torch.manual_seed(seed)
    return kind(config).eval().requires_grad_(False)


def t5_tokenizer(length: int = 512):
    """A T5 tokenizer with a small vocabulary: some words, all printable characters, a hundred extra ids."""
    pieces = [f"▁{word}" for word in WORDS.split()] + ["▁", *string.printable.strip()]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((piece, -len(piece) * 0.1 - 1) for piece in pieces)]
    if TRANSFORMERS >= 5:
        return transformers.T5Tokenizer(vocab=vocabulary, extra_ids=100, model_max_length=length)
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    inner = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    inner.normalizer = normalizers.Replace("\t", " ")
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    inner.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    return transformers.T5TokenizerFast(tokenizer_object=inner, extra_ids=100, model_max_length=length)


def t5_encoder(width: int = 4096, rows: int = 512, *, kind: str = "T5", seed: int = 0):
    """A T5 encoder whose table is longer than its tokenizer's vocabulary, as the published ones' are."""
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=rows, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu"
    )
    torch.manual_seed(seed)
    return getattr(transformers, f"{kind}EncoderModel")(config).eval().requires_grad_(False)


def vae(channels: int = 4):
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    return AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, latent_channels=channels).eval()


def unet(width: int, *, sdxl: bool = False, size: int = 8):
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    extra = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 1280 + 6 * 8,
    }
    return UNet2DConditionModel(
        sample_size=size,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=width,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **(extra if sdxl else {}),
    ).eval()


def sd1(**parts):
    """Stable Diffusion 1.x."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    given = {
        "tokenizer": clip_tokenizer(),
        "text_encoder": clip_encoder(),
        "vae": vae(),
        "unet": unet(768),
        "scheduler": DDIMScheduler(clip_sample=False, steps_offset=1),
        "safety_checker": None,
        "feature_extractor": None,
        **parts,
    }
    return StableDiffusionPipeline(**given, requires_safety_checker=False)


def sd2(**parts):
    """Stable Diffusion 2.x: OpenCLIP-H, padded with "!"."""
    encoder = clip_encoder(1024, eos=49407, pad=0)
    given = {"tokenizer": clip_tokenizer("!"), "text_encoder": encoder, "unet": unet(1024), **parts}
    return sd1(**given)


def sdxl(**parts):
    """SDXL base."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    given = {
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": clip_tokenizer("!"),
        "text_encoder": clip_encoder(),
        "text_encoder_2": clip_encoder(1280, projection=True, seed=1),
        "vae": vae(),
        "unet": unet(2048, sdxl=True),
        "scheduler": EulerDiscreteScheduler(),
        **parts,
    }
    return StableDiffusionXLPipeline(**given)


def sdxl_refiner(**parts):
    """SDXL's refiner, which has the second encoder only."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline

    given = {
        "tokenizer": None,
        "text_encoder": None,
        "tokenizer_2": clip_tokenizer("!"),
        "text_encoder_2": clip_encoder(1280, projection=True, seed=1),
        "vae": vae(),
        "unet": None,
        "scheduler": EulerDiscreteScheduler(),
        "requires_aesthetics_score": True,
        **parts,
    }
    return StableDiffusionXLImg2ImgPipeline(**given)


def sd3(**parts):
    """Stable Diffusion 3: two CLIPs and T5."""
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

    given = {
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": clip_tokenizer("!"),
        "tokenizer_3": t5_tokenizer(),
        "text_encoder": clip_encoder(projection=True),
        "text_encoder_2": clip_encoder(1280, projection=True, seed=1),
        "text_encoder_3": t5_encoder(),
        "transformer": None,
        "vae": vae(16),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        **parts,
    }
    return StableDiffusion3Pipeline(**given)


def flux(**parts):
    """Flux.1: CLIP for the pooled output, T5 for the sequence."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

    given = {
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": t5_tokenizer(),
        "text_encoder": clip_encoder(),
        "text_encoder_2": t5_encoder(),
        "transformer": None,
        "vae": vae(16),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        **parts,
    }
    return FluxPipeline(**given)


def _bytes_as_text():
    """The characters that stand for bytes in byte-level vocabularies, in their order."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return (chr(each) for each in (*plain, *range(256, 256 + 256 - len(plain))))
