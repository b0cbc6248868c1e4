"""What an embedding's numbers show to be wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dtypes import has_non_finite

if TYPE_CHECKING:
    from .embedding import Embedding


def health_warnings(embedding: Embedding) -> tuple[str, ...]:
    """A sentence for each thing that is wrong: NaN and infinite numbers."""
    broken = [
        label
        for kind in (embedding.vectors, embedding.output_vectors, embedding.layer_vectors)
        for label, vectors in kind.items()
        if has_non_finite(vectors.data, vectors.dtype)
    ]
    if not broken:
        return ()
    warning = (
        f"{', '.join(broken)}: some numbers are NaN or infinite, as when a value outgrows float16; "
        "images made with it will be broken"
    )
    return (warning,)
