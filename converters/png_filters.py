"""How PNG packs pixels before compressing them: each row as differences to its neighbours, perhaps in seven passes.

Source: PNG specification, third edition (W3C, 2025), sections 8 (interlacing) and 9 (filtering).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..embeddings.errors import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced picture: first column, first row, columns apart, rows apart."""


def packed_size(width: int, height: int, size: int, *, interlaced: bool) -> int:
    """The bytes that a picture of `size` bytes a pixel takes: a filter's number and the pixels for each row."""
    shapes = [_shape(each, width, height) for each in ADAM7] if interlaced else [(height, width)]
    return sum(rows * (1 + columns * size) for rows, columns in shapes if rows and columns)


def unfiltered(raw: bytes, width: int, height: int, size: int, *, interlaced: bool) -> Iterator[Pixels]:
    """The (rows, width, size) bytes of the pixels: of the first row, then of the first few, at last of all.

    Most of what one wants to know about a picture its first row tells. Raises Damaged for an unknown filter.
    """
    if interlaced:
        yield _deinterlaced(raw, width, height, size)
    else:
        yield from _in_steps(raw, height, size)


def _deinterlaced(raw: bytes, width: int, height: int, size: int) -> Pixels:
    import numpy as np

    picture = np.zeros((height, width, size), dtype=np.uint8)
    start = 0
    for each in ADAM7:
        rows, columns = _shape(each, width, height)
        if rows and columns:
            end = start + rows * (1 + columns * size)
            *_, part = _in_steps(raw[start:end], rows, size)
            picture[each[1] :: each[3], each[0] :: each[2]] = part
            start = end
    return picture


def _shape(each: tuple[int, int, int, int], width: int, height: int) -> tuple[int, int]:
    """Rows and columns of one pass."""
    x, y, columns, rows = each
    return -(-max(0, height - y) // rows), -(-max(0, width - x) // columns)


def _in_steps(raw: bytes, height: int, size: int) -> Iterator[Pixels]:
    """The pixels, in an array with a row above and a column before that are zero, as the filters have it."""
    import numpy as np

    packed = np.frombuffer(raw, dtype=np.uint8).reshape(height, -1)
    if packed[:, 0].max() > 4:
        raise Damaged("a damaged PNG picture (a row of it has an unknown filter); get it again")
    width = (packed.shape[1] - 1) // size
    padded = np.zeros((height + 1, width + 1, size), dtype=np.uint8)
    done = 0
    for end in sorted({1, min(16, height), height}):
        padded[done + 1 : end + 1, 1:] = packed[done:end, 1:].reshape(end - done, width, size)
        filters = packed[done:end, 0]
        if filters.max() < 3 or (end == 1 and filters[0] == 4):
            _undo_simple(padded[done : end + 1], filters)
        else:
            _undo_any(padded[done : end + 1], filters)
        done = end
        yield padded[1 : end + 1, 1:]


def _undo_simple(padded: Pixels, filters: Pixels) -> None:
    """Undo differences to the left and to the row above, in place. In a first row, Paeth's is that to the left."""
    import numpy as np

    for row, kind in enumerate(filters, start=1):
        if kind in (1, 4):
            np.cumsum(padded[row], axis=0, dtype=np.uint8, out=padded[row])
        elif kind == 2:
            padded[row] += padded[row - 1]


def _undo_any(padded: Pixels, filters: Pixels) -> None:
    """Undo any filters, in place: diagonal by diagonal, since each pixel needs those to the left and above.

    Pixels of one diagonal lie equally far apart in the flat array, so that each diagonal is a slice of it.
    """
    import numpy as np

    height, width = padded.shape[0] - 1, padded.shape[1] - 1
    flat = padded.reshape(-1, padded.shape[2])
    is_left, is_up, is_mean, is_paeth = ((filters == kind)[:, None].astype(np.int16) for kind in (1, 2, 3, 4))
    for diagonal in range(height + width - 1):
        rows = slice(max(0, diagonal - width + 1), min(height - 1, diagonal) + 1)
        first = (rows.start + 1) * (width + 1) + diagonal - rows.start + 1
        last = first + (rows.stop - rows.start - 1) * width + 1
        left, up, corner = (
            flat[first - distance : last - distance : width].astype(np.int16) for distance in (1, width + 1, width + 2)
        )
        predicted = left * is_left[rows] + up * is_up[rows] + (left + up >> 1) * is_mean[rows]
        predicted += _paeth(left, up, corner) * is_paeth[rows]
        flat[first:last:width] += predicted.astype(np.uint8)


def _paeth(left: NDArray[Any], up: NDArray[Any], corner: NDArray[Any]) -> NDArray[Any]:
    """Of the three neighbours the one that is nearest to left + up - corner; in doubt the first named."""
    import numpy as np

    to_left, to_up, to_corner = np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))
