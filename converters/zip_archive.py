"""The strict reader of zip archives: one meaning or none.

Programs find a zip's directory, an entry's name and its size each in their own way, so an archive that contradicts
itself shows one content to a checker and another to a loader. Here the directory ends where the archive ends, the
entries lie behind one another from its first byte to the directory, and an entry's local header, read when the entry
is, repeats the directory.

Source: APPNOTE.TXT of PKWARE, 4.3 and 4.4; torch's `caffe2/serialize` and miniz for what torch writes.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from zlib import crc32

from ..embeddings.errors import CannotWrite, Damaged, Unreadable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..embeddings.dtypes import Buffer
    from .source import Source

MOST_ENTRIES = 20_000
LARGEST_INFLATED = 64 * 1024 * 1024
LARGEST_GAP = 0xFFFF + 24
"""Bytes between the entries' own: a local header's extra field, a descriptor."""
STORED, DEFLATED = 0, 8
ALIGNMENT = 64
LARGEST_OFFSET = 0xFFFFFFFF

_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_CENTRAL = struct.Struct("<4sxB2x2H4x3I4H2x2I")
_LOCAL = struct.Struct("<4s2x2H4x3I2H")
_DESCRIPTORS = tuple(struct.Struct(layout) for layout in ("<4s3I", "<3I", "<4sI2Q", "<I2Q"))
_DESCRIBED_LATER = 1 << 3
_REFUSED_FLAGS = 0xFFFF ^ (_DESCRIBED_LATER | 1 << 1 | 1 << 2 | 1 << 11)
"""All but: a descriptor follows; how hard it was compressed (two bits); the name is UTF-8."""
_MADE_ON_UNIX, _SYMLINK = 3, 0o12
_IN_ZIP64 = 0xFFFFFFFF
_UTF8 = 1 << 11
_FILLING = struct.Struct("<2sH")

_Row: TypeAlias = "tuple[int, bytes, int, int, int, int, int]"


class Entry(NamedTuple):
    """One file in a zip, as the directory describes it; `end` is where the next one, or the directory, begins."""

    offset: int
    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    end: int


def entries_of(source: Source) -> dict[str, Entry]:
    """The archive's members by name. Raises Damaged where two readings of the archive are possible.

    Names are any text, each occurring once: whoever makes paths of them has to look at them first.
    """
    count, start, stop = _directory(source)
    rows = _rows(bytes(source.read(start, stop - start)), count)
    offsets = [row[0] for row in rows]
    ordered = sorted(offsets)
    if ordered != offsets:
        rows.sort()
    if count and ordered[0] != 0:
        raise Damaged("a zip archive with something in front of it; download it again")
    entries: dict[str, Entry] = {}
    for row, end in zip(rows, [*ordered[1:], start], strict=False):
        entry = Entry(*row, end)
        gap = end - entry.offset - _LOCAL.size - len(entry.name) - entry.packed
        if not 0 <= gap <= LARGEST_GAP:
            raise Damaged("its members overlap or leave gaps; download it again")
        entries[entry.name.decode(errors="surrogateescape")] = entry
    if len(entries) != count:
        raise Damaged("two of its members have the same name; download it again")
    return entries


def read_entry(source: Source, entry: Entry, limit: int = LARGEST_INFLATED) -> Buffer:
    """The whole content of an entry, its checksum verified; raises Unreadable where it is inflated beyond `limit`."""
    data = source.read(data_start(source, entry), entry.packed)
    if entry.method != STORED:
        data = _inflated(entry, data, limit)
    if crc32(data) != entry.checksum:
        raise Damaged(f"{quoted(entry)} in it fails its checksum; download it again")
    return data


def data_start(source: Source, entry: Entry) -> int:
    """Where an entry's bytes begin; raises Damaged where its local header is not what the directory says."""
    offset, name, entry_flags, entry_method, entry_checksum, entry_packed, entry_size, next_offset = entry
    header = source.read(offset, _LOCAL.size + len(name))
    signature, flags, method, checksum, packed, size, name_length, extra = _LOCAL.unpack_from(header)
    start = offset + len(header) + extra
    end = start + entry_packed
    if (
        signature != b"PK\3\4"
        or flags != entry_flags
        or method != entry_method
        or name_length != len(name)
        or header[_LOCAL.size :] != name
        or end > next_offset
    ):
        raise Damaged(f"{quoted(entry)} in it is described twice, in two ways; download it again")
    if (packed != entry_packed or size != entry_size or checksum != entry_checksum) and not (
        (flags & _DESCRIBED_LATER and checksum == packed == size == 0)
        or _sizes_in_extra(source.read(start - extra, extra), entry, checksum, size, packed)
    ):
        raise Damaged(f"{quoted(entry)} in it is described twice, in two ways; download it again")
    if flags & _DESCRIBED_LATER:
        _check_descriptor(source.read(end, next_offset - end), entry)
    elif end != next_offset:
        raise Damaged(f"bytes that belong to nothing follow {quoted(entry)} in it; download it again")
    return start


def zipped(members: Iterable[tuple[str, Buffer]]) -> bytes:
    """An archive of the members, uncompressed, each beginning at a multiple of 64 bytes, as torch has them."""
    parts: list[Buffer] = []
    directory: list[bytes] = []
    position = 0
    for name, data in members:
        raw = name.encode()
        filling = -(position + _LOCAL.size + len(raw) + 4) % ALIGNMENT
        extra = _FILLING.pack(b"FB", filling) + bytes(filling)
        fields = (_UTF8, STORED, crc32(data), len(data), len(data), len(raw))
        central = (b"PK\1\2", 0, *fields, 0, 0, 0, 0, position)
        parts += [_LOCAL.pack(b"PK\3\4", *fields, len(extra)), raw, extra, data]
        directory += [_CENTRAL.pack(*central), raw]
        position += _LOCAL.size + len(raw) + len(extra) + len(data)
    if position >= LARGEST_OFFSET:
        raise CannotWrite(f"{position >> 20} MB are too much for a zip archive as A1111 reads it; write safetensors")
    listing = b"".join(directory)
    count = len(directory) // 2
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(listing), position, 0)
    return b"".join([*parts, listing, end])


