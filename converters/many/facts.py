"""What the report says of a file, and that part of it that is known as soon as the file is rendered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..finding import Found
    from ..writing import Rendered

COLUMNS = {
    "outcome": "converted; identical: it was there already, the same; skipped; failed",
    "code": "why it was skipped or failed, in a word",
    "reason": "why, in a sentence",
    "duplicate_of": "the first source with the same vectors, where this is not it",
    "source": "the file that was read",
    "part": "1 for the first file that the source becomes, 2 for the second, …; 1 where it becomes none",
    "output": "the file that was written, or would have been",
    "output_bytes": "its size",
    "output_format": "key of its format",
    "output_container": "key of its container",
    "names": "the embeddings in it",
    "base_model": "key of their base model, where it is clear",
    "fingerprint": "the same for all files with the same vectors",
    "source_format": "key of the format that was read",
    "source_container": "key of the container that was read",
    "original_sha256": "of the file as its author published it",
    "warnings": "what is wrong with the embeddings all the same",
}
"""The columns, in their order; all text but `part` and `output_bytes`, and never null."""
_JSON = json.JSONEncoder(separators=(",", ":"))


def facts_of(found: Found, part: int = 1, file: Rendered | None = None, place: str = "", fingerprint: str = "") -> str:
    """The columns from `source` on, as JSON without its opening brace."""
    embeddings = file.embeddings if file is not None else ()
    origin = embeddings[0].provenance if embeddings else None
    values = {
        "source": shown(found.path),
        "part": part,
        "output": shown(place),
        "output_bytes": len(file.content) if file is not None else 0,
        "output_format": file.format if file is not None else "",
        "output_container": file.container if file is not None else "",
        "names": shown(", ".join([each.name for each in embeddings])),
        "base_model": (embeddings[0].base_model if embeddings else None) or "",
        "fingerprint": fingerprint,
        "source_format": (origin.format if origin else None) or "",
        "source_container": (origin.container if origin else None) or "",
        "original_sha256": (origin.original_sha256 if origin else None) or "",
        "warnings": "; ".join(dict.fromkeys([warning for each in embeddings for warning in each.warnings])),
    }
    return _JSON.encode(values)[1:]


def shown(text: str) -> str:
    """Text for the report, without halves of characters: readers of JSON refuse them."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
