"""What a scan found in folders: how many embeddings of which kind, and what is wrong, file by file or as JSON."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from ...embeddings.health import FINDINGS
from ...embeddings.text_encoders import BASE_MODELS
from .output import notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...embeddings.library import IndexedFile, Row, Scan

HEADINGS = ("number", "what it is", "format")
_SOMETHING_ELSE = frozenset(("not-an-embedding", "unrecognised"))
"""Kinds of files that are no trouble: folders hold other things, too."""


def rows_of(files: Iterable[IndexedFile]) -> list[tuple[str, ...]]:
    """A row for each kind of embedding, the most frequent first, and one for each kind of other files."""
    counts: Counter[tuple[str, str]] = Counter()
    for file in files:
        for each in file.embeddings:
            model = BASE_MODELS[each.base_model].title if each.base_model else "base model unknown"
            counts[model, file.message] += 1
        if not file.embeddings:
            counts[file.kind.replace("-", " "), "-"] += 1
    return [(str(count), *what) for what, count in counts.most_common()]


def problems(files: Iterable[IndexedFile]) -> Iterator[tuple[str, str, str]]:
    """Label, reason and path of everything that is wrong with the files themselves."""
    for file in files:
        if not file.embeddings and file.kind not in _SOMETHING_ELSE:
            yield file.kind, file.message, file.path
        for each in file.embeddings:
            for warning in each.warnings:
                yield "warning", warning, file.path
            for code in each.health:
                yield "warning", FINDINGS[code].sentence, file.path


def alike(finding: str, groups: Iterable[Sequence[Row]]) -> Iterator[tuple[str, str, str]]:
    """The same of files that are alike: the names they have in common are part of the reason."""
    for group in groups:
        names = dict.fromkeys(row.embedding.name for row in group if row.embedding)
        reason = f"{', '.join(map(repr, names))}: {FINDINGS[finding].sentence}"
        for path in dict.fromkeys(row.file.path for row in group):
            yield FINDINGS[finding].title, reason, path


def tell(found: Iterable[tuple[str, str, str]]) -> None:
    """Each label and reason once, and below it the files it holds for, on standard error."""
    here = os.path.join(os.getcwd(), "")
    by_label: dict[str, list[tuple[str, str]]] = {}
    for label, reason, path in found:
        by_label.setdefault(label, []).append((reason, path.removeprefix(here)))
    for label, reasons in by_label.items():
        notes(label, reasons)


def as_values(
    scan: Scan, files: Iterable[IndexedFile], duplicates: Sequence[Sequence[Row]], collisions: Sequence[Sequence[Row]]
) -> dict[str, Any]:
    """Everything that is known, as JSON takes it."""
    return {
        **dataclasses.asdict(scan),
        "files": [dataclasses.asdict(file) for file in files],
        "duplicates": [_places(group) for group in duplicates],
        "collisions": [_places(group) for group in collisions],
    }


def line_of(scan: Scan) -> str:
    """One line about what is new."""
    counts = {"added": len(scan.added), "changed": len(scan.changed), "removed": len(scan.removed)}
    return ", ".join(f"{count} {what}" for what, count in {**counts, "unchanged": scan.unchanged}.items())


def _places(group: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {"path": row.file.path, "position": row.position, "name": row.embedding.name} for row in group if row.embedding
    ]