def quoted(entry: Entry) -> str:
    """An entry's name as messages show it."""
    return f"'{shortened(entry.name.decode(errors='replace'), 80)}'"


def _directory(source: Source) -> tuple[int, int, int]:
    """Number of entries, begin and end of the directory."""
    here = source.size - _END.size
    if here < 0:
        raise Damaged(f"a zip archive cut off after {source.size} bytes; download it again")
    signature, *short, comment = _END.unpack(source.read(here, _END.size))
    if signature != b"PK\5\6" or comment:
        raise Damaged("a zip archive that does not end as one; download it again")
    stop = here
    if here >= _LOCATOR.size + _END64.size:
        locator, _, record, disks = _LOCATOR.unpack(source.read(here - _LOCATOR.size, _LOCATOR.size))
        if locator == b"PK\6\7":
            stop = here - _LOCATOR.size - _END64.size
            signature, length, _, _, *fields = _END64.unpack(source.read(stop, _END64.size))
            told = (signature, length, record, disks)
            if told != (b"PK\6\6", _END64.size - 12, stop, 1) or not _agree(fields, short):
                raise Damaged("its zip64 records contradict one another; download it again")
            short = fields
    disk, first_disk, count_here, count, length, start = short
    if disk or first_disk or count_here != count or start + length != stop:
        raise Damaged("its directory is not where it says; download it again")
    if count > MOST_ENTRIES or count * _CENTRAL.size > length:
        raise Damaged(f"its directory cannot hold {count} members; download it again")
    return count, start, stop


def _agree(long: list[int], short: list[int]) -> bool:
    """Whether each field of the short record says the same as the long one's, or that the long one's counts."""
    return all(told == value or told in (0xFFFF, _IN_ZIP64) for value, told in zip(long, short, strict=True))


def _rows(directory: bytes, count: int) -> list[_Row]:
    """What the directory says of each entry, in its order."""
    rows: list[_Row] = []
    position = 0
    for _ in range(count):
        begin = position + _CENTRAL.size
        if begin > len(directory):
            raise Damaged("its directory is cut short; download it again")
        (signature, maker, flags, method, checksum, packed, size, name_length, extra, comment, disk, kind, offset) = (
            _CENTRAL.unpack_from(directory, position)
        )
        end = begin + name_length
        name = directory[begin:end]
        position = end + extra + comment
        if signature != b"PK\1\2" or position > len(directory):
            raise Damaged("its directory is cut short; download it again")
        if _IN_ZIP64 in (packed, size, offset):
            size, packed, offset = _long(directory[end : end + extra], size, packed, offset)
        if flags & _REFUSED_FLAGS or (packed != size if method == STORED else method != DEFLATED):
            raise Damaged(f"{name[:80]!r} in it is encrypted or packed as torch never does; save it again")
        if disk or (maker == _MADE_ON_UNIX and kind >> 28 == _SYMLINK):
            raise Damaged(f"{name[:80]!r} in it is a link to elsewhere; get another copy")
        rows.append((offset, name, flags, method, checksum, packed, size))
    if position != len(directory):
        raise Damaged("its directory does not end where it says; download it again")
    return rows


def _long(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset, those that are marked so taken from the zip64 field among the extra ones."""
    values = [size, packed, offset]
    marked = [index for index, value in enumerate(values) if value == _IN_ZIP64]
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        position += 4
        if kind == 1 and length >= 8 * len(marked) and position + length <= len(extra):
            for place, index in enumerate(marked):
                values[index] = struct.unpack_from("<Q", extra, position + 8 * place)[0]
            return values[0], values[1], values[2]
        position += length
    raise Damaged("one of its members has no size; download it again")


def _sizes_in_extra(extra: Buffer, entry: Entry, checksum: int, size: int, packed: int) -> bool:
    """Whether a local header leaves its sizes to its zip64 field, and that field says what the directory says."""
    if checksum not in (0, entry.checksum) or _IN_ZIP64 not in (size, packed):
        return False
    return _long(bytes(extra), size, packed, 0)[:2] in ((entry.size, entry.packed), (0, 0))


def _check_descriptor(raw: Buffer, entry: Entry) -> None:
    """Raise Damaged where what follows an entry is not its checksum and sizes, in one of the four layouts in use."""
    for layout in _DESCRIPTORS:
        if len(raw) == layout.size:
            *mark, checksum, packed, size = layout.unpack(raw)
            if (checksum, packed, size) == entry[4:7] and mark in ([b"PK\7\x08"], []):
                return
    raise Damaged(f"{quoted(entry)} in it contradicts what follows it; download it again")


def _inflated(entry: Entry, packed: Buffer, limit: int) -> bytes:
    """A deflated entry's content, exactly as long as the directory says."""
    if entry.size > limit:
        raise Unreadable(f"{quoted(entry)} in it inflates to {entry.size} bytes; zip it again without compression")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(packed, entry.size + 1)
    except zlib.error:
        raise Damaged(f"{quoted(entry)} in it cannot be inflated; download it again") from None
    if len(data) != entry.size or not inflater.eof or inflater.unused_data:
        raise Damaged(f"{quoted(entry)} in it inflates to another size than it says; download it again")
    return data
