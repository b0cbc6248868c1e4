"""Files behind URLs (s3://, gs://, hf://, zip://, memory://, …), through fsspec, which is imported only for them.

A small file takes one request, and no look at it beforehand. Large ones are read by range. What is written is one
request, too, where the store makes it visible whole or not at all; elsewhere it gets its name when it is complete.
Who may read and write, and where the store is, stands where fsspec and its file systems find it: in the environment
(`FSSPEC_S3_ENDPOINT_URL`, `AWS_…`), `~/.config/fsspec` and `~/.aws`.
"""

from __future__ import annotations

import functools
import os
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import CannotWrite, LoanwordError, Unreadable, one_line, shortened
from .hub import FileByFile
from .places import joined, scheme_of, taken_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..embeddings.dtypes import Buffer

READ_AT_ONCE = 4 * 1024 * 1024
"""Files up to this many bytes take one request."""
_BLOCK = 256 * 1024
"""The least that is fetched of a large file at a time: requests cost more than bytes."""
_WRITTEN_AT_ONCE = frozenset(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "hf", "memory"))
"""Stores where a file appears whole or not at all, by the nature of the request that writes it."""
_TAKEN = re.compile("pre-?condition|already ?exists", re.IGNORECASE)
"""How stores say that there is something already, where fsspec leaves it to them."""
_READ_ONLY = frozenset(("zip", "tar", "http", "https", "libarchive", "reference", "github", "git"))


class NotThere(Unreadable):
    """There is nothing behind this URL."""


@dataclass(frozen=True)
class RemoteFile:
    """A file behind a URL, with its size where a listing told it."""

    url: str
    size: int | None = None

    def __fspath__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Listed:
    """A file of a listing: its URL, the folders that lead to it from the one listed, and its size."""

    url: str
    below: str
    size: int | None


class Ranges:
    """Reads ranges of a large file, in blocks."""

    def __init__(self, store: Any, path: str, size: int, url: str) -> None:
        self._store, self._path, self._url = store, path, url
        self.size = size
        self._start, self._block = 0, b""

    def read(self, offset: int, length: int) -> Buffer:
        """`length` bytes from `offset`, which lie within the file; raises Unreadable."""
        if not self._start <= offset <= offset + length <= self._start + len(self._block):
            self._start, self._block = offset, self._fetched(offset, min(self.size, offset + max(length, _BLOCK)))
        begin = offset - self._start
        return memoryview(self._block)[begin : begin + length]

    def _fetched(self, start: int, end: int) -> bytes:
        try:
            block = self._store.cat_file(self._path, start=start, end=end)
        except Exception as error:  # noqa: BLE001  # every file system has errors of its own
            raise Unreadable(f"cannot be read ({_reason(error)})", self._url) from None
        if len(block) != end - start:
            raise Unreadable("changed while it was being read; try again when nothing writes to it", self._url)
        return block


def fetch(url: str, size: int | None = None) -> bytes | Ranges:
    """All bytes of a small file, with one request; of a large one what reads its ranges. Raises Unreadable."""
    store, path = _store(url)
    try:
        if size is None or 0 < size <= READ_AT_ONCE:
            content = _beginning(store, path)
            if len(content) <= READ_AT_ONCE:
                return content
            size = int(store.size(path))
        return Ranges(store, path, size, url) if size else b""
    except Exception as error:  # noqa: BLE001  # every file system has errors of its own
        raise Unreadable(f"cannot be read ({_reason(error)})", url) from None


def write(url: str, content: bytes, *, overwrite: bool, looked: bool = False) -> None:
    """Write a file whole or not at all; raises FileExistsError where something is there, and CannotWrite.

    A store is told to write only where nothing is. Some ignore that, so they are asked first, unless `looked` says that
    the caller has done so.
    """
    scheme = scheme_of(url)
    if scheme in _READ_ONLY:
        raise CannotWrite(f"{url}: {scheme}:// is only read from; write into a folder, or to s3://, gs:// and the like")
    store, path = _store(url)
    try:
        if scheme not in _WRITTEN_AT_ONCE:
            _write_and_rename(store, path, content, overwrite=overwrite)
        elif overwrite:
            store.pipe_file(path, content)
        else:
            _write_anew(store, path, content, looked=looked)
    except FileExistsError:
        raise
    except Exception as error:  # noqa: BLE001  # every file system has errors of its own
        if not overwrite and _TAKEN.search(repr(error)):
            raise FileExistsError(url) from None
        raise CannotWrite(f"{url}: cannot be written ({_reason(error)}); write elsewhere") from None


def exists(url: str) -> bool:
    """Whether there is a file; raises Unreadable where that cannot be told."""
    store, path = _store(url)
    return bool(_asked(url, lambda: store.exists(path)))


def is_folder(url: str) -> bool:
    """Whether there are files below `url`; raises Unreadable where that cannot be told."""
    store, path = _store(url)
    return bool(_asked(url, lambda: store.isdir(path)))


