"""Files written whole or not at all: under its final name there is only ever the old file or the complete new one.

The bytes go into a file that has no name yet (Linux) or a temporary one beside the target, are read back from there
and checked, and only then get the name. Killing the process at any moment leaves nothing, or a temporary file
`.loanword-….tmp` that later writes into the folder remove once it is a day old.

A power failure is another matter: there only what was flushed to the disk survives. `durable=True` flushes each file
before it gets its name, and the name too. With `durable=False` a new file that was not flushed yet can be missing or
empty afterwards, so call `flush` before relying on it; a file that replaces another is always flushed first.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import itertools
import os
import re
import stat
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from ..embeddings.errors import CannotWrite, Damaged
from .places import is_url
from .remote import exists as exists_remote
from .remote import remove as remove_remote
from .remote import write as write_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..embeddings.dtypes import Buffer

Path: TypeAlias = "str | os.PathLike[str]"

TEMPORARY = re.compile(r"\.loanword-[0-9a-f]{16}\.tmp")
STALE_AFTER = 24 * 60 * 60
"""Seconds; no write takes that long, so such a temporary file is nobody's any more."""
FLUSHED_SINGLY = 16
"""Up to this many files are flushed one by one, more of them by flushing the whole system once."""

_BLOCK = 1024 * 1024
_NEW = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NAMED = _NEW | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_UNNAMED = getattr(os, "O_TMPFILE", 0)
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK}
_REASONS = {
    errno.ENOSPC: "the disk is full; make room, or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; make room, or write elsewhere",
    errno.EFBIG: "files may not grow that large here; write elsewhere",
    errno.EACCES: "may not be written here; allow it, or write elsewhere",
    errno.EPERM: "may not be written here; allow it, or write elsewhere",
    errno.EROFS: "the folder is read-only; write elsewhere",
    errno.ENOTDIR: "a part of the path is a file, not a folder; write elsewhere",
    errno.ENAMETOOLONG: "the name is too long for the file system; choose a shorter one",
    errno.EEXIST: "is already there; allow overwriting, or write elsewhere",
    errno.EISDIR: "is a folder; choose another name",
}


class AlreadyThere(CannotWrite):
    """Something has this name already, and overwriting was not allowed."""


def write_atomic(
    path: Path,
    content: bytes,
    *,
    overwrite: bool,
    check: Callable[[bytes], None],
    durable: bool = True,
    looked: bool = False,
) -> None:
    """Write `content` to `path`; `check` gets what was read back and raises if it is not right.

    Missing folders are made. Raises CannotWrite, naming the path, where something is there (AlreadyThere; with
    `overwrite`: something other than a regular file; links are not followed) or the system refuses; and whatever
    `check` raises. A file that replaces another has its permissions, and belongs to whoever writes it. Behind a URL
    the store vouches for the bytes (requests carry checksums), so there `check` gets what is about to be sent; and it
    is asked what it has first, unless the caller has `looked`.
    """
    if is_url(target := os.fspath(path)):
        check(content)
        try:
            write_remote(target, content, overwrite=overwrite, looked=looked)
        except FileExistsError:
            raise AlreadyThere(f"{target}: {_REASONS[errno.EEXIST]}") from None
        return
    _write(path, partial(_fill, content=content, check=check), overwrite=overwrite, durable=durable)


def write_atomic_in_pieces(
    path: Path, pieces: Callable[[], Iterable[Buffer]], *, overwrite: bool, durable: bool = True
) -> None:
    """The same for a file too large for memory: `pieces` begins anew at each call.

    What is read back is compared by its SHA-256; raises Damaged where it differs.
    """
    _write(path, partial(_fill_in_pieces, pieces=pieces), overwrite=overwrite, durable=durable)


def is_there(place: str) -> bool:
    """Whether anything has this name already."""
    return exists_remote(place) if is_url(place) else os.path.lexists(place)


def remove(place: str) -> None:
    """Remove a file that loanword wrote."""
    if is_url(place):
        remove_remote(place)
    else:
        os.unlink(place)


def flush(paths: Iterable[Path]) -> None:
    """Have the files that were written with `durable=False` brought to the disk, with their names.

    Raises CannotWrite where the disk refuses.
    """
    written = (place for path in paths if not is_url(place := os.fspath(path)))
    some = list(itertools.islice(written, FLUSHED_SINGLY + 1))
    if len(some) > FLUSHED_SINGLY and hasattr(os, "sync"):
        os.sync()
        return
    folders: set[str] = set()
    try:
        for path in itertools.chain(some, written):
            _flush_file(path)
            folders.add(os.path.dirname(path) or os.curdir)
        for folder in folders:
            _flush_folder(folder)
    except OSError as error:
        raise CannotWrite(f"{error.filename}: cannot be flushed to the disk ({error.strerror}); write again") from None


def _write(path: Path, fill: Callable[[int], None], *, overwrite: bool, durable: bool) -> None:
    """Have `fill` put the content into a descriptor, and give the file its name."""
    target = _checked_path(path)
    folder = os.path.dirname(target) or os.curdir
    _sweep(os.path.abspath(folder))
    try:
        if not overwrite or not _replace(target, folder, fill):
            try:
                _create(target, folder, fill, durable=durable)
            except FileExistsError:  # another writer was faster
                if not overwrite or not _replace(target, folder, fill):
                    raise
        if durable:
            _flush_folder(folder)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or f"cannot be written ({error.strerror or error}); write elsewhere"
        kind = AlreadyThere if isinstance(error, FileExistsError) else CannotWrite
        raise kind(f"{target}: {reason}") from None


