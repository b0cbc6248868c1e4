"""Compare what ComfyUI makes of embeddings with loanword in it and of the same ones as ComfyUI itself reads them.

    python tests/peers/comfyui_conditioning.py CHECKOUT [SD1|SD2|SDXL|SD3|Flux ...]

Needs what ComfyUI's text encoders import (torch, transformers, safetensors, …). For each base model, with random
weights and few layers: sample files of every format, and the files in the folder LOANWORD_REAL if it is set,
by their names in a prompt; beside it the same vectors in a .safetensors file of ComfyUI's own, read by ComfyUI
without loanword. And the other way round: what ComfyUI reads rightly by itself has to stay the same, to the bit.
"""

import importlib
import logging
import os
import shutil
import sys
import tempfile
import time
import types
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "checkout"), str(ROOT / "tests")]

TOLERANCE = 1e-4
PARTIAL = 12
"""Of embeddings for some of a model's text encoders, so many are looked at."""
PROMPT = "a photo of {}, best quality, (on a table:1.2)"
PLAIN_PROMPT = "a photo of {}, best quality"
"""Where vectors are left out, ComfyUI by itself gives the weights behind them to other words."""
CLIP_L = {"num_hidden_layers": 3}
T5 = {"num_layers": 1, "d_ff": 64, "num_heads": 4}
SIZES = {"clip_l": CLIP_L, "clip_g": {"num_hidden_layers": 3}, "clip_h": {"num_hidden_layers": 3}, "t5xxl": T5}
BASES = {
    "SD1": ("comfy.sd1_clip", "SD1ClipModel", "SD1Tokenizer", ("clip_l",)),
    "SD2": ("comfy.text_encoders.sd2_clip", "SD2ClipModel", "SD2Tokenizer", ("clip_h",)),
    "SDXL": ("comfy.sdxl_clip", "SDXLClipModel", "SDXLTokenizer", ("clip_l", "clip_g")),
    "SD3": ("comfy.text_encoders.sd3_clip", "SD3ClipModel", "SD3Tokenizer", ("clip_l", "clip_g", "t5xxl")),
    "Flux": ("comfy.text_encoders.flux", "FluxClipModel", "FluxTokenizer", ("clip_l", "t5xxl")),
}


def prepare(checkout, folder):
    """ComfyUI's modules, its embeddings in `folder`."""
    sys.path.insert(0, checkout)
    sys.argv = ["main.py", "--cpu"]
    os.environ["LOANWORD_LIBRARY"] = os.path.join(folder, "library.sqlite")
    importlib.import_module("comfy.options").enable_args_parsing()
    paths = importlib.import_module("folder_paths")
    paths.folder_names_and_paths["loras"] = ([os.path.join(folder, "loras")], {".safetensors"})


def model(base, folder):
    """A real comfy.sd.CLIP with random weights."""
    import torch

    module, encoder, tokenizer, _ = BASES[base]
    module = importlib.import_module(module)

    target = types.SimpleNamespace(clip=getattr(module, encoder), tokenizer=getattr(module, tokenizer), params={})
    torch.manual_seed(0)
    torch.set_num_threads(1)  # small models: more threads wait for each other
    options = {f"{key}_model_config": dict(size) for key, size in SIZES.items()}
    options |= {"dtype": torch.float32, "load_device": torch.device("cpu"), "offload_device": torch.device("cpu")}
    clip = importlib.import_module("comfy.sd").CLIP(target, embedding_directory=[folder], model_options=options)
    for name, parameter in clip.cond_stage_model.named_parameters():
        ones = parameter.ndim == 1 and name.endswith("weight")
        parameter.data = torch.ones_like(parameter) if ones else torch.randn_like(parameter) * 0.02
    return clip


def encoded(clip, prompt, tokenizer=None):
    """What the text encoders make of a prompt, and the pooled output where there is one."""
    import torch

    tokens = tokenizer.tokenize_with_weights(prompt) if tokenizer else clip.tokenize(prompt)
    with torch.no_grad():
        states, pooled = clip.cond_stage_model.encode_token_weights(tokens)[:2]
    return [states] if pooled is None else [states, pooled]


def difference(one, other):
    """The largest difference; infinite where the shapes differ."""
    if [each.shape for each in one] != [each.shape for each in other]:
        return float("inf")
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))


def written_samples(folder):
    """A file for every embedding and format that loanword writes, and a few that it only reads; names with spaces."""
    import loanword
    import samples
    from loanword.converters.container import all_containers
    from loanword.converters.format import all_formats

    for key, row in all_formats().items():
        for container in row.containers if row.build else ():
            if all_containers()[container].save is None:
                continue
            for number, embedding in enumerate(samples.WRITABLE.get(key, ())):
                named = embedding.renamed(f"{key} {container} {number}")
                place = os.path.join(folder, f"{key}-{container}-{number}")
                try:
                    yield from map(str, loanword.write(named, place, format=key, container=container))
                except loanword.CannotWrite:  # a dtype that the container has not
                    continue
    lora = os.path.join(folder, "lora.safetensors")
    importlib.import_module("safetensors.numpy").save_file(_lora(), lora)
    style = loanword.Embedding("from a bundle", {"clip_l": samples.L, "clip_g": samples.G})
    yield str(loanword.bundle(lora, style, os.path.join(folder, "loras", "bundle.safetensors")))
    os.unlink(lora)
    several = [loanword.Embedding(f"<one of {n}>", {"clip_l": samples.some(n)}) for n in (2, 3)]
    yield from map(str, loanword.write(several, os.path.join(folder, "several.bin"), format="diffusers"))
    concept = loanword.Embedding("<in a folder>", {"clip_l": samples.L})
    yield str(loanword.write(concept, folder, format="diffusers", container="folder")[0])


