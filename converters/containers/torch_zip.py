"""What torch.save writes since 1.6: a zip with one pickle and the numbers of each storage in a file of its own.

Source: torch 1.6 to 2.13, `serialization.py: _save, _load`; A1111 1.10.1, `modules/safe.py`, for what it accepts.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...embeddings.errors import Damaged, FileError, NotAnEmbedding, shortened
from ..container import Container, Opened
from ..pickle_machine import LARGEST_PICKLE, load, tree_of
from ..pickle_names import StorageType
from ..pickle_writer import torch_pickle
from ..tensor_views import Storage
from ..zip_archive import STORED, data_start, entries_of, quoted, read_entry, zipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...embeddings.dtypes import Buffer
    from ..payload import Draft
    from ..source import Source
    from ..zip_archive import Entry

PICKLE = "data.pkl"
CHECKED_WHOLE = 1024 * 1024
"""Bytes up to which a storage is read and checked whole, even where only a part of it is wanted."""
_MEMBERS = frozenset((PICKLE, "version", "byteorder"))
_TORCHS_OWN = re.compile(r"\.\w+(/\w+)*", re.ASCII)
"""Notes such as `.format_version` and `.data/serialization_id`; newer versions add new ones."""
_VERSIONS = frozenset(str(version).encode() for version in range(1, 11))
_AGAIN = "download it again"


def open_torch_zip(source: Source) -> Opened:
    """The tree of the archive's pickle, its tensors to be fetched from the archive's other members."""
    entries = entries_of(source)
    top = _top(entries)
    version = entries.get(f"{top}version")
    if version and bytes(read_entry(source, version, 100)).strip() not in _VERSIONS:
        raise Damaged(f"a torch file of an unknown version; {_AGAIN}")
    order = entries.get(f"{top}byteorder")
    byteorder = bytes(read_entry(source, order, 100)) if order else b"little"
    if byteorder not in (b"little", b"big"):
        raise Damaged(f"a torch file of an unknown byte order; {_AGAIN}")
    entry = entries[f"{top}{PICKLE}"]
    if entry.size > LARGEST_PICKLE:
        raise Damaged(f"its pickle alone takes {entry.size >> 20} MB; no program saves an embedding like that")
    pickle = bytes(read_entry(source, entry))
    storages = _Storages(source, entries, f"{top}data/", big_endian=byteorder == b"big")
    value, end = load(pickle, 0, storages.named)
    if end != len(pickle):
        raise Damaged(f"its pickle goes on after its end; {_AGAIN}")
    return Opened(tree_of(value, source.size))


def save_torch_zip(draft: Draft) -> bytes:
    """The file that torch 1.6 writes for the draft's tree: no member that A1111's reader does not know."""
    written = torch_pickle(draft.tree)
    members = [("archive/data.pkl", written.pickle)]
    members += [(f"archive/data/{key}", data) for key, _, data in written.storages]
    return zipped([*members, ("archive/version", b"3\n")])


def _top(entries: Mapping[str, Entry]) -> str:
    """The folder, with its slash, that everything in the archive is in."""
    pickles = [name for name in entries if name.endswith(f"/{PICKLE}")]
    if len(pickles) != 1:
        raise NotAnEmbedding(f"a zip archive of {len(entries)} files, none of them torch's; unpack it and read those")
    top = pickles[0].removesuffix(PICKLE)
    folder = top[:-1]
    if "/" in folder or "\\" in folder or folder in ("", ".", "..") or not folder.isprintable():
        raise Damaged(f"{quoted(entries[pickles[0]])} in it is not where torch keeps it; download it again")
    for name, entry in entries.items():
        if name[: len(top)] != top or not _is_member(name[len(top) :], entry):
            raise _stranger(name.removeprefix(top), entry)
    return top


def _is_member(rest: str, entry: Entry) -> bool:
    """Whether a file's name inside of the folder is one that torch writes."""
    return (
        rest in _MEMBERS
        or (rest[:5] == "data/" and rest[5:].isdecimal() and rest.isascii())
        or _TORCHS_OWN.fullmatch(rest) is not None
        or (rest[-1:] == "/" and not entry.size)
    )


def _stranger(rest: str, entry: Entry) -> FileError:
    if rest.startswith(("code/", "constants.pkl")):
        return NotAnEmbedding("a TorchScript program, not an embedding; ask its author what it is for")
    return Damaged(f"{quoted(entry)} in it is nothing that torch writes; get another copy")


class _Storages:
    """The archive's storages, each made when the pickle first names it."""

    def __init__(self, source: Source, entries: Mapping[str, Entry], folder: str, *, big_endian: bool) -> None:
        self.source = source
        self.entries = entries
        self.folder = folder
        self.big_endian = big_endian
        self.made: dict[str, tuple[StorageType, int, Storage]] = {}

    def named(self, identity: object) -> Storage:
        """The storage of a persistent id: ("storage", type, key, location, number of elements)."""
        if type(identity) is not tuple or len(identity) != 5:
            raise Damaged(f"its pickle names a storage as torch does not; {_AGAIN}")
        tag, kind, key, location, count = identity
        if tag != "storage" or type(kind) is not StorageType or type(key) is not str or type(location) is not str:
            raise Damaged(f"its pickle names a storage as torch does not; {_AGAIN}")
        known = self.made.get(key)
        if known is not None:
            if known[0] is not kind or known[1] != count or type(count) is not int:
                raise Damaged(f"its pickle describes storage {_quoted(key)} in two ways; {_AGAIN}")
            return known[2]
        entry = self.entries.get(self.folder + key)
        if entry is None or type(count) is not int or entry.size != count * kind.itemsize:
            raise Damaged(f"its storage {_quoted(key)} is missing or has another size than its pickle says; {_AGAIN}")
        storage = Storage(kind.dtype, entry.size, _Member(self.source, entry).read, self.big_endian)
        self.made[key] = (kind, count, storage)
        return storage


def _quoted(key: str) -> str:
    return f"'{shortened(key, 80)}'"


class _Member:
    """The bytes of one storage: checked whole where it is small, in memory or wanted whole, else read by range."""

    def __init__(self, source: Source, entry: Entry) -> None:
        self.source = source
        self.entry = entry
        self.content: Buffer | None = None
        self.start = -1

    def read(self, start: int, length: int) -> Buffer:
        entry = self.entry
        if self.content is not None:
            return memoryview(self.content)[start : start + length]
        keep = entry.method != STORED or entry.size <= CHECKED_WHOLE or self.source.content is not None
        if keep or length == entry.size:
            content = read_entry(self.source, entry)
            if keep:
                self.content = content
            return content if length == entry.size else memoryview(content)[start : start + length]
        if self.start < 0:
            self.start = data_start(self.source, entry)
        return self.source.read(self.start + start, length)


CONTAINERS = (
    Container(
        key="torch-zip",
        title="torch file (zip with a pickle)",
        suffixes=(".pt", ".bin", ".pth", ".ckpt"),
        claims=lambda head: head[:4] in (b"PK\3\4", b"PK\5\6"),
        open=open_torch_zip,
        save=save_torch_zip,
        pickled=True,
        foreign_suffixes=(".safetensors", ".png", ".webp", ".jxl", ".avif"),
    ),
)
