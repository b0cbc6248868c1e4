"""Files to embeddings: the container by the first bytes, the format by the content, one embedding model for all.

Nothing here knows a container or a format; both are folders of modules. Every refusal is a FileError whose line
begins with the file's path.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..embeddings.errors import FileError, SeveralEmbeddings, UnrecognisedFormat, UnsafePickle
from .container import claimant
from .folders import companion_names, companions_of, members_of
from .format import all_formats, recognised
from .payload import Payload
from .source import IsFolder, open_source
from .strangers import stranger_by_bytes

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..embeddings.embedding import Embedding
    from .container import Container
    from .source import Readable, Source


@dataclass(frozen=True)
class Identity:
    """What a file is. `kind` is "embedding", or the code of the error that reading it raises."""

    path: str | None
    kind: str
    message: str
    """One line: the format's title, or what the file is instead and what to do."""
    format: str | None = None
    container: str | None = None
    embeddings: tuple[Embedding, ...] = ()


def read(source: Readable, *, name: str | None = None, encoder: str | None = None) -> Embedding:
    """The one embedding of a file, a concept's folder, bytes or a binary stream.

    `name` is the trigger it gets; a bare tensor, which could be an aesthetic gradient, is read only with it.
    `encoder` (a key of TEXT_ENCODERS) says whose vectors they are where the file and the width leave it open.
    Raises SeveralEmbeddings where there are more than one, and otherwise what `read_all` raises.
    """
    found = read_all(source, name=name, encoder=encoder)
    if len(found) > 1:
        raise _several(found, "read_all reads them all")
    return found[0]


def read_all(source: Readable, *, name: str | None = None, encoder: str | None = None) -> list[Embedding]:
    """Every embedding of a file, a concept's folder, bytes or a binary stream; never none.

    Raises NotAnEmbedding, UnrecognisedFormat, Damaged, UnsafePickle, MalformedEmbedding or Unreadable.
    """
    path = _path_of(source)
    try:
        with open_source(source) as opened:
            if opened.path and companion_names(opened.name):
                opened.siblings = companions_of(opened.path)
            found = _parsed(_payload(opened, name, encoder))
            opened.check_unchanged()
    except IsFolder as folder:
        found = _in_folder(str(folder.path), encoder)
    except FileError as error:
        error.path = error.path or path
        raise
    if name is not None:
        if len(found) > 1:
            raise _several(found, "a name can be given to one only; read them without it")
        found = [found[0].renamed(name)]
    return found


def identify(source: Readable) -> Identity:
    """What a file is, embedding or not; of a large file only the header and the vectors themselves are read."""
    path = _path_of(source)
    try:
        found = read_all(source)
    except FileError as error:
        return Identity(path, error.code, str(error))
    origin = found[0].provenance
    title = all_formats()[origin.format].title if origin.format else "embedding"
    return Identity(path, "embedding", title, origin.format, origin.container, tuple(found))


@contextmanager
def opened_payload(source: Readable) -> Generator[Payload]:
    """The content of a file of any known container, whatever it means; open while the block runs."""
    path = _path_of(source)
    try:
        with open_source(source) as opened:
            yield _payload(opened)
            opened.check_unchanged()
    except FileError as error:
        error.path = error.path or path
        raise


def read_bytes(content: bytes, path: str, name: str | None = None, encoder: str | None = None) -> list[Embedding]:
    """The embeddings of a file that is not on disk yet but would be at `path`; used to check what was written."""
    return _parsed(_payload(open_source(content, path), name, encoder))


def _payload(source: Source, name: str | None = None, encoder: str | None = None) -> Payload:
    container = _container_of(source)
    opened = container.open(source)
    return Payload(opened.tree, source, container.key, opened.metadata, name, encoder)


def _in_folder(folder: str, encoder: str | None) -> list[Embedding]:
    try:
        members = members_of(folder)
    except FileError as error:
        error.path = error.path or folder
        raise
    return [each for member in members for each in read_all(member, encoder=encoder)]


def _parsed(payload: Payload) -> list[Embedding]:
    return recognised(payload).parse(payload)


def _container_of(source: Source) -> Container:
    """The container that claims the first bytes; raises what the file is instead."""
    head = source.head()
    container = claimant(head)
    if container is None:
        raise stranger_by_bytes(source) or UnrecognisedFormat(
            f"begins with {head[:8]!r}, which no known kind of embedding file does; download it again"
        )
    if source.suffix in container.foreign_suffixes:
        raise UnsafePickle(
            f"a {container.title}, its suffix promises something else; "
            f"rename it to {container.suffixes[0]} if you trust where it came from"
        )
    return container


def _several(found: list[Embedding], advice: str) -> SeveralEmbeddings:
    names = ", ".join(repr(each.name) for each in found[:5]) + (", …" if len(found) > 5 else "")
    return SeveralEmbeddings(
        f"holds {len(found)} embeddings ({names}), one was asked for; {advice}", found[0].provenance.path
    )


def _path_of(source: Readable) -> str | None:
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else getattr(source, "name", None)
