"""Embeddings in every form that loanword writes, and in torch's own pickles, each beside one that every WebUI reads.

`make` writes them into a folder and returns the cases: a word of a prompt, and the word of the file with the same
vectors that the host reads by itself.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "checkout"), str(ROOT / "tests")]

import loanword
import numpy as np
import torch

ENCODERS = {"sd1": ("clip_l",), "sdxl": ("clip_l", "clip_g")}
WIDTHS = {"clip_l": 768, "clip_g": 1280}
REFERENCE = {"sd1": "kohya", "sdxl": "comfyui"}


@dataclass(frozen=True)
class Case:
    """A file, a word for it in prompts, and the word for the same vectors as the host itself reads them."""

    file: str
    word: str
    reference: str


def embedding(name, base, seed, count=3):
    rng = np.random.default_rng(seed)
    vectors = {
        key: loanword.Vectors.from_numpy(rng.normal(0, 0.5, (count, WIDTHS[key])).astype("float32"))
        for key in ENCODERS[base]
    }
    return loanword.Embedding(name, vectors)


def make(folder, base):
    """Write the files for a base model below `folder`; returns the cases."""
    folder = Path(folder)
    made = [*_written(folder, base), *(_by_torch(folder) if base == "sd1" else ())]
    cases = []
    for number, (path, word, same) in enumerate(made):
        reference = f"reference{base}{number}"
        loanword.write(same.replace(name=reference), folder / "references", format=REFERENCE[base])
        cases.append(Case(str(path.relative_to(folder)), word, reference))
    return cases


def _written(folder, base):
    """Every pair of a format and a container that can hold such an embedding."""
    for key, row in loanword.formats().items():
        for container in row.containers if row.build else ():
            form = f"{key}-{container}".replace("-", "").replace("_", "") + base
            one = embedding(f"lw{form}", base, len(form))
            try:
                (path, *_) = loanword.write(one, folder / f"{base}/{form}", format=key, container=container)
                found = loanword.read_all(path)
            except loanword.LoanwordError:
                continue
            if len(found) == 1 and found[0].vectors == one.vectors and found[0].base_model == base:
                yield path, found[0].name, one


def _by_torch(folder):
    """What this torch writes: pickles that stricter readers refuse, with one and several concepts."""
    one, two, three, four = (embedding(f"bytorch{i}", "sd1", 100 + i) for i in range(4))
    tensors = {each.name: torch.from_numpy(each.vectors["clip_l"].numpy()) for each in (one, two, three, four)}
    old = torch.nn.ParameterDict({"*": torch.nn.Parameter(tensors["bytorch0"])})
    files = {
        "bytorch0.pt": {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": old, "name": "x"},
        "several.bin": {"<lwcat>": tensors["bytorch1"], "<lwdog>": tensors["bytorch2"]},
        "lwtoy/learned_embeds.bin": {"<lwtoy>": tensors["bytorch3"]},
    }
    for name, content in files.items():
        path = folder / "torch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path)
    (folder / "torch/lwtoy/token_identifier.txt").write_text("<lwtoy>")
    (folder / "torch/lwtoy/type_of_concept.txt").write_text("object")
    yield folder / "torch/bytorch0.pt", "bytorch0", one
    yield folder / "torch/several.bin", "<lwcat>", two
    yield folder / "torch/several.bin", "<lwdog>", three
    yield folder / "torch/lwtoy/learned_embeds.bin", "<lwtoy>", four
