"""What prompts become, by the programs' own code: `python tests/peers/conditioning.py PROGRAM CHECKOUT`.

PROGRAM is comfyui or a1111; CHECKOUT is the path of its repository. Pipelines of `tiny_pipelines.py` get embeddings by
`loanword.load_textual_inversion`; the program gets the same random weights, and the files that loanword writes for it
in its folder. For each prompt, hidden states and pooled output have to be the same to 1e-4. Each prompt that names an
embedding also has to differ from what it is without embeddings ("moved"), so that equal says something. With
LOANWORD_REAL (a folder), the files in it are compared, too. Exit status 0 where all is the same, 1 otherwise.

ComfyUI: its tokenizers and text encoders of SD 1.x, SD 2.x, SDXL, SD 3 and Flux; T5's vocabulary is the one in its
repository. A1111: `modules/` `sd_hijack*.py`, `prompt_parser.py`, `sd_emphasis.py`, `devices.py`, `sd_models_xl.py`
and `textual_inversion/textual_inversion.py`, hijacking SD 1.x, SD 2.x and SDXL; transformers' text encoders stand for
those of ldm and sgm, which are other repositories. Needs also einops, or lark, ftfy and open_clip.

What is set up the same, because it is no matter of embeddings:
- Weights in brackets are no part of `encode_prompt`: brackets are read literally in A1111 (emphasis "None"), and in
  ComfyUI have weight 1. Elsewhere A1111's emphasis is "No norm", since the usual one keeps the mean by dividing by it,
  and the mean of random weights' hidden states may be 0.
- The programs go on with a second window where a prompt is longer than one; diffusers cuts it off. Compared is the
  first window. They also put an embedding that does not fit into the next window (ComfyUI only where it has fewer than
  8 vectors), where loanword warns and cuts it; no prompt here has that, but one of ComfyUI's cuts 8 vectors in two.
- ComfyUI pools SD 3's CLIP-L without its projection, which diffusers makes the identity when it reads SD 3's own file;
  so it is the identity here.
- T5 sees its padding, so both sides are given the same length: 77 in SD 3, 256 in Flux, as in ComfyUI.

Where the programs differ for known reasons (`DIFFERENCES`), the outcome is printed and not counted:
- SD 2.x and SDXL are padded with "!", and transformers' tokenizer then reads each "!" of a prompt as that padding, with
  and without embeddings; the programs know it for the sign that it is.
- A1111 looks for the ids of a name among the ids of the prompt, which may end at a digit or begin inside a word, and
  needs the very same ids: a sign that ends a name is not found before another sign, nor "ß" written as "SS".
- ComfyUI needs a space before `embedding:` and takes what follows, up to the next space, for the name, apart from
  commas at its end; other signs, or another case (unless the file system knows none), make it another name, and what
  it cannot find is left out of the prompt.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "checkout"), str(ROOT / "tests")]

import diffusers
import loanword
import numpy as np
import tiny_pipelines
import torch
import transformers
from readers import WIDTHS, StandIns

TOLERANCE, MOVED = 1e-4, 1e-2
NAMES = {
    "Style1": 1,
    "Trio": 3,
    "EasyNegative": 8,
    "EasyNegativeV2": 3,
    "bad-hands-5": 1,
    "my style": 3,
    "Größe": 8,
    "full": 75,
    "most": 73,
    "cute++": 1,
}
"""The embeddings, and how many vectors each has."""
WORDS = "a photo of the very best man and woman with cat and dog in red on blue here "
LONG = WORDS * 6
PLAIN = [
    *("", "a photo of a cat, best quality", "a cat (in the photo)", "(a cat) [in the photo]: here?"),
    *("easynegatives and a trios, bad-hands", LONG),
]
"""Prompts without any embedding."""

COMFYUI = [
    *((each, each) for each in PLAIN if "(" not in each),
    ("(a cat:1.0) \\(in the photo\\)", "a cat (in the photo)"),
    ("a photo of embedding:Style1, best quality", "a photo of embedding:style1, best quality"),
    ("a photo of embedding:Trio, best quality", "a photo of trio, best quality"),
    ("a photo of embedding:Trio, best quality", "a photo of <trio>, best quality"),
    ("embedding:EasyNegative", "EASYNEGATIVE"),
    ("embedding:EasyNegative, embedding:EasyNegativeV2, cat", "easynegative, easynegativev2, cat"),
    ("embedding:EasyNegativeV2 embedding:EasyNegative", "embedding:EasyNegativeV2 embedding:EasyNegative"),
    ("embedding:Trio embedding:Trio a cat embedding:Trio", "embedding:Trio <TRIO> a cat trio"),
    ("a cat and embedding:EasyNegativeV2.safetensors in red", "a cat and embedding:EasyNegativeV2.safetensors in red"),
    ("a cat\nembedding:bad-hands-5 on the man", "a cat\nembedding:bad-hands-5 on the man"),
    ("a cat, (embedding:Trio:1.0) in red", "a cat, embedding:Trio in red"),
    ("embedding:my_style, a cat", "my style, a cat"),
    ("the dog, embedding:Größe, embedding:Style1", "the dog, GRÖSSE, style1"),
    ("embedding:full", "embedding:full"),
    ("a cat embedding:most", "a cat most"),
    (f"{WORDS * 4}embedding:EasyNegative", f"{WORDS * 4}easynegative"),
]
"""What ComfyUI is given, and what loanword is."""

A1111 = [
    *PLAIN,
    "a photo of style1, best quality",
    "a photo of Trio, best quality",
    "EasyNegative",
    "EASYNEGATIVE, a cat",
    "easynegative, easynegativev2, EasyNegative",
    "easynegativeV2 easynegative easynegativeV2",
    "trio trio trio,trio,a cat,trio.",
    '(easynegative), [trio]: "style1"? {EasyNegativeV2}; style1',
    "(easynegative:1.2) and ((trio))",
    "bad-hands-5, BAD-HANDS-5 on the man",
    "a cat in bad - hands - 5 here",
    "in my style, the dog in My  Style",
    "the größe, GRÖßE and Größe.",
    "cute++ the cat in Cute ++",
    "full",
    "a cat most",
    f"trio {LONG}",
]

DIFFERENCES = {
    "comfyui": [
        ("a cat!", "a cat!"),
        ("a cat,embedding:Trio", "a cat,embedding:Trio"),
        ("a cat (embedding:Trio)", "a cat (embedding:Trio)"),
        ("a cat embedding:Trio.", "a cat embedding:Trio."),
        ("a cat embedding:trio", "a cat embedding:trio"),
        ("a cat embedding:nothing", "a cat embedding:nothing"),
    ],
    "a1111": [
        (each, each) for each in ("a cat!", "a trio5", "a style12", "a supertrio", "a cute++, cat", "the GRÖSSE")
    ],
}


def sd1_or_sd2(pipe, prompt):
    ids = pipe.tokenizer(prompt, padding="max_length", truncation=True, return_tensors="pt").input_ids
    return pipe.encode_prompt(prompt, "cpu", 1, False)[0], pipe.text_encoder(ids).pooler_output


def sdxl_or_sd3(pipe, prompt):
    length = {"max_sequence_length": 77} if hasattr(pipe, "tokenizer_3") else {}
    prompts = dict.fromkeys(("prompt_2", "prompt_3")) if length else {}
    found = pipe.encode_prompt(prompt, **prompts, device="cpu", do_classifier_free_guidance=False, **length)
    return found[0], found[2]


def flux(pipe, prompt):
    return pipe.encode_prompt(prompt, None, device="cpu", max_sequence_length=256)[:2]


def encoders_of_sdxl(*, projection):
    return {
        "text_encoder": tiny_pipelines.clip_encoder(projection=projection, layers=3),
        "text_encoder_2": tiny_pipelines.clip_encoder(1280, projection=True, layers=3, seed=1),
    }


def t5_of(checkout):
    folder = Path(checkout, "comfy/text_encoders/t5_tokenizer")
    return transformers.T5TokenizerFast.from_pretrained(folder), tiny_pipelines.t5_encoder(rows=32128)


def pipeline(base, checkout):
    if base == "SD 1.x":
        return tiny_pipelines.sd1()
    if base == "SD 2.x":
        return tiny_pipelines.sd2()
    if base == "SDXL":
        return tiny_pipelines.sdxl(**encoders_of_sdxl(projection=False))
    tokenizer, encoder = t5_of(checkout)
    if base == "Flux":
        return tiny_pipelines.flux(tokenizer_2=tokenizer, text_encoder_2=encoder)
    encoders = encoders_of_sdxl(projection=True)
    torch.nn.init.eye_(encoders["text_encoder"].text_projection.weight)
    return tiny_pipelines.sd3(tokenizer_3=tokenizer, text_encoder_3=encoder, **encoders)


OURS = {"SD 1.x": sd1_or_sd2, "SD 2.x": sd1_or_sd2, "SDXL": sdxl_or_sd3, "SD 3": sdxl_or_sd3, "Flux": flux}
ENCODERS = {
    "SD 1.x": {"clip_l": "text_encoder"},
    "SD 2.x": {"clip_h": "text_encoder"},
    "SDXL": {"clip_l": "text_encoder", "clip_g": "text_encoder_2"},
    "SD 3": {"clip_l": "text_encoder", "clip_g": "text_encoder_2", "t5xxl": "text_encoder_3"},
    "Flux": {"clip_l": "text_encoder", "t5xxl": "text_encoder_2"},
}
COMFYUI_NAMES = {
    "SD 1.x": ("comfy.sd1_clip", "SD1"),
    "SD 2.x": ("comfy.text_encoders.sd2_clip", "SD2"),
    "SDXL": ("comfy.sdxl_clip", "SDXL"),
    "SD 3": ("comfy.text_encoders.sd3_clip", "SD3"),
    "Flux": ("comfy.text_encoders.flux", "Flux"),
}
CLIP_SIZES = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "hidden_act")
T5_SIZES = ("d_model", "d_kv", "d_ff", "num_heads", "num_layers", "vocab_size")


def comfyui(checkout):
    """ComfyUI's tokenizers and text encoders, made as small as the pipeline's."""
    sys.path.insert(0, checkout)
    sys.argv = ["main.py", "--cpu"]
    importlib.import_module("comfy.options").enable_args_parsing()

    def encoder_of(base, pipe, folder):
        module, name = importlib.import_module(COMFYUI_NAMES[base][0]), COMFYUI_NAMES[base][1]
        encoders = {key: getattr(pipe, component) for key, component in ENCODERS[base].items()}
        sizes = {f"{key}_model_config": _sizes(encoder.config) for key, encoder in encoders.items()}
        if base == "SD 2.x":  # diffusers has left the last layer out, ComfyUI passes over it
            sizes["clip_h_model_config"]["num_hidden_layers"] += 1
        model = getattr(module, f"{name}ClipModel")(device="cpu", dtype=torch.float32, model_options=sizes)
        for key, encoder in encoders.items():
            _copy_weights(encoder, getattr(model, key).transformer)
        tokenizer = getattr(module, f"{name}Tokenizer")(embedding_directory=folder)

        def encode(prompt):
            states, pooled = model.encode_token_weights(tokenizer.tokenize_with_weights(prompt))[:2]
            return states, None if base == "SD 2.x" else pooled

        return encode

    return encoder_of


def _sizes(config):
    names = T5_SIZES if config.model_type == "t5" else CLIP_SIZES
    return {name: getattr(config, name) for name in names}


def _copy_weights(encoder, transformer):
    weights = encoder.state_dict()
    if "embeddings.token_embedding.weight" in weights:  # transformers 5 has one module less around it
        weights = {f"text_model.{name}": value for name, value in weights.items()}
    outcome = transformer.load_state_dict(weights, strict=False)
    if set(outcome.unexpected_keys) - {"encoder.embed_tokens.weight"}:
        raise RuntimeError(f"ComfyUI's text encoder has no {outcome.unexpected_keys}")


A1111_REAL = (
    *("safe", "devices", "npu_specific", "prompt_parser", "sd_emphasis", "sd_hijack", "sd_hijack_clip"),
    *("sd_hijack_open_clip", "sd_models_xl"),
    *("textual_inversion", "textual_inversion.textual_inversion", "textual_inversion.image_embedding"),
)


def a1111(checkout):
    """A1111's hijack of a model whose text encoders are transformers', and its embedding database."""
    sys.path.insert(0, checkout)
    sys.meta_path[0:0] = [
        StandIns("modules.", {f"modules.{name}" for name in A1111_REAL}),
        StandIns("ldm", set()),
        StandIns("sgm", set()),
    ]
    open_clip = importlib.util.find_spec("open_clip")
    sys.modules["open_clip"] = importlib.util.module_from_spec(open_clip)  # empty: all but its tokenizer wants more
    _set_options(importlib.import_module("modules.shared").opts)
    importlib.import_module("ldm.models.diffusion.ddpm").LatentDiffusion = Model
    encoders = importlib.import_module("ldm.modules.encoders.modules")
    encoders.FrozenCLIPEmbedder, encoders.FrozenOpenCLIPEmbedder = FrozenCLIPEmbedder, FrozenOpenCLIPEmbedder
    importlib.import_module("sgm.modules").GeneralConditioner = GeneralConditioner
    importlib.import_module("modules.devices").device = torch.device("cpu")
    importlib.import_module("modules.safe")
    hijack = importlib.import_module("modules.sd_hijack").model_hijack
    importlib.import_module("modules.sd_models_xl")
    shared = sys.modules["modules.shared"]

    def encoder_of(base, pipe, folder):
        shared.sd_model = model = Model(base, pipe)
        hijack.hijack(model)
        hijack.embedding_db.clear_embedding_dirs()
        hijack.embedding_db.add_embedding_dir(folder)

        def encode(prompt):
            shared.opts.emphasis = "None" if set(prompt) & set("()[]") else "No norm"
            shared.sd_model = model
            hijack.embedding_db.load_textual_inversion_embeddings()
            found = model.cond_stage_model([prompt])
            return found if isinstance(found, tuple) else (found, None)

        return encode

    return encoder_of


def _set_options(options):
    """What encoding asks of A1111's settings, as they are by default."""
    options.CLIP_stop_at_last_layers = 1
    options.sdxl_clip_l_skip = False
    options.comma_padding_backtrack = 20
    options.use_old_emphasis_implementation = False
    options.textual_inversion_add_hashes_to_infotext = False
    options.textual_inversion_print_at_load = False


