"""The strict reader of zip archives: one meaning or none.

Programs find a zip's directory, an entry's name and its size each in their own way, so an archive that contradicts
itself shows one content to a checker and another to a loader. Here the directory ends where the archive ends, the
entries lie behind one another from its first byte to the directory, and each local header repeats the directory.

Source: APPNOTE.TXT of PKWARE, 4.3 and 4.4; torch's `caffe2/serialize` and miniz for what torch writes.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from ..embeddings.errors import Damaged, Unreadable, shortened

if TYPE_CHECKING:
    from ..embeddings.dtypes import Buffer
    from .source import Source

MOST_ENTRIES = 20_000
LARGEST_INFLATED = 64 * 1024 * 1024
LARGEST_LOCAL_EXTRA = 0xFFFF
STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_HAS_DESCRIPTOR = 1 << 3
_KNOWN_FLAGS = _HAS_DESCRIPTOR | 1 << 1 | 1 << 2 | 1 << 11
"""A descriptor follows; how hard it was compressed; the name is UTF-8."""
_SYMLINK, _KIND_OF_FILE = 0o120000, 0o170000
_DESCRIPTORS = tuple(struct.Struct(layout) for layout in ("<3I", "<4s3I", "<I2Q", "<4sI2Q"))
_AGAIN = "download it again"


class Entry(NamedTuple):
    """One file in a zip, as the directory describes it; `end` is where the next one, or the directory, begins."""

    name: str
    offset: int
    end: int
    flags: int
    method: int
    checksum: int
    packed: int
    size: int


def entries_of(source: Source) -> dict[str, Entry]:
    """The archive's files by name, folders left out. Raises Damaged where two readings of the archive are possible."""
    count, start, stop = _directory(source)
    directory = source.read(start, stop - start)
    rows: list[tuple[int, bytes, int, int, int, int, int]] = []
    position = 0
    for _ in range(count):
        row, position = _central_row(directory, position)
        rows.append(row)
    if position != len(directory):
        raise Damaged(f"its directory does not end where it says; {_AGAIN}")
    return _placed(rows, start)


def read_entry(source: Source, entry: Entry, limit: int = LARGEST_INFLATED) -> Buffer:
    """The whole content of an entry, its checksum verified; raises Unreadable beyond `limit` bytes to inflate."""
    start = data_start(source, entry)
    packed = source.read(start, entry.packed)
    data = packed if entry.method == STORED else _inflated(entry, packed, limit)
    if zlib.crc32(data) != entry.checksum:
        raise Damaged(f"{quoted(entry.name)} in it fails its checksum; {_AGAIN}")
    return data


def data_start(source: Source, entry: Entry) -> int:
    """Where an entry's bytes begin; raises Damaged where its local header is not what the directory says."""
    name = entry.name.encode()
    header = source.read(entry.offset, _LOCAL.size + len(name))
    signature, _, flags, method, _, _, checksum, packed, size, name_length, extra = _LOCAL.unpack_from(header)
    start = entry.offset + _LOCAL.size + name_length + extra
    end = start + entry.packed
    sizes = (checksum, packed, size)
    follows = bool(flags & _HAS_DESCRIPTOR)
    if (
        signature != b"PK\3\4"
        or flags != entry.flags
        or method != entry.method
        or header[_LOCAL.size :] != name
        or name_length != len(name)
        or end > entry.end
        or (sizes != (entry.checksum, entry.packed, entry.size) and not (follows and sizes == (0, 0, 0)))
        and not _told_by_extra(source, entry, sizes, extra)
    ):
        raise Damaged(f"{quoted(entry.name)} in it is described twice, in two ways; {_AGAIN}")
    if end != entry.end and not (follows and _is_descriptor(source.read(end, entry.end - end), entry)):
        raise Damaged(f"bytes that belong to nothing follow {quoted(entry.name)} in it; {_AGAIN}")
    if follows and end == entry.end:
        raise Damaged(f"{quoted(entry.name)} in it lacks its descriptor; {_AGAIN}")
    return start