def _checked_path(path: Path) -> str:
    target = os.fspath(path)
    try:
        if b"\0" not in os.fsencode(target):
            return target
    except UnicodeEncodeError:
        pass
    raise CannotWrite(f"{target}: contains a character that no file name can have; choose another name")


def _mode_of(target: str) -> int | None:
    """The permissions of the file that is there, or None where none is; raises CannotWrite where it is no file."""
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return stat.S_IMODE(mode) & 0o777
    kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
    raise CannotWrite(f"{target}: is {kind}, which is never written through; remove it, or write elsewhere")


def _replace(target: str, folder: str, fill: Callable[[int], None]) -> bool:
    """Put the new file into the place of the one that is there, if one is."""
    mode = _mode_of(target)
    if mode is None:
        return False
    temporary = _written_beside(folder, fill, mode, durable=True)
    try:
        os.replace(temporary, target)
    finally:
        _remove(temporary)
    return True


def _create(target: str, folder: str, fill: Callable[[int], None], *, durable: bool) -> None:
    """Give a new file its name, failing with FileExistsError where the name is taken."""
    descriptor = _open_unnamed(folder)
    if descriptor is not None:
        try:
            _filled(descriptor, fill, durable=durable)
            if _linked(f"/proc/self/fd/{descriptor}", target, descriptor):
                return
        finally:
            os.close(descriptor)
    temporary = _written_beside(folder, fill, None, durable=durable)
    try:
        if not _linked(temporary, target):
            _rename_to_new(temporary, target)
    finally:
        _remove(temporary)


def _linked(source: str, target: str, descriptor: int | None = None) -> bool:
    """Whether `target` became a name of the file `source`; False where the file system knows one name a file.

    os.link follows the link that `source` is in /proc only where it gets a descriptor, whatever that is of.
    """
    try:
        os.link(source, target, src_dir_fd=descriptor, follow_symlinks=True)
    except OSError as error:
        if error.errno in _NO_HARD_LINKS:
            return False
        raise
    return True


def _rename_to_new(temporary: str, target: str) -> None:
    """What there is on file systems without hard links; between the look and the renaming lies a moment."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(temporary, target)


def _open_unnamed(folder: str) -> int | None:
    """A file without a name, which vanishes unless it gets one; None where the system has no such thing."""
    if not _UNNAMED or not _has_proc():
        return None
    with suppress(FileNotFoundError):
        return _opened_unnamed(folder)
    _make_folder(folder)
    return _opened_unnamed(folder)


def _opened_unnamed(folder: str) -> int | None:
    try:
        return os.open(folder, _NEW | _UNNAMED, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS):
            return None
        raise


def _written_beside(folder: str, fill: Callable[[int], None], mode: int | None, *, durable: bool) -> str:
    """The path of a temporary file in `folder` that was filled and checked; removed again where that fails.

    `mode` are its permissions; None leaves them to the system, as for any new file.
    """
    temporary = os.path.join(folder, f".loanword-{os.urandom(8).hex()}.tmp")
    _make_folder(folder)
    descriptor = os.open(temporary, _NAMED, 0o666 if mode is None else 0o600)
    finished = False
    try:
        try:
            if mode is not None:
                os.chmod(descriptor if os.chmod in os.supports_fd else temporary, mode)
            _filled(descriptor, fill, durable=durable)
        finally:
            os.close(descriptor)
        finished = True
    finally:
        if not finished:
            _remove(temporary)
    return temporary


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None


def _filled(descriptor: int, fill: Callable[[int], None], *, durable: bool) -> None:
    fill(descriptor)
    if durable:
        os.fsync(descriptor)


def _fill(descriptor: int, content: bytes, check: Callable[[bytes], None]) -> None:
    """Write `content`, read it back and have it checked."""
    _put(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    back = os.read(descriptor, len(content) + 1)
    while len(back) < len(content) and (more := os.read(descriptor, len(content) + 1 - len(back))):
        back += more
    check(back)


def _fill_in_pieces(descriptor: int, pieces: Callable[[], Iterable[Buffer]]) -> None:
    written, back = hashlib.sha256(), hashlib.sha256()
    for piece in pieces():
        _put(descriptor, piece)
        written.update(piece)
    os.lseek(descriptor, 0, os.SEEK_SET)
    while block := os.read(descriptor, _BLOCK):
        back.update(block)
    if back.digest() != written.digest():
        raise Damaged("what was read back from the disk differs from what was written; the disk may be failing")


def _put(descriptor: int, content: Buffer) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _remove(temporary: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(temporary)


def _flush_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: str) -> None:
    """Bring the folder's names to the disk, where the system lets one: Windows and some network drives do not."""
    if os.name == "nt" or not os.access(folder, os.R_OK):
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


@functools.lru_cache(maxsize=256)
def _sweep(folder: str) -> None:
    """Remove temporary files that killed processes left in `folder` over a day ago; looks once in a process.

    What cannot be seen or removed stays: it is in nobody's way.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if TEMPORARY.fullmatch(entry.name) and _is_stale(entry):
                os.unlink(entry.path)


def _is_stale(entry: os.DirEntry[str]) -> bool:
    status = entry.stat(follow_symlinks=False)
    return stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > STALE_AFTER


@functools.cache
def _has_proc() -> bool:
    return os.path.isdir("/proc/self/fd")