class Transformer(torch.nn.Module):
    """A text encoder of transformers with the `text_model` that it had in transformers 4."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    @property
    def text_model(self):
        return getattr(self.encoder, "text_model", self.encoder)

    def forward(self, **arguments):
        return self.encoder(**arguments)


class FrozenCLIPEmbedder(torch.nn.Module):
    """ldm's and sgm's class of this name; A1111 goes by the name."""

    def __init__(self, tokenizer, encoder, layer="last"):
        super().__init__()
        self.tokenizer, self.transformer = tokenizer, Transformer(encoder)
        self.layer, self.layer_idx = layer, encoder.config.num_hidden_layers - 1


class FrozenOpenCLIPEmbedder(torch.nn.Module):
    """ldm's class of this name, for SD 2.x."""

    def __init__(self, encoder):
        super().__init__()
        self.transformer = Transformer(encoder)
        self.model = self.transformer.text_model.embeddings

    def encode_with_transformer(self, tokens):
        return self.transformer(input_ids=tokens).last_hidden_state


class FrozenOpenCLIPEmbedder2(FrozenOpenCLIPEmbedder):
    """sgm's class of this name, for SDXL."""

    layer, return_pooled = "penultimate", True

    def encode_with_transformer(self, tokens):
        found = self.transformer(input_ids=tokens, output_hidden_states=True)
        return {"penultimate": found.hidden_states[-2], "pooled": found.text_embeds}