def quoted(name: str) -> str:
    """An entry's name as messages show it."""
    return f"'{shortened(name, 80)}'"


def _directory(source: Source) -> tuple[int, int, int]:
    """Number of entries, begin and end of the directory."""
    here = source.size - _END.size
    if here < 0:
        raise Damaged(f"a zip archive cut off after {source.size} bytes; {_AGAIN}")
    signature, disk, first_disk, here_count, count, length, start, comment = _END.unpack(source.read(here, _END.size))
    if signature != b"PK\5\6" or comment:
        raise Damaged(f"a zip archive that does not end as one; {_AGAIN}")
    stop = here
    if here >= _LOCATOR.size + _END64.size:
        locator, _, record, disks = _LOCATOR.unpack(source.read(here - _LOCATOR.size, _LOCATOR.size))
        if locator == b"PK\6\7":
            stop = here - _LOCATOR.size - _END64.size
            if record != stop or disks != 1:
                raise Damaged(f"its zip64 locator points elsewhere; {_AGAIN}")
            long = _END64.unpack(source.read(stop, _END64.size))
            short = (disk, first_disk, here_count, count, length, start)
            if long[:2] != (b"PK\6\6", _END64.size - 12) or not _agree(long[4:], short):
                raise Damaged(f"its zip64 record contradicts its end record; {_AGAIN}")
            disk, first_disk, here_count, count, length, start = long[4:]
    if disk or first_disk or here_count != count or start + length != stop:
        raise Damaged(f"its directory is not where it says; {_AGAIN}")
    if count > MOST_ENTRIES or count * _CENTRAL.size > length:
        raise Damaged(f"its directory cannot hold {count} entries; {_AGAIN}")
    return count, start, stop


def _agree(long: tuple[int, ...], short: tuple[int, ...]) -> bool:
    """Whether each short field says the same as the long one, or that the long one counts."""
    return all(a == b or b in (0xFFFF, 0xFFFFFFFF) for a, b in zip(long, short, strict=True))


def _central_row(directory: Buffer, position: int) -> tuple[tuple[int, bytes, int, int, int, int, int], int]:
    """One entry of the directory (offset first), and where the next one begins."""
    try:
        row = _CENTRAL.unpack_from(directory, position)
    except struct.error:
        raise Damaged(f"its directory is cut short; {_AGAIN}") from None
    signature, made_by, _, flags, method, _, _, checksum, packed, size, name, extra, comment, disk, _, kind, offset = (
        row
    )
    name_end = position + _CENTRAL.size + name
    end = name_end + extra + comment
    raw = bytes(directory[position + _CENTRAL.size : name_end])
    if signature != b"PK\1\2" or end > len(directory) or len(raw) != name:
        raise Damaged(f"its directory is cut short; {_AGAIN}")
    if 0xFFFFFFFF in (packed, size, offset):
        size, packed, offset = _long_sizes(bytes(directory[name_end : name_end + extra]), size, packed, offset)
    if flags & ~_KNOWN_FLAGS or method not in (STORED, DEFLATED) or (method == STORED and packed != size):
        raise Damaged(f"{raw[:80]!r} in it is encrypted or packed in a way that torch never does; {_AGAIN}")
    if disk or (made_by >> 8 == 3 and (kind >> 16) & _KIND_OF_FILE == _SYMLINK):
        raise Damaged(f"{raw[:80]!r} in it is a link to elsewhere; {_AGAIN}")
    return (offset, raw, flags, method, checksum, packed, size), end


