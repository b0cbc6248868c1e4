"""Rows of the library as the API shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....converters.container import all_containers
from ....converters.format import all_formats
from ....embeddings.errors import one_line, shortened
from ....embeddings.health import FINDINGS
from ....embeddings.library_query import COLLISION, DUPLICATE
from ....embeddings.text_encoders import BASE_MODELS, TEXT_ENCODERS
from ..api.answers import Item, Problem, Shape, Titled, Twin
from .previews import find_preview
from .sidecars import read_sidecar, sidecar_name
from .use import use_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ....embeddings.embedding import Embedding
    from ....embeddings.indexed import IndexedEmbedding
    from ....embeddings.library_query import Row
    from ..api.opaque_ids import OpaqueIds
    from ..hosts.host import Host
    from .folders import Folders

LONGEST_NAME = 200
_NEEDS_ESCAPE = re.compile(r"[()\[\]\\]")


@dataclass(frozen=True)
class Surroundings:
    """What makes a row an item, looked up once for all rows of a page."""

    host: Host
    loaded: str | None
    folders: Folders
    ids: OpaqueIds


def item_of(row: Row, around: Surroundings) -> Item:
    """A row of the library with everything that lies beside its file."""
    file, embedding = row.file, row.embedding
    place, file_name = around.folders.place_of(file.path)
    own_name = sidecar_name(file, row.position)
    sidecar = read_sidecar(file.path, own_name)
    return Item(
        id=around.ids.of("embedding", file.path, row.position),
        name=shown(embedding.name) if embedding else file_name,
        trigger=trigger_of(embedding.name) if embedding else "",
        aliases=[shown(each) for each in embedding.aliases] if embedding else [],
        kind=file.kind,
        message=shortened(one_line(file.message)),
        base_model=base_model_titled(embedding.base_model) if embedding else None,
        vectors=[*shapes_of(embedding)] if embedding else [],
        tokens=embedding.tokens if embedding else 0,
        format=Titled(file.format, all_formats()[file.format].title) if file.format else None,
        container=Titled(file.container, all_containers()[file.container].title) if file.container else None,
        pickle=file.pickled,
        size=file.size,
        modified=file.modified_ns / 1e9,
        folder=place,
        file=file_name,
        health=problems(_findings(row)),
        use=use_of(file, embedding, around.host, around.loaded),
        preview=find_preview(file.path, own_name) is not None,
        description=sidecar.description,
        notes=sidecar.notes,
        tags=list(sidecar.tags),
        preferred_weight=sidecar.preferred_weight,
    )


def shapes_of(embedding: IndexedEmbedding) -> Iterator[Shape]:
    """The vectors of an embedding, space by space."""
    spaces = (("input", embedding.vectors), ("output", embedding.output_vectors), ("layer", embedding.layer_vectors))
    for space, shapes in spaces:
        yield from _shapes(space, shapes)


def shapes_in(embedding: Embedding) -> list[Shape]:
    """The same of an embedding that is not in the library."""
    spaces = (("input", embedding.vectors), ("output", embedding.output_vectors), ("layer", embedding.layer_vectors))
    return [
        shape
        for space, vectors in spaces
        for shape in _shapes(space, {key: (*each.shape, each.dtype) for key, each in vectors.items()})
    ]


def problems(codes: Iterable[str]) -> list[Problem]:
    """Findings, in sentences."""
    return [Problem(code, FINDINGS[code].sentence) for code in codes]


def base_model_titled(key: str | None) -> Titled | None:
    return Titled(key, BASE_MODELS[key].title) if key else None


def twin_of(row: Row, around: Surroundings) -> Twin:
    """A row in short."""
    name = shown(row.embedding.name) if row.embedding else ""
    return Twin(
        around.ids.of("embedding", row.file.path, row.position), name, around.folders.place_of(row.file.path)[1]
    )


def shown(name: str) -> str:
    """A name on one line, with everything visible that could hide or turn round what is beside it."""
    return shortened(one_line(name), LONGEST_NAME)


def trigger_of(name: str) -> str:
    """What is typed for a name in the prompts of WebUIs; empty where it cannot be typed."""
    return _NEEDS_ESCAPE.sub(r"\\\g<0>", name) if name.isprintable() and len(name) <= LONGEST_NAME else ""


def _shapes(space: str, shapes: Mapping[str, tuple[int, int, str]]) -> Iterator[Shape]:
    for key, (count, width, dtype) in shapes.items():
        title = TEXT_ENCODERS[key].title if key in TEXT_ENCODERS else shown(key)
        yield Shape(shown(key), title, count, width, dtype, space)


def _findings(row: Row) -> list[str]:
    own = row.embedding.health if row.embedding else ()
    return [*own, *([DUPLICATE] if row.duplicates else ()), *([COLLISION] if row.collides else ())]