def remove(url: str) -> None:
    """Remove a file; raises Unreadable where that does not work."""
    store, path = _store(url)
    _asked(url, lambda: store.rm_file(path))


def files_below(url: str) -> Iterator[list[Listed]]:
    """The files in a folder and in each below it, hidden ones left out; folders and files in the order of their names.

    Raises Unreadable; NotThere where there is no such folder.
    """
    store, path = _store(url)
    top: str = store._strip_protocol(path).rstrip("/")  # noqa: SLF001  # fsspec has no other name for it
    top_url = joined(url, "")
    pending = [top]
    while pending:
        folder = pending.pop()
        entries = {
            each["name"].rstrip("/"): each for each in _asked(url, functools.partial(store.ls, folder, detail=True))
        }
        store.invalidate_cache()  # a listing of millions is not kept
        below = posixpath.relpath(folder, top) if folder != top else ""
        names = sorted(name for name in entries if name != folder and not posixpath.basename(name).startswith("."))
        yield [
            Listed(joined(top_url, below, posixpath.basename(name)), below, entries[name].get("size"))
            for name in names
            if entries[name]["type"] == "file"
        ]
        pending += [name for name in reversed(names) if entries[name]["type"] == "directory"]


def matching(url: str) -> Iterator[Listed]:
    """The files that a pattern matches, in the order of their names."""
    store, path = _store(url)
    found: dict[str, Any] = _asked(url, lambda: store.glob(path, detail=True))
    fixed = path
    while any(character in fixed for character in "*?["):
        fixed = posixpath.dirname(fixed)
    for name in sorted(found):
        if found[name]["type"] == "file":
            below = posixpath.relpath(posixpath.dirname(name), fixed or ".")
            yield Listed(_url_of(store, name, url), "" if below == "." else below, found[name].get("size"))


def _beginning(store: Any, path: str) -> bytes:
    """The first bytes, one more than are read at once where there are more; asked for by range.

    Without a range, some file systems ask for the size first, and all servers may send gigabytes.
    """
    try:
        return store.cat_file(path, start=0, end=READ_AT_ONCE + 1)[: READ_AT_ONCE + 1]
    except OSError:
        if store.size(path) == 0:  # no range of an empty file can be satisfied
            return b""
        raise


def _write_anew(store: Any, path: str, content: bytes, *, looked: bool) -> None:
    if not looked and store.exists(path):
        raise FileExistsError(path)
    store.pipe_file(path, content, mode="create")


def _write_and_rename(store: Any, path: str, content: bytes, *, overwrite: bool) -> None:
    """Write under another name and rename: what there is without requests that are all or nothing."""
    temporary = posixpath.join(posixpath.dirname(path), f".loanword-{os.urandom(8).hex()}.tmp")
    store.makedirs(posixpath.dirname(path), exist_ok=True)
    try:
        store.pipe_file(temporary, content)
        if not overwrite and store.exists(path):
            raise FileExistsError(path)
        store.mv(temporary, path)
    finally:
        if store.exists(temporary):
            store.rm_file(temporary)


def _store(url: str) -> tuple[Any, str]:
    """The file system for a URL, and the path in it; raises Unreadable where something has to be installed."""
    start, path, chained = taken_apart(url)
    try:
        if chained:
            store = _archive(start + chained)
            return store, store._strip_protocol(start + path)  # noqa: SLF001
        from fsspec.core import url_to_fs  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

        store, path = url_to_fs(url)  # pyright: ignore[reportUnknownVariableType]
    except ImportError as error:
        missing = error.name or "fsspec"
        raise Unreadable(f"needs {missing} to be read; pip install 'loanword[scale]' {missing}", url) from None
    except Exception as error:  # noqa: BLE001  # every file system has errors of its own
        raise Unreadable(f"cannot be reached ({_reason(error)})", url) from None
    return FileByFile(store) if store.protocol == "hf" else store, path  # pyright: ignore[reportUnknownVariableType]


@functools.lru_cache(maxsize=4)
def _archive(url: str) -> Any:
    """An archive, opened once for all the files in it: fsspec would read its directory for each."""
    from fsspec.core import url_to_fs  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    return url_to_fs(url)[0]


def _url_of(store: Any, name: str, url: str) -> str:
    return store.unstrip_protocol(name) + taken_apart(url)[2]


def _asked(url: str, question: Callable[[], Any]) -> Any:
    try:
        return question()
    except FileNotFoundError:
        raise NotThere("cannot be read (no such file or directory)", url) from None
    except Exception as error:  # noqa: BLE001  # every file system has errors of its own
        raise Unreadable(f"cannot be reached ({_reason(error)})", url) from None


def _reason(error: Exception) -> str:
    if isinstance(error, LoanwordError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file or directory"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return shortened(one_line(said), 200)
