"""Files that were sent: kept in a folder of their own that nobody else can read and that is gone with the program."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....converters.container import all_containers
from ....embeddings.errors import one_line
from ....embeddings.names import safe_filename
from ..asgi.refusal import Refusal

if TYPE_CHECKING:
    from typing_extensions import Self

PREFIX = "loanword-uploads-"
LARGEST_ALL = 512 * 1024 * 1024
MOST = 64
LONGEST_NAME = 200
MORE_SUFFIXES = (".pti", ".sft", ".pth", ".ckpt")
STALE_AFTER = 24 * 60 * 60
"""Seconds after which the folder of a program that was killed is removed by the next one."""


@dataclass(frozen=True)
class Upload:
    """A file that was sent: its id, its name, and where it is."""

    id: str
    name: str
    path: str
    size: int


class Uploads:
    """The files that were sent last; the oldest make room for new ones."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._kept: dict[str, Upload] = {}
        self._lock = threading.Lock()

    @property
    def folder(self) -> str:
        """The folder, made when it is first needed."""
        with self._lock:
            if self._folder is None:
                _sweep()
                self._folder = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
            return self._folder.name

    @property
    def folders(self) -> tuple[str, ...]:
        """The folder, where there is one already."""
        return () if self._folder is None else (self._folder.name,)

    def add(self, name: str, content: bytes) -> Upload:
        """Keep a file under a name that `check_name` let pass."""
        folder = self.new_folder()
        path = os.path.join(folder, stored_name(name))
        with open(path, "xb") as file:
            file.write(content)
        upload = Upload(secrets.token_urlsafe(18), one_line(name), path, len(content))
        with self._lock:
            self._kept[upload.id] = upload
            while len(self._kept) > MOST or sum(each.size for each in self._kept.values()) > LARGEST_ALL:
                oldest = self._kept.pop(next(iter(self._kept)))
                shutil.rmtree(os.path.dirname(oldest.path), ignore_errors=True)
        return upload

    def get(self, name: str) -> Upload:
        """The file with an id; raises Refusal."""
        try:
            return self._kept[name]
        except KeyError:
            raise Refusal(404, "there is no such upload any more; send the file again") from None

    def new_folder(self) -> str:
        """A new folder in this one, for an upload or for results."""
        return tempfile.mkdtemp(dir=self.folder)

    def close(self) -> None:
        """Remove everything."""
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_name(name: str | None) -> str:
    """The name of a file that is sent; raises Refusal where it is a path, hides something, or is no embedding's."""
    if not name or len(name.encode(errors="replace")) > LONGEST_NAME or not name.isprintable():
        raise Refusal(422, "a file that is sent needs a name, of at most 200 bytes and of characters that can be seen")
    if set(name) & set('/\\:*?"<>|') or name.startswith(".") or name.endswith((".", " ")):
        raise Refusal(422, "the name of a file that is sent is a plain name, without folders")
    known = {*MORE_SUFFIXES, *(suffix for row in all_containers().values() for suffix in row.suffixes)}
    if os.path.splitext(name)[1].lower() not in known:
        raise Refusal(415, f"embeddings are {', '.join(sorted(known))} files")
    return name


def stored_name(name: str) -> str:
    """The name under which it is kept: what is called by a file's name is called by this one."""
    stem, suffix = os.path.splitext(name)
    return safe_filename(stem) + suffix


def _sweep() -> None:
    """Remove what programs left that were killed."""
    top = tempfile.gettempdir()
    for name in os.listdir(top):
        path = os.path.join(top, name)
        if name.startswith(PREFIX) and _is_stale(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_stale(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return own and time.time() - status.st_mtime > STALE_AFTER