class GeneralConditioner(torch.nn.Module):
    """sgm's class of this name, as far as text goes."""

    def __init__(self, *embedders):
        super().__init__()
        self.embedders = torch.nn.ModuleList(embedders)

    def forward(self, texts):
        clip_l, (clip_g, pooled) = (embedder(texts) for embedder in self.embedders)
        return torch.cat([clip_l, clip_g], dim=2), pooled


class Model(torch.nn.Module):
    """A checkpoint, as far as A1111 looks at it for its text encoders."""

    cond_stage_key = "txt"

    def __init__(self, base, pipe):
        super().__init__()
        encoder, tokenizer = copy.deepcopy(pipe.text_encoder), copy.deepcopy(pipe.tokenizer)
        if base == "SDXL":
            clip_g = FrozenOpenCLIPEmbedder2(copy.deepcopy(pipe.text_encoder_2))
            self.conditioner = GeneralConditioner(FrozenCLIPEmbedder(tokenizer, encoder, "hidden"), clip_g)
        elif base == "SD 2.x":
            self.cond_stage_model = FrozenOpenCLIPEmbedder(encoder)
        else:
            self.cond_stage_model = FrozenCLIPEmbedder(tokenizer, encoder)


PROGRAMS = {"comfyui": (comfyui, list(OURS)), "a1111": (a1111, ["SD 1.x", "SD 2.x", "SDXL"])}
REAL = ("EasyNegative.safetensors", "badhandv4.pt", "embeddings.pti")


