"""What loanword writes, read by the programs' own code: `python tests/peers/readers.py PROGRAM CHECKOUT`.

PROGRAM is a1111, forge, comfyui or invokeai; CHECKOUT is the path of its repository. The reading code is the
program's; of what surrounds it, only what reading does not touch (the user interface, model management) is stood in
for. Needs torch, safetensors and what the program's reader imports. Exit status 0 where every vector arrived bit for
bit (as float32), 1 otherwise.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "checkout"))

import loanword
import numpy as np
import torch

WIDTHS = {"clip_l": 768, "clip_h": 1024, "clip_g": 1280, "t5xxl": 4096, "llama": 4096}


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers imports of a program's modules that are not needed for reading with objects that accept anything."""

    def __init__(self, prefix: str, real: set[str]) -> None:
        self.prefix, self.real = prefix, real

    def find_spec(self, name, *_):
        if name.startswith(self.prefix) and name not in self.real:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__spec__, module.__path__ = spec, []
        module.device = torch.device("cpu")
        return module

    def exec_module(self, module):
        pass


def a1111(checkout):
    """AUTOMATIC1111's EmbeddingDatabase, its checking torch.load and its image decoder."""
    sys.path.insert(0, checkout)
    package = "modules.textual_inversion"
    sys.meta_path.insert(
        0,
        StandIns("modules.", {"modules.safe", package, f"{package}.textual_inversion", f"{package}.image_embedding"}),
    )
    importlib.import_module("modules.safe")
    reader = importlib.import_module(f"{package}.textual_inversion")

    def read(path, encoders):
        database = reader.EmbeddingDatabase()
        database.load_from_file(str(path), path.name)
        (embedding,) = database.word_embeddings.values()
        return embedding.vec if isinstance(embedding.vec, dict) else {next(iter(encoders)): embedding.vec}

    return read


def forge(checkout):
    """Forge's engine database, which generation uses."""
    sys.path.insert(0, checkout)
    reader = importlib.import_module("backend.text_processing.textual_inversion")

    def read(path, encoders):
        database = reader.EmbeddingDatabase(lambda *_, **__: {"input_ids": [[1]]})
        database.load_from_file(str(path), path.name)
        (embedding,) = database.word_embeddings.values()
        return embedding.vec if isinstance(embedding.vec, dict) else {next(iter(encoders)): embedding.vec}

    return read


def comfyui(checkout):
    """ComfyUI's load_embed, asked once for each text encoder as its tokenizers do."""
    sys.path.insert(0, checkout)
    sys.argv = ["main.py", "--cpu"]
    importlib.import_module("comfy.options").enable_args_parsing()
    reader = importlib.import_module("comfy.sd1_clip")

    def read(path, encoders):
        return {
            key: reader.load_embed(path.stem, str(path.parent), WIDTHS[key], key).reshape(-1, WIDTHS[key])
            for key in encoders
        }

    return read


def invokeai(checkout):
    """InvokeAI's check of what an uploaded file is, and its loader."""
    sys.path.insert(0, checkout)
    reader = importlib.import_module("invokeai.backend.textual_inversion").TextualInversionModelRaw
    configs = importlib.import_module("invokeai.backend.model_manager.configs.textual_inversion")
    on_disk = importlib.import_module("invokeai.backend.model_manager.model_on_disk")
    rows = {768: configs.TI_File_SD1_Config, 1024: configs.TI_File_SD2_Config, 2048: configs.TI_File_SDXL_Config}

    def read(path, encoders):
        width = sum(WIDTHS[key] for key in encoders)
        config, disk = rows[width], on_disk.ModelOnDisk(path)
        if not config._file_looks_like_embedding(disk):
            raise RuntimeError("InvokeAI does not see an embedding in it")
        config._validate_base(disk)
        found = reader.from_checkpoint(path)
        if found.embedding_2 is None:
            return {next(iter(encoders)): found.embedding}
        return {"clip_g": found.embedding, "clip_l": found.embedding_2}

    return read


PROGRAMS = {"a1111": a1111, "forge": forge, "comfyui": comfyui, "invokeai": invokeai}
ENCODERS = [("clip_l",), ("clip_h",), ("clip_l", "clip_g")]
COMFYUI_ENCODERS = [*ENCODERS, ("clip_l", "t5xxl"), ("clip_l", "clip_g", "t5xxl"), ("llama", "clip_l")]


def samples(program):
    rng = np.random.default_rng(20)
    for encoders in COMFYUI_ENCODERS if program == "comfyui" else ENCODERS:
        for dtype in ("float32", "float16", "bfloat16"):
            for count in (1, 2, 75):
                vectors = {
                    key: loanword.Vectors.from_numpy(rng.normal(size=(count, WIDTHS[key])).astype("float32"), dtype)
                    for key in encoders
                }
                yield loanword.Embedding(f"{'-'.join(encoders)} {dtype} {count}", vectors)


def ways_of_writing(program, embedding):
    """What to pass to `write`: the program's target, and every other form that its users are handed around."""
    yield {"target": program}
    single = len(embedding.vectors) == 1
    if single:
        yield {"format": "a1111", "container": "torch-zip"}
        yield {"format": "a1111", "container": "torch-legacy"}
    if single and program in ("a1111", "forge") and embedding.vectors[next(iter(embedding.vectors))].dtype == "float32":
        yield {"format": "a1111", "container": "png"}
        yield {"format": "a1111", "container": "webp"}


def main(program, checkout):
    read = PROGRAMS[program](checkout)
    seen = wrong = 0
    for embedding in samples(program):
        for way in ways_of_writing(program, embedding):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    (path,) = loanword.write(embedding, folder, **way)
                    found = read(path, embedding.vectors)
                    arrived = all(
                        np.array_equal(found[key].detach().float().numpy(), vectors.numpy())
                        for key, vectors in embedding.vectors.items()
                    )
                    problem = "" if arrived else "other vectors than were written"
                except Exception as error:  # the program's own errors are what this looks for
                    problem = f"{type(error).__name__}: {error}"
            seen += 1
            if problem:
                wrong += 1
                print(f"{program}: {embedding.name}, {way}: {problem}")
    print(f"{program}: {seen - wrong} of {seen} files read bit for bit")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
