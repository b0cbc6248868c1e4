"""The picture that loanword draws where an embedding is kept in one: its numbers as a field of discs.

Each disc stands for some columns of the vectors: its size for how large their numbers are, its colour for their mean.
The same vectors always give the same picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

SIDE = 512
"""Pixels, as many as the pictures have that A1111 makes while it trains."""
DISCS = 16
"""Discs in a row, and rows of discs."""
_CELL = SIDE // DISCS
_TOP, _BOTTOM = (24, 28, 44), (52, 40, 66)
_COLD, _WARM = (84, 160, 214), (246, 176, 98)


def picture_of(vectors: NDArray[np.float32]) -> Pixels:
    """A (512, 512, 3) picture of (n_vectors, width) numbers, none of them NaN or infinite."""
    import numpy as np

    sizes, hues = _condensed(vectors)
    y, x = np.indices((SIDE, SIDE), dtype=np.float32)
    height = (y // _CELL / (DISCS - 1))[..., None]
    ground = np.array(_TOP) * (1 - height) + np.array(_BOTTOM) * height
    distance = np.hypot(x % _CELL - (_CELL - 1) / 2, y % _CELL - (_CELL - 1) / 2)
    spread = np.repeat(np.repeat(np.stack([sizes, hues], axis=2), _CELL, axis=0), _CELL, axis=1)
    radius, hue = spread[..., 0] * _CELL * 0.46, spread[..., 1:]
    cover = np.clip(radius - distance + 0.5, 0, 1)[..., None]
    disc = np.array(_COLD) * (1 - hue) + np.array(_WARM) * hue
    return np.rint(ground * (1 - cover) + disc * cover).astype(np.uint8)


def _condensed(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each disc how large its numbers are and what their mean is, both between 0 and 1."""
    import numpy as np

    numbers = np.resize(vectors.astype(np.float64), (len(vectors), -(-vectors.shape[1] // DISCS**2) * DISCS**2))
    columns = numbers.reshape(len(vectors), DISCS**2, -1)
    sizes, means = np.abs(columns).mean(axis=(0, 2)), columns.mean(axis=(0, 2))
    sizes = np.sqrt(sizes / (sizes.max() or 1))
    means = means / (2 * np.abs(means).max() or 1) + 0.5
    return sizes.reshape(DISCS, DISCS), means.reshape(DISCS, DISCS)
