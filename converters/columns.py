"""Vectors of two encoders side by side in one tensor, and how they come apart: bytes are moved, nothing is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..embeddings.dtypes import dtype_named
from ..embeddings.embedding import Vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

JOINED = {"clip_l": 768, "clip_g": 1280}
"""HCP-Diffusion's columns for SDXL, from left to right."""
JOINED_WIDTH = sum(JOINED.values())


def split(joined: Vectors) -> dict[str, Vectors]:
    """The vectors of each encoder of `JOINED` out of rows that hold both."""
    size = dtype_named(joined.dtype).itemsize
    count, whole = joined.shape[0], joined.shape[1] * size
    parts: dict[str, Vectors] = {}
    start = 0
    for encoder, width in JOINED.items():
        stop = start + width * size
        rows = (joined.data[row * whole + start : row * whole + stop] for row in range(count))
        parts[encoder] = Vectors(joined.dtype, (count, width), b"".join(rows))
        start = stop
    return parts


def join(parts: Mapping[str, Vectors]) -> Vectors:
    """Rows that hold the vectors of every encoder of `JOINED`; their dtypes and numbers must be equal."""
    pieces = [parts[encoder] for encoder in JOINED]
    count, dtype = pieces[0].shape[0], pieces[0].dtype
    rows = (piece.rows(row, row + 1).data for row in range(count) for piece in pieces)
    return Vectors(dtype, (count, JOINED_WIDTH), b"".join(rows))