def _long_sizes(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The sizes and the offset from the zip64 field, those of them that the directory leaves to it."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            given = [size, packed, offset]
            wanted = [index for index, value in enumerate(given) if value == 0xFFFFFFFF]
            values = struct.unpack_from(f"<{length // 8}Q", extra[: position + 4 + length], position + 4)
            if length % 8 == 0 and len(values) >= len(wanted):
                for index, value in zip(wanted, values, strict=False):
                    given[index] = value
                return given[0], given[1], given[2]
        position += 4 + length
    raise Damaged(f"an entry in it has no size; {_AGAIN}")


def _placed(rows: list[tuple[int, bytes, int, int, int, int, int]], stop: int) -> dict[str, Entry]:
    """The entries by name, after a check that they fill the archive from its beginning to `stop`."""
    rows.sort()
    ends = [row[0] for row in rows[1:]]
    ends.append(stop)
    if rows and rows[0][0] != 0:
        raise Damaged(f"a zip archive with something in front of it; {_AGAIN}")
    entries: dict[str, Entry] = {}
    seen: set[str] = set()
    for (offset, raw, flags, method, checksum, packed, size), end in zip(rows, ends, strict=True):
        slack = end - offset - _LOCAL.size - len(raw) - packed
        if not 0 <= slack <= LARGEST_LOCAL_EXTRA + _DESCRIPTORS[-1].size:
            raise Damaged(f"its entries overlap or leave gaps; {_AGAIN}")
        name = _name(raw)
        folded = name.lower()
        if folded in seen:
            raise Damaged(f"{quoted(name)} is in it twice; {_AGAIN}")
        seen.add(folded)
        if name[-1] != "/":
            entries[name] = Entry(name, offset, end, flags, method, checksum, packed, size)
        elif size:
            raise Damaged(f"{quoted(name)} in it is a folder with content; {_AGAIN}")
    return entries


def _name(raw: bytes) -> str:
    """An entry's name: a plain relative path of printable characters."""
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise Damaged(f"{raw[:80]!r} in it is no name; {_AGAIN}") from None
    bounded = f"/{name}"
    if (
        not name
        or not name.isprintable()
        or "\\" in name
        or "//" in bounded
        or "/./" in bounded
        or "/../" in bounded
        or bounded.endswith(("/.", "/.."))
    ):
        raise Damaged(f"{quoted(name)} in it is no name of a file; {_AGAIN}")
    return name


def _told_by_extra(source: Source, entry: Entry, sizes: tuple[int, int, int], extra: int) -> bool:
    """Whether the local header leaves the sizes to its zip64 field, as those of archives beyond 4 GB do."""
    checksum, packed, size = sizes
    if 0xFFFFFFFF not in (packed, size) or checksum not in (0, entry.checksum):
        return False
    raw = bytes(source.read(entry.offset + _LOCAL.size + len(entry.name.encode()), extra))
    told = _long_sizes(raw, size, packed, 0)[:2]
    return told in ((entry.size, entry.packed), (0, 0))


def _is_descriptor(raw: Buffer, entry: Entry) -> bool:
    """Whether `raw` repeats the entry's checksum and sizes, in one of the four layouts in use."""
    expected = (entry.checksum, entry.packed, entry.size)
    for layout in _DESCRIPTORS:
        if len(raw) == layout.size:
            fields = layout.unpack(raw)
            return fields[-3:] == expected and fields[:-3] in ((), (b"PK\7\x08",))
    return False


def _inflated(entry: Entry, packed: Buffer, limit: int) -> bytes:
    """A deflated entry's content, exactly as long as it says."""
    if entry.size > limit:
        raise Unreadable(f"{quoted(entry.name)} in it inflates to {entry.size >> 20} MB; pack it again uncompressed")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(packed, entry.size + 1)
    except zlib.error:
        raise Damaged(f"{quoted(entry.name)} in it cannot be inflated; {_AGAIN}") from None
    if len(data) != entry.size or not inflater.eof or inflater.unused_data:
        raise Damaged(f"{quoted(entry.name)} in it inflates to another size than it says; {_AGAIN}")
    return data
