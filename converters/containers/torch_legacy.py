"""What torch.save wrote before 1.6, and still does on request: pickles one after another, then the storages' numbers.

The pickles are: a magic number, a protocol version, facts of the machine, the object, the keys of its storages. Then
follows, in the order of those keys, for each storage its number of elements and the elements.

Source: torch 0.2 to 2.13, `serialization.py: _legacy_save, _legacy_load`.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...embeddings.errors import Damaged, UnrecognisedFormat
from ..container import Container, Opened
from ..pickle_machine import LARGEST_PICKLE, load
from ..pickle_torch import PARAMETER_DICT
from ..pickle_tree import tree_of
from ..pickle_values import Named, StorageType
from ..pickle_writer import plain_pickle, torch_pickle
from ..tar_archive import BLOCK, is_header
from ..tensor_views import Storage

if TYPE_CHECKING:
    from ...embeddings.dtypes import Buffer
    from ..payload import Draft
    from ..source import Source

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled number 0x1950a86a20f9469cfc6c."""
VERSION = b"\x80\x02M\xe9\x03."
"""The pickled number 1001."""
_AGAIN = "download it again"


def open_torch_legacy(source: Source) -> Opened:
    """The tree of the object's pickle, its tensors to be fetched from behind the pickles."""
    data = bytes(source.read(0, min(source.size, LARGEST_PICKLE)))
    if is_header(data[:BLOCK]):
        raise Damaged("is an old torch file and a tar archive at once; programs would differ in which one they read")
    if not data.startswith(MAGIC + VERSION):
        raise UnrecognisedFormat("an old torch file of another version than 1001; save it again with a newer torch")
    machine, position = load(data, len(MAGIC + VERSION), _no_storage)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:  # pyright: ignore[reportUnknownMemberType]
        raise UnrecognisedFormat("an old torch file of a big-endian machine; save it again with a newer torch")
    storages = _Storages(source)
    value, position = load(data, position, storages.named)
    keys, position = load(data, position, _no_storage)
    storages.place(keys, position)
    return Opened(tree_of(value, source.size))


@dataclass(slots=True)
class _Run:
    """One storage's place in the file, known only when all pickles are read."""

    source: Source
    kind: StorageType
    count: int
    start: int = 0

    def read(self, start: int, length: int) -> Buffer:
        return self.source.read(self.start + start, length)


class _Storages:
    """The file's storages, in the order in which the pickle names them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.runs: dict[str, tuple[_Run, Storage]] = {}

    def named(self, identity: object) -> Storage | Named:
        """The storage of a persistent id: ("storage", type, key, location, number of elements, None).

        A ParameterDict's class is named so too, with its source code, which nobody looks at: ("module", class, …).
        """
        if type(identity) is tuple and len(identity) == 4 and identity[:2] == ("module", PARAMETER_DICT):
            return PARAMETER_DICT
        if type(identity) is not tuple or len(identity) != 6:
            raise Damaged(f"its pickle names a storage as torch does not; {_AGAIN}")
        tag, kind, key, location, count, view = identity
        if tag != "storage" or type(kind) is not StorageType or type(key) is not str or type(location) is not str:
            raise Damaged(f"its pickle names a storage as torch does not; {_AGAIN}")
        if view is not None or type(count) is not int or count < 0 or count * kind.itemsize > self.source.size:
            raise Damaged(f"a storage in it is larger than the file, or a part of another; {_AGAIN}")
        if key in self.runs:
            run, storage = self.runs[key]
            if run.kind is not kind or run.count != count:
                raise Damaged(f"its pickle describes a storage in two ways; {_AGAIN}")
            return storage
        run = _Run(self.source, kind, count)
        storage = Storage(kind.dtype, count * kind.itemsize, run.read)
        self.runs[key] = (run, storage)
        return storage

    def place(self, keys: Any, position: int) -> None:
        """Give each storage its place, in the order of `keys`; they have to fill the file to its end."""
        if (
            type(keys) is not list
            or not all(type(key) is str for key in keys)
            or len(keys) != len(self.runs)
            or set(keys) != self.runs.keys()
        ):
            raise Damaged(f"its list of storages is not that of its pickle; {_AGAIN}")
        for key in keys:
            run, storage = self.runs[key]
            if int.from_bytes(self.source.read(position, 8), "little", signed=True) != run.count:
                raise Damaged(f"a storage in it has another length than its pickle says; {_AGAIN}")
            run.start = position + 8
            position = run.start + storage.nbytes
        if position != self.source.size:
            raise Damaged(f"is {self.source.size} bytes long, its content takes {position}; {_AGAIN}")


def _no_storage(_: object) -> Storage:
    raise Damaged(f"its pickle names a storage where none belongs; {_AGAIN}")


def save_torch_legacy(draft: Draft) -> bytes:
    """The file that torch.save writes for the draft's tree with `_use_new_zipfile_serialization=False`."""
    written = torch_pickle(draft.tree, legacy=True)
    keys = [key for key, _, _ in written.storages]
    parts: list[Buffer] = [MAGIC, VERSION, plain_pickle(_MACHINE), written.pickle, plain_pickle(keys)]
    for _, itemsize, data in written.storages:
        parts += [(len(data) // itemsize).to_bytes(8, "little"), data]
    return b"".join(parts)


_MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}

CONTAINERS = (
    Container(
        key="torch-legacy",
        title="torch file (pickles of before torch 1.6)",
        suffixes=(".pt", ".bin", ".pth", ".ckpt"),
        claims=lambda head: head.startswith(MAGIC),
        open=open_torch_legacy,
        save=save_torch_legacy,
        pickled=True,
        foreign_suffixes=(".safetensors", ".png", ".webp", ".jxl", ".avif"),
    ),
)