def made_up(base, program, folder):
    """Random embeddings, written for the program."""
    rng = np.random.default_rng(20)
    for name, count in NAMES.items():
        vectors = {}
        for key in ENCODERS[base]:
            numbers = rng.normal(scale=1.0 if key == "t5xxl" else 0.02, size=(count, WIDTHS[key]))
            vectors[key] = loanword.Vectors.from_numpy(numbers.astype("float32"))
        embedding = loanword.Embedding(name, vectors)
        loanword.write(embedding, folder, target=program)
        yield embedding


def real(base, program, folder):
    """The embeddings in LOANWORD_REAL that fit: for the program their own files, or new ones if it has no such."""
    given = os.environ.get("LOANWORD_REAL", "")
    for path in (Path(given, name) for name in REAL if given):
        (embedding,) = loanword.read_all(path)
        if embedding.vectors.keys() != ENCODERS[base].keys():
            continue
        if path.suffix == ".pti":
            loanword.write(embedding, folder, target=program)
        else:
            shutil.copy(path, folder)
        yield embedding


def prompts(program, base):
    if program == "a1111":
        return [*((each, each) for each in A1111), *DIFFERENCES["a1111"]]
    pairs = [*COMFYUI, *DIFFERENCES["comfyui"]]
    return [pair for pair in pairs if base != "SD 3" or WORDS * 2 not in pair[1]]  # its T5 has no first window


