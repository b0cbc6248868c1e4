"""Lengths of vectors and the angles between them, in float64, for whatever numbers a file holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...embeddings.dtypes import decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...embeddings.embedding import Vectors


def numbers_of(vectors: Vectors) -> NDArray[np.float64]:
    """The vectors as (n_vectors, width) float64, exactly."""
    import numpy as np

    with np.errstate(invalid="ignore"):  # a signalling NaN is a number like any other here
        return decode(vectors.data, vectors.dtype).astype(np.float64).reshape(vectors.shape)


def usable(vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which vectors have a direction: no NaN, no infinity, not all zeros."""
    import numpy as np

    largest = np.abs(vectors).max(axis=1)
    return np.isfinite(largest) & (largest > 0)


def units_of(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Usable vectors with length 1; scaled first, so that no square overflows or vanishes."""
    import numpy as np

    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)


def norms_of(vectors: NDArray[np.float64]) -> tuple[float | None, ...]:
    """The L2 norm of each vector; None where a number is NaN or infinite."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        largest = np.abs(vectors).max(axis=1, keepdims=True)
        lengths = np.linalg.norm(vectors / np.where(largest > 0, largest, 1), axis=1) * largest[:, 0]
    return tuple(each if math.isfinite(each) else None for each in lengths.tolist())


def cosines_of(vectors: NDArray[np.float64]) -> tuple[tuple[float | None, ...], ...]:
    """The cosine similarity of each vector to each; None where one of the two has no direction."""
    import numpy as np

    sound = usable(vectors)
    cosines = np.full((len(vectors), len(vectors)), np.nan)
    units = units_of(vectors[sound])
    cosines[np.ix_(sound, sound)] = np.clip(units @ units.T, -1, 1)
    np.fill_diagonal(cosines, np.where(sound, 1.0, np.nan))
    return tuple(tuple(None if math.isnan(each) else each for each in row) for row in cosines.tolist())
