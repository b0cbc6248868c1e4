"""What torch.save writes since 1.6: a zip with one pickle and the numbers of each storage in a file of its own.

Source: torch 1.6 to 2.13, `serialization.py: _save, _load`; A1111 1.10.1, `modules/safe.py`, for what it accepts.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zlib import crc32

from ...embeddings.errors import Damaged, NotAnEmbedding, shortened
from ..container import Container, Opened
from ..pickle_machine import LARGEST_PICKLE, load
from ..pickle_tree import tree_of
from ..pickle_values import StorageType
from ..pickle_writer import torch_pickle
from ..tensor_views import Storage
from ..zip_archive import STORED, ZipArchive, quoted, zipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...embeddings.dtypes import Buffer
    from ..payload import Draft
    from ..source import Source
    from ..zip_archive import Entry

PICKLE = b"data.pkl"
CHECKED_WHOLE = 1024 * 1024
"""Bytes up to which a storage is read and checked whole, even where only a part of it is wanted."""
LONGEST_NOTE = 16
_MEMBER = rb"(?:data\.pkl|version|byteorder|data/[0-9]+|\.\w+(?:/\w+)*|(?:data/)?)"
_LAYOUT = re.compile(rb"([^/\\\n]+)/" + _MEMBER + rb"(?:\n\1/" + _MEMBER + rb")*")
"""Names of the members, a line each. `.something` are torch's own notes, of which newer versions have more."""
_VERSIONS = frozenset(
    (len(note), crc32(note)) for version in range(1, 11) for note in (b"%d\n" % version, b"%d" % version)
)
"""Length and checksum of the notes of the container's versions, none of which makes a difference here."""
_AGAIN = "download it again"


def open_torch_zip(source: Source) -> Opened:
    """The tree of the archive's pickle, its tensors to be fetched from the archive's other members."""
    archive = ZipArchive(source)
    top = _top(archive.entries)
    version = archive.entries.get(top + b"version")
    if version and (version.size, version.checksum) not in _VERSIONS:
        raise Damaged(f"{quoted(version)} in it is of no version that torch writes; {_AGAIN}")
    big_endian = _big_endian(archive, archive.entries.get(top + b"byteorder"))
    entry = archive.entries[top + PICKLE]
    if entry.size > LARGEST_PICKLE:
        raise Damaged(f"its pickle alone takes {entry.size >> 20} MB; no program saves an embedding like that")
    pickle = bytes(archive.read(entry))
    storages = _Storages(archive, top + b"data/", source, big_endian=big_endian)
    value, end = load(pickle, 0, storages.named)
    if end != len(pickle):
        raise Damaged(f"its pickle goes on after its end; {_AGAIN}")
    return Opened(tree_of(value, source.size))


def _big_endian(archive: ZipArchive, note: Entry | None) -> bool:
    """Whether the numbers are of a big-endian machine; torch before 2.1 has no note of it."""
    if note is None:
        return False
    byte_order = bytes(archive.read(note)) if note.size <= LONGEST_NOTE else b""
    if byte_order not in (b"little", b"big"):
        raise Damaged(f"{quoted(note)} in it names no byte order; {_AGAIN}")
    return byte_order == b"big"


def save_torch_zip(draft: Draft) -> bytes:
    """The file that torch 1.6 writes for the draft's tree: no member that A1111's reader does not know."""
    written = torch_pickle(draft.tree)
    members: list[tuple[str, Buffer]] = [("archive/data.pkl", written.pickle)]
    members += [(f"archive/data/{key}", data) for key, _, data in written.storages]
    return zipped([*members, ("archive/version", b"3\n")])


def _top(entries: Mapping[bytes, Entry]) -> bytes:
    """The folder, with its slash, that everything in the archive is in."""
    found = _LAYOUT.fullmatch(b"\n".join(entries))
    if found and found[1] + b"/" + PICKLE in entries and found[1].strip(b"."):
        return found[1] + b"/"
    pickles = [name for name in entries if name.endswith(b"/" + PICKLE)]
    if not pickles:
        raise NotAnEmbedding(f"a zip archive of {len(entries)} files, none of them torch's; unpack it and read those")
    top = pickles[0].removesuffix(PICKLE)
    if any(name.startswith((top + b"code/", top + b"constants.pkl")) for name in entries):
        raise NotAnEmbedding("a TorchScript program, not an embedding; ask its author what it is for")
    strange = next((name for name in entries if not _LAYOUT.fullmatch(pickles[0] + b"\n" + name)), pickles[0])
    raise Damaged(f"{quoted(entries[strange])} in it is nothing that torch writes there; get another copy")


class _Storages:
    """The archive's storages, each made when the pickle first names it."""

    def __init__(self, archive: ZipArchive, folder: bytes, source: Source, *, big_endian: bool) -> None:
        self.archive = archive
        self.folder = folder
        self.source = source
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
        entry = self.archive.entries.get(self.folder + key.encode(errors="replace"))
        if entry is None or type(count) is not int or entry.size != count * kind.itemsize:
            raise Damaged(f"its storage {_quoted(key)} is missing or has another size than its pickle says; {_AGAIN}")
        storage = Storage(kind.dtype, entry.size, _Member(self.archive, entry, self.source).read, self.big_endian)
        self.made[key] = (kind, count, storage)
        return storage


def _quoted(key: str) -> str:
    return f"'{shortened(key, 80)}'"


class _Member:
    """The bytes of one storage: checked whole where it is small, in memory or wanted whole, else read by range."""

    def __init__(self, archive: ZipArchive, entry: Entry, source: Source) -> None:
        self.archive = archive
        self.entry = entry
        self.source = source
        self.content: Buffer | None = None
        self.start = -1

    def read(self, start: int, length: int) -> Buffer:
        entry = self.entry
        if self.content is not None:
            return memoryview(self.content)[start : start + length]
        keep = entry.method != STORED or entry.size <= CHECKED_WHOLE or self.source.content is not None
        if keep or length == entry.size:
            content = self.archive.read(entry)
            if keep:
                self.content = content
            return content if length == entry.size else memoryview(content)[start : start + length]
        if self.start < 0:
            self.start = self.archive.start_of(entry)
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
