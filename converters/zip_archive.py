"""The strict reader of zip archives: one meaning or none.

Programs find a zip's directory, an entry's name and its size each in their own way, so an archive that contradicts
itself shows one content to a checker and another to a loader. Here the directory ends where the archive ends, the
first entry begins where the archive begins, and an entry that is read has a local header that repeats the directory
and reaches to the next entry.

Source: APPNOTE.TXT of PKWARE, 4.3 and 4.4; torch's `caffe2/serialize` and miniz for what torch writes.
"""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from ..embeddings.errors import CannotWrite, Damaged, Unreadable, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
_LONGEST_END = _END64.size + _LOCATOR.size + _END.size
_CENTRAL = struct.Struct("<4sxB2x2H4x3I4H2x2I")
_LOCAL = struct.Struct("<4s2x2H4x3I2H")
_DESCRIPTORS = {layout.size: layout for layout in map(struct.Struct, ("<4s3I", "<3I", "<4sI2Q", "<I2Q"))}
"""By length: short and long, with and without a mark."""
_DESCRIBED_LATER = 1 << 3
_REFUSED_FLAGS = 0xFFFF ^ (_DESCRIBED_LATER | 1 << 1 | 1 << 2 | 1 << 11)
"""All but: a descriptor follows; how hard it was compressed (two bits); the name is UTF-8."""
_MADE_ON_UNIX, _SYMLINK = 3, 0o12
_IN_ZIP64 = 0xFFFFFFFF
_UTF8 = 1 << 11
_FILLING = struct.Struct("<2sH")

_new_tuple: Callable[[type[Entry], tuple[object, ...]], Entry] = tuple.__new__  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
"""Makes an entry of a row in a third of the time."""


class Entry(NamedTuple):
    """One file in a zip, as the directory describes it."""

    offset: int
    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int


class ZipArchive:
    """An archive open for reading: its entries by name, and their contents.

    Names are any bytes, each occurring once: whoever makes paths of them has to look at them first. Raises Damaged
    where two readings of the archive, or later of an entry, are possible.
    """

    def __init__(self, source: Source) -> None:
        count, start, stop = _directory(source)
        self._source = source
        self.entries = _entries(bytes(source.read(start, stop - start)), count)
        offsets = sorted([entry[0] for entry in self.entries.values()])
        offsets.append(start)
        self._ends = dict(pairwise(offsets))
        if offsets[0] != 0 or len(self._ends) != count or (count and offsets[-2] >= start):
            raise Damaged("its members do not lie one behind the other; download it again")

    def read(self, entry: Entry) -> Buffer:
        """The whole content of an entry, its checksum verified; raises Unreadable where it inflates to very much."""
        raw = self._source.read(entry.offset, self._extent(entry))
        begin = _header_length(raw, entry)
        end = begin + entry.packed
        _check_descriptor(raw[end:], entry)
        data = raw[begin:end] if entry.method == STORED else _inflated(entry, raw[begin:end])
        if crc32(data) != entry.checksum:
            raise Damaged(f"{quoted(entry)} in it fails its checksum; download it again")
        return data

    def start_of(self, entry: Entry) -> int:
        """Where an entry's bytes begin in the file, for reading parts of them; what lies around them is checked."""
        extent = self._extent(entry)
        begin = _header_length(self._source.read(entry.offset, extent - entry.packed), entry)
        end = begin + entry.packed
        _check_descriptor(self._source.read(entry.offset + end, extent - end), entry)
        return entry.offset + begin

    def _extent(self, entry: Entry) -> int:
        """The bytes from an entry's local header to what follows the entry."""
        extent = self._ends[entry.offset] - entry.offset
        if not 0 <= extent - entry.packed - _LOCAL.size - len(entry.name) <= LARGEST_GAP:
            raise Damaged(f"{quoted(entry)} in it overlaps with another or leaves a gap; download it again")
        return extent


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
    length = min(source.size, _LONGEST_END)
    if length < _END.size:
        raise Damaged(f"a zip archive cut off after {source.size} bytes; download it again")
    end = source.read(source.size - length, length)
    signature, disk, first_disk, here, count, extent, start, comment = _END.unpack_from(end, length - _END.size)
    if signature != b"PK\5\6" or comment:
        raise Damaged("a zip archive that does not end as one; download it again")
    stop = source.size - _END.size
    if length == _LONGEST_END and end[_END64.size : _END64.size + 4] == b"PK\6\7":
        stop = source.size - length
        _check_locator(end, stop)
        long = _END64.unpack_from(end)[4:]
        if long != (disk, first_disk, here, count, extent, start):
            _check_agreement(long, (disk, first_disk, here, count, extent, start))
            disk, first_disk, here, count, extent, start = long
    if disk or first_disk or here != count or start + extent != stop:
        raise Damaged("its directory is not where it says; download it again")
    if count > MOST_ENTRIES or count * _CENTRAL.size > extent:
        raise Damaged(f"its directory cannot hold {count} members; download it again")
    return count, start, stop