def _lora():
    import numpy as np

    base = "lora_unet_down_blocks_0_attentions_0_proj_in"
    return {f"{base}.lora_{end}.weight": np.ones((4, 4), "float32") for end in ("up", "down")}


def real_files(folder):
    """Copies of the files in LOANWORD_REAL."""
    given = os.environ.get("LOANWORD_REAL")
    for path in sorted(Path(given).iterdir()) if given else ():
        target = os.path.join(folder, f"real-{path.suffix[1:]}", path.name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        yield shutil.copy(path, target)


def spoken(embedding):
    """How a prompt names it, its parentheses no weights."""
    from loanword.extension.comfyui.workflows import name_in_prompt

    return name_in_prompt(embedding.name.removeprefix("<").removesuffix(">"))


def fitting(files, needed):
    """The embeddings for these text encoders, and some for a part of them."""
    import loanword

    left = PARTIAL
    for path in files:
        try:
            found = loanword.read_all(path)
        except loanword.LoanwordError:
            continue
        for embedding in found:
            encoders = set(embedding.vectors)
            part = bool(encoders) and encoders < needed
            if encoders == needed or (part and left):
                left -= part
                yield path, embedding, PLAIN_PROMPT if part else PROMPT


def compare(base, folder, reference, files, hooks):
    """Every embedding for this base model: with loanword, as ComfyUI reads the reference, and as it reads the file."""
    import loanword

    clip, needed = model(base, folder), set(BASES[base][3])
    plain = type(clip.tokenizer)(embedding_directory=[reference])
    for path, embedding, prompt in fitting(files, needed):
        mine = os.path.join(reference, "reference.safetensors")
        plainly = embedding.replace(output_vectors={}).cast("float32")
        loanword.write(plainly, mine, format="comfyui", overwrite=True, durable=False)
        twin = os.path.join(folder, f"twin{os.path.splitext(path)[1]}")  # ComfyUI's names have no spaces
        shutil.copy(path, twin)
        hooks.uninstall()
        theirs = encoded(clip, prompt.format("embedding:reference"), plain)
        nothing = encoded(clip, prompt.format(""), plain)
        alone = by_itself(clip, prompt.format("embedding:twin"))
        hooks.install()
        ours = encoded(clip, prompt.format(spoken(embedding)))
        yield Compared(
            f"{base}: {os.path.relpath(path, folder)}: {embedding.name!r}",
            difference(ours, theirs),
            difference(theirs, nothing),
            reads_it=difference(alone, theirs) <= TOLERANCE and len(loanword.read_all(path)) == 1,
            kept=difference(encoded(clip, prompt.format("embedding:twin")), alone) == 0,
        )
        os.unlink(twin)


def by_itself(clip, prompt):
    """What ComfyUI makes of it without loanword; nothing where it fails."""
    try:
        return encoded(clip, prompt)
    except Exception:
        return []


@dataclass(frozen=True)
class Compared:
    """What came of an embedding."""

    what: str
    found: float
    """The difference from the reference."""
    moved: float
    """What it makes of a prompt without it."""
    reads_it: bool
    """Whether ComfyUI reads the file rightly by itself; of several embeddings it takes the first for all."""
    kept: bool
    """Whether it is the same to the bit with loanword, called by its file."""

    @property
    def right(self):
        """Whether all is as it has to be."""
        return self.found <= TOLERANCE and self.moved > 10 * TOLERANCE and (self.kept or not self.reads_it)


def main(checkout, *bases):
    """Print the differences; the exit status is 0 where all are as they have to be."""
    with tempfile.TemporaryDirectory() as place:
        folder, reference = os.path.join(place, "embeddings"), os.path.join(place, "reference")
        os.makedirs(os.path.join(folder, "loras"))
        os.makedirs(reference)
        prepare(checkout, folder)
        logging.disable()
        hooks = importlib.import_module("loanword.extension.comfyui.hooks")
        files = [*written_samples(folder), *real_files(folder)]
        done = []
        for base in bases or BASES:
            began = time.monotonic()
            done += compare(base, folder, reference, files, hooks)
            print(f"{base}: {len(done)} so far, {time.monotonic() - began:.0f} s", flush=True)
    for each in done:
        if not each.right:
            print("WRONG", each)
    rightly = sum(each.reads_it and each.kept for each in done)
    print(f"{len(done)} embeddings in prompts, the largest difference {max(each.found for each in done):.1e}")
    print(f"{rightly} of them ComfyUI reads rightly by itself, and the same to the bit with loanword")
    return int(not all(each.right for each in done))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
