"""Small pipelines of other base models: random weights, real widths, small vocabularies made here.

Each builder returns a pipeline without what prompts do not need. Those that this version of diffusers does not have
raise AttributeError or ImportError.
"""

from __future__ import annotations

import string

import diffusers
import torch
import transformers
from tiny_pipelines import TRANSFORMERS, clip_encoder, clip_tokenizer, t5_encoder, t5_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

CHARACTERS = string.printable.strip()
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>")
SPECIALS += ("<|end_header_id|>", "<|eot_id|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer(kind: str = "", length: int = 512):
    """A byte-level tokenizer, as Qwen's and Llama 3's are, that knows no merges."""
    vocabulary = {each: i for i, each in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    inner = Tokenizer(models.BPE(vocabulary, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    options = {"pad_token": SPECIALS[0], "eos_token": SPECIALS[0], "model_max_length": length, "chat_template": CHAT}
    extra = {"extra_special_tokens" if TRANSFORMERS >= 5 else "additional_special_tokens": list(SPECIALS[1:])}
    made = getattr(transformers, kind, None) if kind and TRANSFORMERS >= 5 else None
    if made:
        return made(vocab=vocabulary, merges=[], **options, **extra)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **options, **extra)


def gemma_tokenizer():
    names = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *CHARACTERS)
    vocabulary = {each: i for i, each in enumerate(names)}
    return transformers.GemmaTokenizer(vocab=vocabulary, merges=[], model_max_length=512, padding_side="right")


def decoder(kind: str, config: str, width: int, **changes):
    """A decoder-only encoder: one key-value head, three layers, a vocabulary of 400."""
    torch.manual_seed(0)
    sizes = {"hidden_size": width, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
    sizes |= {"num_hidden_layers": 3, "vocab_size": 400, "head_dim": 8, "pad_token_id": 0, **changes}
    return getattr(transformers, kind)(getattr(transformers, config)(**sizes)).eval().requires_grad_(False)


def qwen_vl(width: int):
    text = {"hidden_size": width, "intermediate_size": 16, "num_attention_heads": width // 128, "vocab_size": 400}
    text |= {
        "num_key_value_heads": 1,
        "num_hidden_layers": 1,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    }
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": width}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    torch.manual_seed(0)
    return transformers.Qwen2_5_VLForConditionalGeneration(config).eval().requires_grad_(False)


def pixart():
    return diffusers.PixArtAlphaPipeline(t5_tokenizer(300), t5_encoder(), None, None, None)


def chroma():
    return diffusers.ChromaPipeline(None, None, t5_encoder(), t5_tokenizer(), None)


def auraflow():
    return diffusers.AuraFlowPipeline(t5_tokenizer(256), t5_encoder(2048, kind="UMT5"), None, None, None)


def wan():
    return diffusers.WanPipeline(t5_tokenizer(), t5_encoder(4096, kind="UMT5"), None, None, None)


def cosmos():
    checker = torch.nn.Module()
    return diffusers.CosmosTextToWorldPipeline(t5_encoder(1024), t5_tokenizer(), None, None, None, checker)


def sana():
    return diffusers.SanaPipeline(gemma_tokenizer(), decoder("Gemma2Model", "Gemma2Config", 2304), None, None, None)


def lumina2():
    encoder = decoder("Gemma2Model", "Gemma2Config", 2304)
    return diffusers.Lumina2Pipeline(None, None, None, encoder, gemma_tokenizer())


def hidream():
    return diffusers.HiDreamImagePipeline(
        None,
        None,
        clip_encoder(projection=True),
        clip_tokenizer(),
        clip_encoder(1280, projection=True, seed=1),
        clip_tokenizer("!"),
        t5_encoder(),
        t5_tokenizer(),
        decoder("LlamaForCausalLM", "LlamaConfig", 4096),
        byte_tokenizer(),
        None,
    )


def qwen_image():
    return diffusers.QwenImagePipeline(None, None, qwen_vl(3584), byte_tokenizer("Qwen2Tokenizer", 1024), None)


def z_image():
    encoder = decoder("Qwen3Model", "Qwen3Config", 2560)
    return diffusers.ZImagePipeline(None, None, encoder, byte_tokenizer("Qwen2Tokenizer"), None)


def ovis():
    encoder = decoder("Qwen3Model", "Qwen3Config", 2048)
    return diffusers.OvisImagePipeline(None, None, encoder, byte_tokenizer("Qwen2Tokenizer", 1024), None)


def flux2_klein():
    encoder = decoder("Qwen3ForCausalLM", "Qwen3Config", 2560)
    return diffusers.Flux2KleinPipeline(None, None, encoder, byte_tokenizer("Qwen2Tokenizer"), None)


def kandinsky_prior():
    encoder = clip_encoder(1280, projection=True, seed=1)
    return diffusers.KandinskyV22PriorPipeline(None, None, encoder, clip_tokenizer("!"), None, None)


def cascade_prior():
    encoder = clip_encoder(1280, projection=True, seed=1)
    return diffusers.StableCascadePriorPipeline(clip_tokenizer("!"), encoder, None, None)


def hunyuan_video():
    return diffusers.HunyuanVideoPipeline(
        decoder("LlamaModel", "LlamaConfig", 4096), byte_tokenizer(), None, None, None, clip_encoder(), clip_tokenizer()
    )


BUILDERS = {
    each.__name__: each
    for each in (
        *(pixart, chroma, auraflow, wan, cosmos, sana, lumina2, hidream, qwen_image, z_image, ovis, flux2_klein),
        *(kandinsky_prior, cascade_prior, hunyuan_video),
    )
}
