"""What `loanword look` prints and writes: one embedding from inside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ...embeddings.errors import CannotWrite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...embeddings.embedding import Embedding
    from ..insight.inside import Inside
    from ..insight.neighbours import Neighbour


def seen(embedding: Embedding, model: str | None, folders: Sequence[str]) -> Inside:
    """What is inside, with the words of a model and the neighbours in folders, where those are named."""
    from ..insight.inside import inside
    from ..insight.model_folders import tables_in

    return inside(embedding, tables_in(model) if model else {}, _neighbours(embedding, folders) if folders else ())


def as_values(inside: Inside) -> dict[str, Any]:
    """All of it for JSON."""
    from ..insight.inside import as_values as values_of
    from ..insight.sentences import sentences

    return {**values_of(inside), "text": sentences(inside)}


def draw(insides: Iterable[Inside], folder: str, *, overwrite: bool) -> Iterator[str]:
    """Write the pictures as SVG into `folder`; the paths of what was written."""
    from pathlib import Path

    from ...converters.atomic import write_atomic
    from ...embeddings.names import safe_filename
    from ..insight.pictures import NO_PICTURES, picture, pictures_of

    for each in insides:
        pictures = pictures_of(each)
        if not pictures:
            raise CannotWrite(f"{folder}: {NO_PICTURES}; pip install matplotlib")
        for shown in pictures:
            path = os.path.join(folder, f"{safe_filename(each.name)}-{shown.key}.svg")
            content = picture(each, shown.key, opaque=True)
            write_atomic(Path(path), content, overwrite=overwrite, check=_unchecked)
            yield path


def _unchecked(content: bytes) -> None:
    """A picture is no embedding that could have lost a number."""


def _neighbours(embedding: Embedding, folders: Sequence[str]) -> list[Neighbour]:
    from ...converters.indexing import open_library
    from ..insight.neighbours import neighbours_of

    with open_library() as library:
        missing = library.scan(folders).unlistable
        if missing:
            raise click.UsageError(f"{missing[0]} cannot be listed; name a folder that is there")
        return neighbours_of(embedding, library, folders)
