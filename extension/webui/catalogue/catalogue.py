"""The library as the API shows it: pages of items, one item with all that is known of it, and what ids stand for."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from ....converters.batch import Found
from ....converters.files import read_all
from ....embeddings.library_query import MOST_TWINS, Query, Row
from ..api.answers import Details, Item, Listing
from ..asgi.refusal import Refusal
from .folders import Folders
from .items import Surroundings, item_of, shown, twin_of
from .sidecars import sidecar_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ....embeddings.embedding import Embedding
    from ....embeddings.indexed import IndexedEmbedding, IndexedFile
    from ....embeddings.library import Library
    from ..api.opaque_ids import OpaqueIds
    from ..api.requests import ListQuery
    from ..hosts.host import Host

MOST_CONVERTED = 1_000_000
CURRENT = "current"
LONGEST_METADATA, MOST_METADATA = 4000, 200
"""Characters of a text, and texts, of what trainers wrote; some write whole logs."""


@dataclass(frozen=True)
class Catalogue:
    """The embeddings of a host's folders."""

    host: Host
    library: Library
    ids: OpaqueIds
    hidden: tuple[str, ...] = ()

    def around(self) -> Surroundings:
        """What items are seen beside; looked up anew for each request."""
        return Surroundings(self.host, self.host.base_model(), Folders.of(self.host, self.ids, self.hidden), self.ids)

    def page(self, query: ListQuery, *, scanning: bool) -> Listing:
        """The items that a query finds."""
        around = self.around()
        page = self.library.page(around.folders.paths, self.query_of(query, around))
        facets = {name: {shown(key): count for key, count in facet.items()} for name, facet in page.facets.items()}
        facets["folder"] = {
            self.ids.of("folder", os.path.abspath(path)): count for path, count in page.facets["folder"].items()
        }
        return Listing(page.total, query.offset, [item_of(row, around) for row in page.rows], facets, scanning)

    def query_of(self, query: ListQuery, around: Surroundings) -> Query:
        """What the library is asked; raises Refusal where something of it is not known."""
        current = [around.loaded] if around.loaded else []
        base_models = [key for each in query.base_model for key in (current if each == CURRENT else [each])]
        return Query(
            text=query.q,
            base_models=tuple(base_models),
            formats=tuple(query.format),
            folders=tuple(around.folders.path_of(each) for each in query.folder),
            health=tuple(query.health),
            kinds=tuple(query.kind),
            sort=query.sort,
            descending=query.order == "desc",
            offset=query.offset,
            limit=query.limit,
        )

    def item(self, name: str) -> Item:
        """The item with an id."""
        around = self.around()
        return item_of(self._row_and_twins(name, around)[0], around)

    def details(self, name: str) -> Details:
        """The item with an id, and everything that is known of it."""
        around = self.around()
        row, *twins = self._row_and_twins(name, around)
        item, embedding, inside = item_of(row, around), row.embedding, row.file.embeddings
        hashed = self.library.file(row.file.path, hashed=True) or row.file
        siblings = [Row(row.file, each, at, collides=False, duplicates=0) for at, each in enumerate(inside)]
        return Details(
            **{each.name: getattr(item, each.name) for each in fields(item)},
            step=embedding.step if embedding else None,
            checkpoint_name=_said(embedding.checkpoint_name) if embedding else None,
            checkpoint_hash=_said(embedding.checkpoint_hash) if embedding else None,
            metadata=_metadata(embedding) if embedding else {},
            sha256=hashed.sha256,
            original_sha256=(_said(embedding.original_sha256) if embedding else None) or hashed.sha256,
            warnings=[shown(each) for each in embedding.warnings] if embedding else [],
            siblings=[twin_of(each, around) for each in siblings[:MOST_TWINS] if each.position != row.position],
            duplicates=[twin_of(each, around) for each in twins],
        )

    def _row_and_twins(self, name: str, around: Surroundings) -> tuple[Row, ...]:
        """The row with an id, and those with the same vectors; raises Refusal where there is none any more."""
        ref = self.ids.get("embedding", name)
        rows = self.library.row(ref.path, ref.position, around.folders.paths)
        if not rows or rows[0].file.path != ref.path:
            raise Refusal(404, "there is no such embedding any more")
        return rows

    def place(self, name: str) -> tuple[str, str | None]:
        """The path of the file with an embedding's id, and the name its notes are kept under, if not the file's."""
        ref = self.ids.get("embedding", name)
        file = self.library.file(ref.path)
        if file is None:
            raise Refusal(404, "there is no such embedding any more")
        return ref.path, sidecar_name(file, ref.position)

    def embedding(self, name: str) -> Embedding:
        """The embedding with an id, with its numbers; raises what reading its file raises."""
        ref = self.ids.get("embedding", name)
        found = read_all(ref.path)
        if ref.position >= len(found):
            raise Refusal(404, "there is no such embedding any more")
        return found[ref.position]

    def chosen(self, names: Iterable[str]) -> list[Found]:
        """The files with embeddings' ids, each once, with the positions that are meant where not all are."""
        around = self.around()
        positions: dict[str, set[int]] = {}
        for name in names:
            ref = self.ids.get("embedding", name)
            positions.setdefault(ref.path, set()).add(ref.position)
        return [_found(path, chosen, self.library.file(path), around) for path, chosen in positions.items()]

    def finder(self, query: ListQuery) -> Callable[[], list[Found]]:
        """What finds the files that a query has embeddings in, on all its pages; raises Refusal as `query_of` does."""
        around = self.around()
        everything = replace(self.query_of(query, around), offset=0, limit=MOST_CONVERTED)

        def find() -> list[Found]:
            rows = self.library.page(around.folders.paths, everything).rows
            files = {row.file.path: row.file for row in rows}
            positions: dict[str, set[int]] = {}
            for row in rows:
                if row.embedding is not None:
                    positions.setdefault(row.file.path, set()).add(row.position)
            return [_found(path, chosen, files[path], around) for path, chosen in positions.items()]

        return find


def _found(path: str, positions: set[int], file: IndexedFile | None, around: Surroundings) -> Found:
    all_meant = file is None or len(positions) >= len(file.embeddings)
    return Found(path, around.folders.below(path), named=True, only=() if all_meant else tuple(sorted(positions)))


def _said(text: str | None) -> str | None:
    return shown(text) if text else None


def _metadata(embedding: IndexedEmbedding) -> dict[str, str]:
    some = list(embedding.metadata.items())[:MOST_METADATA]
    return {shown(key): text[:LONGEST_METADATA] for key, text in some}