def _check_locator(end: Buffer, stop: int) -> None:
    """Raise Damaged where the zip64 record does not lie at `stop`, right before its locator, or is a longer one."""
    signature, length = _END64.unpack_from(end)[:2]
    _, disk, record, disks = _LOCATOR.unpack_from(end, _END64.size)
    if (signature, length, disk, record, disks) != (b"PK\6\6", _END64.size - 12, 0, stop, 1):
        raise Damaged("its zip64 record is not where it says; download it again")


def _check_agreement(long: tuple[int, ...], short: tuple[int, ...]) -> None:
    """Raise Damaged where a field of the short end record says neither what the long one says nor that that counts."""
    if any(told not in (value, 0xFFFF, _IN_ZIP64) for value, told in zip(long, short, strict=True)):
        raise Damaged("its zip64 record contradicts its end record; download it again")


def _entries(directory: bytes, count: int) -> dict[bytes, Entry]:
    """What the directory says of each entry, by name and in its order."""
    entries: dict[bytes, Entry] = {}
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
        if packed == _IN_ZIP64 or size == _IN_ZIP64 or offset == _IN_ZIP64:  # noqa: PLR1714  # in one round each
            size, packed, offset = _long(directory[end : end + extra], size, packed, offset)
        if flags & _REFUSED_FLAGS or (packed != size if method == STORED else method != DEFLATED):
            raise Damaged(f"{name[:80]!r} in it is encrypted or packed as torch never does; save it again")
        if disk or (maker == _MADE_ON_UNIX and kind >> 28 == _SYMLINK):
            raise Damaged(f"{name[:80]!r} in it is a link to elsewhere; get another copy")
        entries[name] = _new_tuple(Entry, (offset, name, flags, method, checksum, packed, size))
    if position != len(directory) or len(entries) != count:
        raise Damaged("its directory does not end where it says, or says something twice; download it again")
    return entries


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


def _header_length(raw: Buffer, entry: Entry) -> int:
    """Length of the local header that `raw` begins with; raises Damaged where it is not what the directory says."""
    _, name, entry_flags, entry_method, entry_checksum, entry_packed, entry_size = entry
    signature, flags, method, checksum, packed, size, name_length, extra_length = _LOCAL.unpack_from(raw)
    middle = _LOCAL.size + name_length
    length = middle + extra_length
    if (
        signature != b"PK\3\4"
        or flags != entry_flags
        or method != entry_method
        or raw[_LOCAL.size : middle] != name
        or length > len(raw)
    ):
        raise Damaged(f"{quoted(entry)} in it is described twice, in two ways; download it again")
    if (packed != entry_packed or size != entry_size or checksum != entry_checksum) and not (
        (flags & _DESCRIBED_LATER and checksum == packed == size == 0)
        or _sizes_in_extra(raw[middle:length], entry, checksum, size, packed)
    ):
        raise Damaged(f"{quoted(entry)} in it is described twice, in two ways; download it again")
    return length


def _sizes_in_extra(extra: Buffer, entry: Entry, checksum: int, size: int, packed: int) -> bool:
    """Whether a local header leaves its sizes to its zip64 field, and that field says what the directory says."""
    if checksum not in (0, entry.checksum) or _IN_ZIP64 not in (size, packed):
        return False
    return _long(bytes(extra), size, packed, 0)[:2] in ((entry.size, entry.packed), (0, 0))


def _check_descriptor(raw: Buffer, entry: Entry) -> None:
    """Raise Damaged where what follows an entry is not its checksum and sizes, in one of the layouts in use."""
    if not entry.flags & _DESCRIBED_LATER:
        if len(raw) == 0:
            return
        raise Damaged(f"bytes that belong to nothing follow {quoted(entry)} in it; download it again")
    layout = _DESCRIPTORS.get(len(raw))
    if layout is None or layout.unpack(raw)[-3:] != entry[4:] or (len(raw) % 8 == 0 and raw[:4] != b"PK\7\x08"):
        raise Damaged(f"{quoted(entry)} in it contradicts what follows it; download it again")


def _inflated(entry: Entry, packed: Buffer) -> bytes:
    """A deflated entry's content, exactly as long as the directory says."""
    if entry.size > LARGEST_INFLATED:
        raise Unreadable(f"{quoted(entry)} in it inflates to {entry.size} bytes; zip it again without compression")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(packed, entry.size + 1)
    except zlib.error:
        raise Damaged(f"{quoted(entry)} in it cannot be inflated; download it again") from None
    if len(data) != entry.size or not inflater.eof or inflater.unused_data:
        raise Damaged(f"{quoted(entry)} in it inflates to another size than it says; download it again")
    return data
