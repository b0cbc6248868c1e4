"""The files that the page is tested with: one of each kind that it has something to say about."""

import io

import loanword
import numpy as np
from loanword.embeddings.embedding import Embedding, Provenance, Vectors
from samples import lora_tensors, some

PAIR = {"clip_l": some(4), "clip_g": some(4, "clip_g")}
EVIL = "<img src=x onerror=boom()>"
HOLES = Vectors.from_numpy(np.full((2, 768), np.nan, np.float32))
FACTS = Provenance(
    step=1500, checkpoint_name="some model", checkpoint_hash="72f558e947", metadata={"author": "A. U. Thor"}
)

PICKLES = ("to-convert", "to-replace", "to-select-a", "to-select-b", "to-rename", "to-bundle", "to-save")
NOTED = ("to-describe", "to-picture")
"""Files of the tests that write, one for each."""


def one(name, count=2, seed=0, dtype="float32", **more):
    return Embedding(name, {"clip_l": some(count, dtype=dtype, seed=seed)}, **more)


def make_library(folder, loras):
    """Every file has vectors of its own, but for the two that are said to have the same."""
    write = loanword.write
    write(one("easy-negative", 8, 1, "float16"), folder / "easy-negative.safetensors")
    (folder / "easy-negative.preview.png").write_bytes(picture((200, 40, 40)))
    (folder / "easy-negative.txt").write_text("For the negative prompt.")
    write(one("badhandv3", 6, 2, provenance=FACTS), folder / "badhands.pt", format="a1111")
    write(Embedding("xl-style", PAIR), folder / "xl-style.safetensors", format="comfyui")
    write([one("<cat>", 1, 3), one("<dog>", 1, 4)], folder / "pack.bin", format="diffusers")
    write(one("style (old)", 2, 5), folder / "style (old).safetensors")
    (folder / "toys").mkdir()
    write(one("toy", 3, 6), folder / "toys" / "toy.pt", format="a1111")
    (folder / "broken.safetensors").write_bytes((folder / "easy-negative.safetensors").read_bytes()[:5000])
    write(one(EVIL, 1, 7), folder / "evil.bin", format="diffusers")
    write(Embedding("holed", {"clip_l": HOLES}), folder / "holed.safetensors")
    for name in ("twin-a", "twin-b"):
        write(one(name, 2, 8), folder / f"{name}.safetensors")
    rows = some(2, seed=9).numpy()
    for name, numbers in (("near-a", rows), ("near-b", rows + some(2, seed=10).numpy() / 10)):
        write(Embedding(name, {"clip_l": Vectors.from_numpy(numbers)}), folder / f"{name}.safetensors")
    for seed, name in enumerate(PICKLES, 20):
        write(one(name, 2, seed), folder / f"{name}.pt", format="a1111")
    for seed, name in enumerate(NOTED, 30):
        write(one(name, 2, seed), folder / f"{name}.safetensors")
    make_loras(loras)


def make_loras(folder):
    from loanword.converters.containers.safetensors import save_safetensors
    from loanword.converters.payload import Draft

    (folder / "plain.safetensors").write_bytes(save_safetensors(Draft(lora_tensors())))
    bundled = {**lora_tensors(), "bundle_emb.hidden.clip_l": some(2, seed=40)}
    (folder / "carrier.safetensors").write_bytes(save_safetensors(Draft(bundled)))


def picture(colour, size=64):
    from PIL import Image

    content = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(content, "PNG")
    return content.getvalue()
