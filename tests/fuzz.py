"""Atheris on everything that reads bytes from strangers: only loanword's own errors may come out.

`make fuzz` runs it; arguments are libFuzzer's. The corpus starts with a sample of every format in every container,
and with their pickles alone: what begins like a pickle is put into a sound zip first, past its checksums.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["loanword"]):
    import loanword

    for folder in ("embeddings", "converters"):
        package = importlib.import_module(f"loanword.{folder}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

import samples
from loanword.converters.container import container_named
from loanword.converters.payload import Draft
from loanword.converters.pickle_machine import load
from loanword.converters.pickle_values import StorageType
from loanword.converters.pickle_writer import torch_pickle
from loanword.converters.tensor_views import Storage
from loanword.converters.zip_archive import zipped

LARGEST = 1 << 20


def in_a_zip(pickle: bytes) -> bytes:
    """A sound zip with the pickle, and with each storage that it names as long as it says."""
    numbers: dict[str, bytes] = {}

    def named(identity: object) -> Storage:
        match identity:
            case ("storage", StorageType(dtype=dtype, itemsize=size), str(key), _, int(count)) if (
                0 <= count * size <= LARGEST
            ):
                numbers[key] = bytes(count * size)
                return Storage(dtype, count * size, lambda start, length: numbers[key][start : start + length])
        raise loanword.Damaged("no storage")

    with suppress(loanword.LoanwordError):
        load(pickle, 0, named)
    storages = [(f"a/data/{key}", data) for key, data in numbers.items() if key.isdecimal()]
    return zipped([("a/data.pkl", pickle), *storages, ("a/version", b"3\n")])


def read(data: bytes) -> None:
    """Read `data` as a file, and everything that it gives."""
    if data[:1] == b"\x80":
        data = in_a_zip(data)
    refusal = ""
    try:
        for embedding in loanword.read_all(data, name="fuzz"):
            for vectors in (*embedding.vectors.values(), *embedding.output_vectors.values()):
                vectors.tobytes()
    except loanword.LoanwordError as error:
        refusal = str(error)
    assert "\n" not in refusal


def fill(corpus: Path) -> None:
    """Put the samples into the corpus."""
    for number, sample in enumerate(samples.PAYLOADS):
        (corpus / f"{number}-pickle").write_bytes(torch_pickle(sample.payload.tree).pickle)
        for key in loanword.formats()[sample.format].containers:
            save = container_named(key).save
            try:
                content = save(Draft(sample.payload.tree, sample.payload.metadata)) if save else b""
            except loanword.CannotWrite:
                continue
            (corpus / f"{number}-{key}").write_bytes(content)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        fill(Path(corpus))
        atheris.Setup([*sys.argv, corpus], read)
        atheris.Fuzz()
