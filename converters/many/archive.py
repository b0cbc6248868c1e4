"""A zip archive as the destination: filled in a folder beside it, and packed when all is there.

Until then the folder holds what is converted, and the journal, so an interrupted run is gone with as any other. Members
lie in the order of their names, uncompressed and without dates: the same files give the same archive. One that is there
already is never written to.
"""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...embeddings.errors import CannotWrite
from ..atomic import AlreadyThere, write_atomic_in_pieces
from ..places import is_url, joined, taken_apart
from .facts import shown
from .intake import OWN, held

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from typing_extensions import Buffer

_BEFORE_ALL_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip archive can say."""


class Archive:
    """The archive that a destination such as `zip://folder/::all.zip` names; raises CannotWrite where it cannot be."""

    def __init__(self, destination: str, *, resume: bool) -> None:
        """Find out where it is; nothing may be there, unless a run was interrupted when it had just been packed."""
        _, self._within, chained = taken_apart(destination)
        self.path = chained.removeprefix("::").removeprefix("file://")
        if not self.path or is_url(self.path):
            raise CannotWrite(
                f"{destination}: archives are written on this machine; name one, as in zip://::a.zip, and copy it there"
            )
        folder, name = os.path.split(os.path.abspath(self.path))
        self.folder = os.path.join(folder, f"{OWN}{name}")
        """Where its members lie until it is packed."""
        if os.path.lexists(self.path) and not (resume and os.path.isdir(self.folder)):
            raise AlreadyThere(f"{self.path}: is already there, and archives are never changed; name another")

    def begin_anew(self) -> None:
        """Remove what an interrupted run left in the folder, but for the journal, which says that none goes on now."""
        with self._removing():
            for path in held(self.folder):
                os.unlink(path)

    def pack(self) -> None:
        """Make the archive of what is in the folder; raises CannotWrite."""
        try:
            write_atomic_in_pieces(self.path, self._pieces, overwrite=False)
        except AlreadyThere:
            if not self._is_packed():
                raise

    def _is_packed(self) -> bool:
        with open(self.path, "rb") as there:
            return all(there.read(len(piece)) == piece for piece in self._pieces()) and not there.read(1)

    def remove_folder(self) -> None:
        """Remove the folder, when the archive is there."""
        with self._removing():
            shutil.rmtree(self.folder)

    @contextmanager
    def _removing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise CannotWrite(f"{self.folder}: cannot be removed ({error.strerror}); remove it yourself") from None

    def _pieces(self) -> Iterator[bytes]:
        written = _Pieces()
        with zipfile.ZipFile(written, "w") as archive:
            for path in sorted(held(self.folder)):
                name = joined(self._within, os.path.relpath(path, self.folder)).replace(os.sep, "/").lstrip("/")
                with open(path, "rb") as member:
                    archive.writestr(zipfile.ZipInfo(shown(name), _BEFORE_ALL_TIME), member.read())
                yield written.taken()
        yield written.taken()


class _Pieces(io.RawIOBase):
    """A file that can only be written to, and of which what was written is taken away meanwhile."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """It is what it is for."""
        return True

    def write(self, piece: Buffer, /) -> int:
        """Keep a piece until it is taken."""
        self._pieces.append(bytes(piece))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        """What was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
