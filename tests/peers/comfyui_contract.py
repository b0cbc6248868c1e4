"""Hold the stand-in for ComfyUI (`tests/comfyui/stand_in`) to the real one: the same questions, the same answers.

    python tests/peers/comfyui_contract.py CHECKOUT [--python INTERPRETER]

INTERPRETER has what ComfyUI's text encoders import; each side is asked in a process of its own.
"""

import argparse
import importlib
import inspect
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "checkout"), str(ROOT / "tests")]

STAND_IN = ROOT / "tests/comfyui/stand_in"
FUNCTIONS = (
    ("comfy.sd1_clip", "", "load_embed", 4),
    ("comfy.sd1_clip", "SDTokenizer", "_try_get_embedding", 2),
    ("comfy.sd1_clip", "SDTokenizer", "tokenize_with_weights", 2),
    ("comfy.sd", "CLIP", "tokenize", 2),
)
"""The functions that loanword wraps, and how many of their arguments have to have the same names."""
NAMES = (
    "one",
    "one.pt",
    "two",
    "both",
    "sub/one",
    "deep/only",
    "only",
    "missing",
    "../outside",
    "sub",
    "",
    "sub/../one",
)
SPOKEN = ("one", "one, two", "two on a cat", "two,", ",two", "missing cat", "sub/three cat", "one\ncat")
PROMPTS = (
    "a cat",
    "embedding:one",
    "a cat embedding:one, dog",
    "a (embedding:one:1.5) cat",
    "(a embedding:two cat) dog",
    "((cat:1.2) embedding:one:0.5)",
    r"cat \(dog\) embedding:one",
    "cat\nembedding:one dog",
    "embedding:missing cat",
    "cat " * 80,
    "cat " * 72 + "embedding:two",
    "cat " * 72 + "embedding:many dog",
)
PATHS = ("one.pt", "sub/three.pt", "../outside.pt", "/etc/passwd", "missing", "sub")


def make(base):
    """Files that ComfyUI reads by itself."""
    import loanword
    import samples

    folder = Path(base, "models/embeddings")
    for place, count in (("one.pt", 1), ("sub/three.pt", 2), ("two.bin", 2), ("many.safetensors", 9)):
        loanword.write(loanword.Embedding("word", {"clip_l": samples.some(count)}), folder / place)
    loanword.write(loanword.Embedding("both", samples.PAIR), folder / "both.safetensors")
    loanword.write(loanword.Embedding("only", {"clip_l": samples.some(3)}), folder / "sub/deep/only.safetensors")
    loanword.write(loanword.Embedding("outside", {"clip_l": samples.some(1)}), folder.parent / "outside.pt")


def answers(base):
    """What the modules on sys.path answer, as plain values."""
    logging.disable()
    paths = importlib.import_module("folder_paths")
    folder = os.path.join(base, "models/embeddings")
    suffixes = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
    paths.folder_names_and_paths["embeddings"] = ([folder], suffixes)
    sd1_clip = importlib.import_module("comfy.sd1_clip")
    found = {}
    for module, place, name, count in FUNCTIONS:
        owner = importlib.import_module(module)
        owner = getattr(owner, place) if place else owner
        found[f"arguments of {name}"] = list(inspect.signature(getattr(owner, name)).parameters)[:count]
    found["listed"] = paths.get_filename_list("embeddings")
    found["paths"] = [_below(paths.get_full_path("embeddings", each), base) for each in PATHS]
    found["folders"] = [_below(each, base) for each in paths.get_folder_paths("embeddings")]
    for key, width in (("clip_l", 768), ("clip_g", 1280)):
        for name in NAMES:
            found[f"load_embed {name!r} {key}"] = _numbers(sd1_clip.load_embed(name, [folder], width, key))
    for size, pads in ((768, True), (768, False)):
        tokenizer = sd1_clip.SDTokenizer(embedding_directory=[folder], embedding_size=size, pad_with_end=pads)
        for text in SPOKEN:
            tensor, rest = tokenizer._try_get_embedding(text)
            found[f"_try_get_embedding {text!r}"] = [_numbers(tensor), rest.split()]
        for prompt in PROMPTS:
            sequences = tokenizer.tokenize_with_weights(prompt)
            found[f"{prompt[-40:]!r} {pads}"] = [[_token(*token) for token in sequence] for sequence in sequences]
        worded = tokenizer.tokenize_with_weights("a cat embedding:two dog", return_word_ids=True)
        found[f"words {pads}"] = [[token[2] for token in sequence] for sequence in worded]
    api = importlib.import_module("comfy_api.latest")
    schema = inspect.signature(api.io.Schema).parameters
    found["schema"] = [name in schema for name in ("node_id", "display_name", "category", "description", "inputs")]
    kinds = ("Clip", "String", "Combo", "Image", "Conditioning")
    found["kinds"] = [
        hasattr(getattr(api.io, kind), "Input") and hasattr(getattr(api.io, kind), "Output") for kind in kinds
    ]
    found["output"] = list(api.io.NodeOutput(1, 2, ui=api.ui.PreviewText("text")).args)
    found["extension"] = isinstance(api.ComfyExtension, type) and isinstance(api.io.ComfyNode, type)
    return found


def _below(path, base):
    return os.path.relpath(path, base) if path else None


def _numbers(tensor):
    return None if tensor is None else [list(tensor.shape), tensor.flatten()[:3].tolist()]


def _token(token, weight):
    special = {49406: "start", 49407: "end", 0: "zero"}
    what = special.get(token, "word") if isinstance(token, int) else token[:3].tolist()
    return [what, round(weight, 6)]


def asked(interpreter, modules, base):
    """The answers of the modules in a folder."""
    command = [interpreter, __file__, str(modules), "--answers", base]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Print what differs; the exit status is 0 where nothing does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--answers", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.answers:
        sys.path.insert(0, given.checkout)
        sys.argv = ["main.py", "--cpu"]
        if Path(given.checkout) != STAND_IN:
            importlib.import_module("comfy.options").enable_args_parsing()
        print(json.dumps(answers(given.answers)))
        return 0
    with tempfile.TemporaryDirectory() as base:
        make(base)
        ours, theirs = (asked(given.python, modules, base) for modules in (STAND_IN, given.checkout))
    different = [question for question in theirs if ours.get(question) != theirs[question]]
    for question in different:
        print(f"{question}:\n  ComfyUI:  {str(theirs[question])[:600]}\n  stand-in: {str(ours.get(question))[:600]}")
    print(f"{len(theirs) - len(different)} of {len(theirs)} answers are the same")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
