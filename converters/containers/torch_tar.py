"""Tar archives that hold embeddings: what torch.save wrote in 2016, and the `trained_model.tar` of cog-sdxl.

torch's has the files `storages`, `tensors` and `pickle`: the numbers, the shapes that look at them, and the object
that names the tensors by the number each had in memory. cog-sdxl's has its trainer's folder, `embeddings.pti` in it.

Source: torch 0.1, as `serialization.py: legacy_load` of torch 2.13 still reads it; replicate/cog-sdxl, `train.py`.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from ...embeddings.errors import Damaged, NotAnEmbedding, UnrecognisedFormat
from ..container import Container, Opened
from ..pickle_machine import LARGEST_PICKLE, load
from ..pickle_tree import tree_of
from ..pickle_values import StorageType
from ..source import Source
from ..tar_archive import files_of
from ..tensor_views import Storage, tensor_view
from .plain_pickle import LARGEST_FILE, no_storage
from .safetensors import open_safetensors

if TYPE_CHECKING:
    from ..payload import Tensor

EMBEDDINGS = "embeddings.pti"
TOKENS = "special_params.json"
MOST_OBJECTS = 10_000
MOST_AXES = 32
_WINDOW = 64 * 1024
_AGAIN = "download it again"


def open_tar(source: Source) -> Opened:
    """The tree of torch's archive, or of the embeddings in cog-sdxl's, whose tokens become a sibling of the source."""
    files = files_of(source)
    if EMBEDDINGS in files:
        return _open_cog(source, files)
    if not files.keys() >= {"storages", "tensors", "pickle"}:
        raise NotAnEmbedding(f"a tar archive of {len(files)} files, none of them an embedding's; unpack it")
    objects: dict[int, Storage | Tensor] = {}
    if "sys_info" in files:
        machine = _Reader(source, *files["sys_info"]).value()
        if type(machine) is not dict or machine.get("little_endian") is not True:  # pyright: ignore[reportUnknownMemberType]
            raise UnrecognisedFormat("an old torch file of a big-endian machine; save it again with a newer torch")
    _read_storages(_Reader(source, *files["storages"]), objects)
    _read_tensors(_Reader(source, *files["tensors"]), objects)
    return Opened(tree_of(_Reader(source, *files["pickle"]).value(partial(_named, objects)), source.size))


def _open_cog(source: Source, files: dict[str, tuple[int, int]]) -> Opened:
    begin, end = files[EMBEDDINGS]
    if end - begin > LARGEST_FILE:
        raise NotAnEmbedding(f"{EMBEDDINGS} in it takes {(end - begin) >> 20} MB, embeddings are far smaller")
    if TOKENS in files and files[TOKENS][1] - files[TOKENS][0] <= _WINDOW:
        start, stop = files[TOKENS]
        source.siblings[TOKENS] = bytes(source.read(start, stop - start))
    content = bytes(source.read(begin, end - begin))
    return open_safetensors(Source(source.path, len(content), content))


class _Reader:
    """One file of the archive, read piece by piece."""

    def __init__(self, source: Source, position: int, end: int) -> None:
        self.source = source
        self.position = position
        self.end = end

    def value(self, persistent: Any = no_storage) -> Any:
        """The value of the pickle that comes next; it has to be the last thing in a file that holds nothing else."""
        size = min(self.end - self.position, LARGEST_PICKLE if persistent is not no_storage else _WINDOW)
        value, length = load(bytes(self.source.read(self.position, size)), 0, persistent)
        self.position += length
        if persistent is not no_storage and self.position != self.end:
            raise Damaged(f"its pickle goes on after its end; {_AGAIN}")
        return value

    def count(self) -> int:
        value = self.value()
        if type(value) is not int or not 0 <= value <= MOST_OBJECTS:
            raise Damaged(f"a torch file of 2016 with a count that makes no sense; {_AGAIN}")
        return value

    def numbers(self, layout: str) -> tuple[int, ...]:
        size = struct.calcsize(layout)
        if self.position + size > self.end:
            raise Damaged(f"a torch file of 2016 that is cut short; {_AGAIN}")
        found = struct.unpack(layout, self.source.read(self.position, size))
        self.position += size
        return found

    def skip(self, length: int) -> int:
        """Where the next `length` bytes begin."""
        if not 0 <= length <= self.end - self.position:
            raise Damaged(f"a torch file of 2016 that is cut short; {_AGAIN}")
        self.position += length
        return self.position - length

    def finish(self) -> None:
        if self.position != self.end:
            raise Damaged(f"a torch file of 2016 that goes on after its end; {_AGAIN}")


def _read_storages(reader: _Reader, objects: dict[int, Storage | Tensor]) -> None:
    """The numbers: key, location and type of each storage, its elements; then storages that are parts of others."""
    for _ in range(reader.count()):
        row = reader.value()
        if type(row) is not tuple or len(row) != 3 or type(row[2]) is not StorageType or row[2].dtype is None:
            raise Damaged(f"a torch file of 2016 with a storage that makes no sense; {_AGAIN}")
        key, _, kind = row
        (count,) = reader.numbers("<q")
        start = reader.skip(count * kind.itemsize)
        _add(objects, key, Storage(kind.dtype, count * kind.itemsize, partial(_read_from, reader.source, start)))
    views = reader.value()
    if type(views) is not list:
        raise Damaged(f"a torch file of 2016 with a storage that makes no sense; {_AGAIN}")
    if views:
        raise UnrecognisedFormat("a torch file of 2016 whose storages are parts of others; save it again")
    reader.finish()


def _read_tensors(reader: _Reader, objects: dict[int, Storage | Tensor]) -> None:
    """The shapes: key, storage and type of each tensor, then its axes, sizes, strides and offset."""
    for _ in range(reader.count()):
        row = reader.value()
        if type(row) is not tuple or len(row) != 3 or type(row[1]) is not int:
            raise Damaged(f"a torch file of 2016 with a tensor that makes no sense; {_AGAIN}")
        storage = objects.get(row[1])
        axes, _ = reader.numbers("<2i")
        if type(storage) is not Storage or storage.dtype is None or not 0 <= axes <= MOST_AXES:
            raise Damaged(f"a torch file of 2016 with a tensor that makes no sense; {_AGAIN}")
        size, stride = reader.numbers(f"<{axes}q"), reader.numbers(f"<{axes}q")
        (offset,) = reader.numbers("<q")
        _add(objects, row[0], tensor_view(storage, storage.dtype, offset, size, stride))
    reader.finish()


def _add(objects: dict[int, Storage | Tensor], key: Any, made: Storage | Tensor) -> None:
    if type(key) is not int or key in objects:
        raise Damaged(f"a torch file of 2016 with two objects of one number; {_AGAIN}")
    objects[key] = made


def _named(objects: dict[int, Storage | Tensor], identity: object) -> Storage | Tensor:
    """The tensor or storage whose number a pickle names."""
    if type(identity) is not str or not identity.isdecimal() or not identity.isascii() or len(identity) > 20:
        raise Damaged(f"its pickle names a tensor as torch does not; {_AGAIN}")
    found = objects.get(int(identity))
    if found is None:
        raise Damaged(f"its pickle names a tensor that is not there; {_AGAIN}")
    return found


def _read_from(source: Source, origin: int, start: int, length: int) -> Any:
    return source.read(origin + start, length)


def _claims(head: bytes) -> bool:
    """A file name, then zeros: the beginning of a tar header, which says what it is only after 257 bytes."""
    name = head.rstrip(b"\0")
    return (
        len(head) == 64 and 0 < len(name) < 64 and b"\0" not in name and name.isascii() and name.decode().isprintable()
    )


CONTAINERS = (
    Container(
        key="torch-tar",
        title="tar archive",
        suffixes=(".tar", ".pt", ".pth", ".bin"),
        claims=_claims,
        open=open_tar,
        save=None,
        pickled=True,
        foreign_suffixes=(".safetensors", ".png", ".webp", ".jxl", ".avif"),
    ),
)
