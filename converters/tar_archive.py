"""The strict reader of tar archives: plain files, by name, each once.

Source: POSIX 1003.1 (ustar), and what GNU tar and Python's tarfile write. Links, devices and sparse files are refused;
long names and other extra facts are passed over with the files that need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..embeddings.errors import Damaged

if TYPE_CHECKING:
    from .source import Source

BLOCK = 512
MOST_FILES = 10_000
_FILE, _FOLDER, _EXTRAS = b"0\0", b"5", b"xgLK"
_AGAIN = "download it again"


def files_of(source: Source) -> dict[str, tuple[int, int]]:
    """Name of each file, and where its bytes begin and end. Raises Damaged where the archive is not a plain one."""
    files: dict[str, tuple[int, int]] = {}
    position = 0
    for _ in range(MOST_FILES):
        block = bytes(source.read(position, BLOCK)) if position < source.size else bytes(BLOCK)
        if block == bytes(BLOCK):
            return files
        if not is_header(block):
            raise Damaged(f"looks like a tar archive, a header in it fails its checksum; {_AGAIN}")
        begin = position + BLOCK
        end = begin + _octal(block[124:136])
        if end > source.size:
            raise Damaged(f"a tar archive cut off in the middle of a file; {_AGAIN}")
        kind = block[156:157]
        if kind in _FILE:
            name = _name(block)
            if name in files:
                raise Damaged(f"a tar archive with two files of the same name; {_AGAIN}")
            files[name] = (begin, end)
        elif kind not in _FOLDER and kind not in _EXTRAS:
            raise Damaged("a tar archive with links or devices in it; get another copy")
        position = end + -end % BLOCK
    raise Damaged(f"a tar archive of more than {MOST_FILES} files; unpack it and read those")


def is_header(block: bytes) -> bool:
    """Whether a checksum, made with blanks in its own place, says that this is the header of a file in an archive.

    Some programs added signed bytes, and tar readers take that too.
    """
    told = block[148:156].strip(b" \0")
    if not told or told.strip(b"01234567"):
        return False
    others = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(others)
    return int(told, 8) in (unsigned, unsigned - 256 * sum(byte > 127 for byte in others))


def _octal(field: bytes) -> int:
    """A number in a header: octal digits, or for large ones binary behind a marked byte."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise Damaged(f"a tar archive with a header that makes no sense; {_AGAIN}")
    return int(digits, 8)


def _name(block: bytes) -> str:
    """A file's name without a leading `./`, its prefix in front."""
    name = block[:100].rstrip(b"\0").decode(errors="replace")
    prefix = block[345:500].rstrip(b"\0").decode(errors="replace") if block[257:262] == b"ustar" else ""
    whole = f"{prefix}/{name}" if prefix else name
    if "\0" in whole or whole.startswith("/") or ".." in whole.split("/"):
        raise Damaged("a tar archive with a file outside of it; get another copy")
    return whole.removeprefix("./")
