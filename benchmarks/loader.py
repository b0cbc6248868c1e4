"""How long loading embeddings takes, against the least that diffusers' own way could take, in one run.

The bound L is one `torch.cat` of a full CLIP-L table with the new vectors and one `add_tokens` of the new tokens.
Times are of the processor, one thread, the best of a few. Run: python benchmarks/loader.py [--diffusers]
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "checkout"), str(ROOT / "tests")]

import numpy as np
import tiny_pipelines
import torch
from diffusers.loaders import TextualInversionLoaderMixin
from loanword import Embedding, Vectors
from loanword.loader.textual_inversion import load_textual_inversion, unload

COUNT, VECTORS, WIDTH = 1000, 8, 768
PROMPT = (
    "masterpiece, best quality, a portrait of a young woman in a red dress standing in a garden, detailed face, "
    "soft light, sharp focus, (bokeh:1.2), 85mm photograph, highly detailed"
)


class Pipeline(TextualInversionLoaderMixin):
    """As little of a pipeline as both loaders need."""

    hf_device_map = None

    def __init__(self):
        self.tokenizer = tiny_pipelines.clip_tokenizer()
        self.text_encoder = tiny_pipelines.clip_encoder(layers=1)
        self.components = {"tokenizer": self.tokenizer, "text_encoder": self.text_encoder}


def seconds(act, *, undo=None, times=3):
    """The least processor time of `act`, with `undo` after each time."""
    best = float("inf")
    for _ in range(times):
        gc.collect()
        start = time.process_time()
        act()
        best = min(best, time.process_time() - start)
        if undo:
            undo()
    return best


def embeddings(count, prefix="word"):
    random = np.random.default_rng(0)
    arrays = random.standard_normal((count, VECTORS, WIDTH), dtype=np.float32)
    return [Embedding(f"{prefix}{i}x", {"clip_l": Vectors.from_numpy(array)}) for i, array in enumerate(arrays)]


def bound(count):
    """L for `count` embeddings."""
    table = torch.randn(49408, WIDTH)
    new = torch.randn(count * VECTORS, WIDTH)
    cat = seconds(lambda: torch.cat([table, new]))
    tokens = [f"word{i}x_{j}" for i in range(count) for j in range(VECTORS)]
    added = []
    for _ in range(2):
        tokenizer = tiny_pipelines.clip_tokenizer()
        added.append(seconds(lambda tokenizer=tokenizer: tokenizer.add_tokens(tokens), times=1))
    return cat + min(added)


def one_by_one(act, items):
    def run():
        for item in items:
            act(item)

    return run


def peak_memory(act):
    """Bytes that the process held more at the worst moment of `act`, as the system counts them."""
    status = Path("/proc/self")
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed before would hide what is taken now
    (status / "clear_refs").write_text("5")
    before = _status("VmRSS")
    act()
    return _status("VmHWM") - before


def _status(field):
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def row(label, value, limit):
    verdict = "" if limit is None else f"   at most {limit} x   {'ok' if value <= limit else 'TOO SLOW'}"
    print(f"{label:58}{value:10.3f} x{verdict}")


def ours(many, more, limit):
    pipe = Pipeline()
    load_textual_inversion(pipe, more)
    unload(pipe)
    used = peak_memory(lambda: load_textual_inversion(pipe, many))
    unload(pipe)
    plain = seconds(lambda: [pipe.tokenizer(PROMPT) for _ in range(50)], times=10) / 50
    row(
        f"{COUNT} in one call",
        seconds(lambda: load_textual_inversion(pipe, many), undo=lambda: unload(pipe)) / limit,
        1,
    )
    each = one_by_one(lambda one: load_textual_inversion(pipe, one), many)
    row(f"{COUNT} one by one", seconds(each, undo=lambda: unload(pipe), times=2) / limit, 5)
    load_textual_inversion(pipe, many)
    load = seconds(lambda: load_textual_inversion(pipe, more), undo=lambda: unload(pipe, more.name), times=5)
    row(f"one more beside {COUNT}", load / limit, 0.1)
    load_textual_inversion(pipe, more)
    drop = seconds(lambda: unload(pipe, more.name), undo=lambda: load_textual_inversion(pipe, more), times=5)
    row(f"unloading one of {COUNT}", drop / limit, 0.1)
    full = seconds(lambda: [pipe.tokenizer(PROMPT) for _ in range(50)], times=10) / 50
    named = f"{PROMPT}, {many[3].name}, {many[700].name}"
    naming = seconds(lambda: [pipe.tokenizer(named) for _ in range(50)], times=10) / 50
    drop_all = seconds(lambda: unload(pipe), undo=lambda: load_textual_inversion(pipe, many))
    row(f"unloading all {COUNT}", drop_all / limit, 1)
    each = one_by_one(lambda one: unload(pipe, one.name), many)
    row(
        f"unloading {COUNT} one by one",
        seconds(each, undo=lambda: load_textual_inversion(pipe, many), times=2) / limit,
        5,
    )
    row("tokenizing a prompt, against none loaded", full / plain, 1.5)
    row("tokenizing a prompt that names two, against none loaded", naming / plain, None)
    row("peak memory, against the vectors' own size", used / (COUNT * VECTORS * WIDTH * 4), 2)


def theirs(many):
    pipe = Pipeline()
    for count in (1, 10):
        limit = bound(count)
        tensors = [torch.from_numpy(one.vectors["clip_l"].numpy()) for one in many[:count]]
        names = [one.name for one in many[:count]]

        def load(tensors=tensors, names=names):
            pipe.load_textual_inversion(list(tensors), token=list(names))

        row(f"diffusers: {count} in one call", seconds(load, undo=pipe.unload_textual_inversion, times=1) / limit, None)


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--diffusers", action="store_true", help="also time diffusers' own method, with few embeddings")
    options = parser.parse_args()
    many = embeddings(COUNT)
    limit = bound(COUNT)
    print(f"L for {COUNT} embeddings of {VECTORS} x {WIDTH}: {limit * 1000:.0f} ms")
    ours(many, embeddings(1, "more")[0], limit)
    if options.diffusers:
        theirs(many)


if __name__ == "__main__":
    main()