def prompts_of_real(program, embeddings):
    for name in (each.name for each in embeddings):
        theirs = f"embedding:{name}" if program == "comfyui" else name.upper()
        yield f"a photo of {theirs}, best quality, {theirs}", f"a photo of {name}, best quality, {name.lower()}"


def difference(ours, theirs):
    """The largest difference of the hidden states in the first window, and of the pooled output where there is one."""
    pairs = [(ours[0], theirs[0][:, : ours[0].shape[1]]), *([(ours[1], theirs[1])] if theirs[1] is not None else [])]
    return [(one - other).abs().max().item() for one, other in pairs]


@torch.no_grad()
def compare(program, base, encode, *, pipe, embeddings, pairs):
    """Print the differences for each pair of prompts; yields whether they are as they have to be."""
    before = [OURS[base](pipe, ours) for _, ours in pairs]
    loanword.load_textual_inversion(pipe, embeddings)
    for (theirs, ours), plain in zip(pairs, before, strict=True):
        found = OURS[base](pipe, ours)
        differences = difference(found, encode(theirs))
        moved = max(difference(plain, found))
        counts = (theirs, ours) not in DIFFERENCES[program]
        equal = all(each <= TOLERANCE for each in differences)  # which NaN is not
        right = equal and (moved == 0 if ours in PLAIN else moved >= MOVED)
        verdict = ("equal" if right else "WRONG") if counts else f"not counted, {'equal' if equal else 'different'}"
        shown = theirs if len(theirs) < 60 else f"{theirs[:40]} ... {theirs[-20:]}"
        figures = ", ".join(map("{} {:.1e}".format, ("states", "pooled"), differences))
        print(f"{program} {base}: {verdict}: {figures}, moved {moved:.1e}: {shown!r}")
        if counts:
            yield right, np.max(differences)


def main(program, checkout):
    prepare, bases = PROGRAMS[program]
    encoder_of = prepare(checkout)
    outcomes = []
    for base in bases:
        for source in (made_up, real):
            with tempfile.TemporaryDirectory() as folder:
                embeddings = list(source(base, program, folder))
                if not embeddings:
                    continue
                pipe = pipeline(base, checkout)
                encode = encoder_of(base, pipe, folder)
                pairs = prompts(program, base) if source is made_up else list(prompts_of_real(program, embeddings))
                outcomes += compare(program, base, encode, pipe=pipe, embeddings=embeddings, pairs=pairs)
    equal = sum(right for right, _ in outcomes)
    worst = np.max([largest for _, largest in outcomes])
    print(f"{program}: {equal} of {len(outcomes)} equal to {TOLERANCE:g}, the largest difference {worst:.1e}")
    return 0 if equal == len(outcomes) else 1


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    diffusers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", "(the|no) embedding .* is (cut off|loaded)")
    sys.exit(main(*sys.argv[1:3]))
