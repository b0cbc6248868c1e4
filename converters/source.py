"""The bytes of one file: opened once, read from one descriptor, whole where small and by range where large."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, TypeAlias

from ..embeddings.errors import Damaged, Unreadable
from .places import folder_of, is_url, joined, name_of
from .remote import RemoteFile, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from ..embeddings.dtypes import Buffer

Readable: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]"
"""What loanword reads from: a path or URL, the bytes of a file, or a binary stream."""

READ_WHOLE = 4 * 1024 * 1024
"""Files up to this many bytes are read at once; larger ones by the ranges that are needed."""
LONGEST_STREAM = 256 * 1024 * 1024
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class IsFolder(Unreadable):
    """The path is a folder's."""


@dataclass(slots=True)
class Source:
    """A file open for reading. `read` gives any range of it, or raises Damaged where the file ends too early.

    `content` is the whole file where it is in memory. `siblings` are the files beside it that say more about it:
    file name -> bytes, read only where a folder's layout is known (`containers/folder.py`).
    """

    path: str | None
    size: int
    content: Buffer | None = None
    descriptor: int = -1
    ranges: Callable[[int, int], Buffer] | None = None
    """Reads `length` bytes from `offset` of a large file behind a URL, which has neither content nor descriptor."""
    opened: tuple[int, ...] = ()
    siblings: dict[str, bytes] = field(default_factory=dict[str, bytes])
    name: str = field(init=False)
    """The file's name without its folder; empty where there is no file."""
    stem: str = field(init=False)
    """The file's name without folder and suffix."""
    suffix: str = field(init=False)
    """The file's suffix in lower case, with its dot; empty where there is none."""

    def __post_init__(self) -> None:
        self.name = name = name_of(self.path) if self.path else ""
        dot = name.rfind(".")
        self.stem, self.suffix = (name[:dot], name[dot:].lower()) if dot > 0 else (name, "")

    def read(self, offset: int, length: int) -> Buffer:
        """`length` bytes from `offset`; raises Damaged where they are not all there."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Damaged(f"needs bytes {offset} to {offset + length}, but is {self.size} long; download it again")
        if self.content is not None:
            return memoryview(self.content)[offset : offset + length]
        if self.ranges is not None:
            return self.ranges(offset, length)
        return _read_range(self.descriptor, offset, length)

    def head(self, length: int = 64) -> bytes:
        """The first bytes, at most `length`."""
        if self.content is not None:
            return bytes(self.content[:length])
        return bytes(self.read(0, min(length, self.size)))

    def check_unchanged(self) -> None:
        """Raise Unreadable where the file was written to since it was opened."""
        if self.descriptor >= 0 and _state(self.descriptor) != self.opened:
            raise Unreadable("changed while it was being read; try again when nothing writes to it")

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(source: Readable, name: str | None = None) -> Source:
    """Open a path, URL, bytes or a stream. Raises Unreadable where it is no regular file or may not be read.

    `name` stands in for a file name where there is none.
    """
    if isinstance(source, str):
        return _open_url(source) if is_url(source) else _open_path(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        content = source if isinstance(source, bytes) else bytes(source)
        return Source(name, len(content), content)
    if isinstance(source, os.PathLike):
        if isinstance(source, RemoteFile):
            return _open_url(source.url, source.size)
        return open_source(os.fspath(source))
    content = source.read(LONGEST_STREAM + 1)
    if len(content) > LONGEST_STREAM:
        raise Unreadable(f"a stream of more than {LONGEST_STREAM >> 20} MB; save it to a file and read that")
    return Source(name or _name_of_stream(source), len(content), content)


def siblings_of(path: str, names: Iterable[str], limit: int) -> dict[str, bytes]:
    """The files called `names` in the folder of `path` that are there, regular and at most `limit` bytes long."""
    folder = folder_of(path)
    found: dict[str, bytes] = {}
    for name in names:
        try:
            with open_source(joined(folder, name)) as sibling:
                if sibling.size <= limit:
                    found[name] = bytes(sibling.read(0, sibling.size))
        except Unreadable:
            continue
    return found


def _open_url(url: str, size: int | None = None) -> Source:
    content = fetch(url, size)
    if isinstance(content, bytes):
        return Source(url, len(content), content)
    return Source(url, content.size, ranges=content.read)


def _open_path(path: str) -> Source:
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError) and os.path.isdir(path):  # as Windows says it
            raise IsFolder("a folder, not a file", path) from None
        raise Unreadable(_why(error), path) from None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsFolder("a folder, not a file", path)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{_KINDS.get(stat.S_IFMT(status.st_mode), 'not a regular file')}, not a file", path)
        if status.st_size <= READ_WHOLE:
            return _read_whole(path, descriptor, status.st_size)
        source = Source(path, status.st_size, descriptor=descriptor, opened=_state(descriptor))
        descriptor = -1
        return source
    except OSError as error:
        raise Unreadable(_why(error), path) from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _read_whole(path: str, descriptor: int, size: int) -> Source:
    content = os.read(descriptor, size + 1)
    while 0 < len(content) < size and (more := os.read(descriptor, size + 1 - len(content))):
        content += more
    if len(content) != size:
        raise Unreadable("changed while it was being read; try again when nothing writes to it", path)
    return Source(path, size, content)


def _read_range(descriptor: int, offset: int, length: int) -> bytes:
    content = _pread(descriptor, length, offset)
    while len(content) < length:
        more = _pread(descriptor, length - len(content), offset + len(content))
        if not more:
            raise Unreadable("became shorter while it was being read; try again when nothing writes to it")
        content += more
    return content


def _pread(descriptor: int, length: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)  # Windows
    return os.read(descriptor, length)


def _state(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns, status.st_ino


def _why(error: OSError | ValueError) -> str:
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return f"cannot be read ({reason.lower()})"


def _name_of_stream(stream: IO[bytes]) -> str | None:
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) else None


_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
