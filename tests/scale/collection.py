"""A small collection with everything in it that a large one has, and what it looks like when it is converted."""

import json
import os
from pathlib import Path

import loanword

ROOT = Path(loanword.__file__).parent
JOURNAL = ".loanword-journal.sqlite"


def embedding(name, fill=1, rows=1):
    data = bytes([0, fill % 128, fill // 128 % 256, 60]) * (rows * 768)
    return loanword.Embedding(name, {"clip_l": loanword.Vectors("float32", (rows, 768), data)})


def make(folder, count=40):
    """`count` embeddings, and the odd ones: twins, namesakes, several in a file, damaged, no embedding, odd names."""
    for number in range(count):
        loanword.write(embedding(f"style{number:05}", number), folder / f"{number % 7}", format="kohya")
    loanword.write(embedding("twin", 1), folder / "twins/twin.pt")
    loanword.write(embedding("another twin", 1), folder / "twins/another twin.safetensors")
    for suffix, fill in ((".pt", 101), (".safetensors", 102), (".bin", 103)):
        loanword.write(embedding("namesake", fill), folder / f"twins/namesake{suffix}")
    several = [embedding("<cat>", 111), embedding("<dog>", 112), embedding("namesake", 113)]
    loanword.write(several, folder / "twins/several.bin", format="diffusers")
    loanword.write(embedding("猫 [v2]", 121), folder / "ünï/猫 [v2].pt")
    whole = (folder / "twins/twin.pt").read_bytes()
    (folder / "twins/cut.pt").write_bytes(whole[: len(whole) // 2])
    (folder / "twins/page.pt").write_text("<!DOCTYPE html><html>not found</html>")
    (folder / "twins/notes.txt").write_text("a note\n")


def contents(folder):
    """The bytes of every file below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def rows(report):
    return [json.loads(line) for line in Path(report).read_text(encoding="utf-8").splitlines()]


def environment(**more):
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'checkout'}", "PYTHONUTF8": "1", **more}
