"""Bytes hidden in a picture's pixels, as A1111 does: a block of low halves on the left, of high halves on the right.

The four low bits of each colour hold half a byte, disguised by a fixed sequence; black columns set the blocks apart
from the picture between them. What the high bits show is decoration. Pixels are (height, width, 3) arrays of bytes.

Source: A1111 1.10.1, `modules/textual_inversion/image_embedding.py`, `insert_image_data_embed` and
`extract_image_data_embed`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

CHANNELS = 3


def hidden(pixels: Pixels) -> bytes | None:
    """The hidden bytes, with what repeats behind them to fill the blocks; None where the picture has no blocks."""
    import numpy as np

    halves = _cropped(pixels) & 0x0F
    black = np.flatnonzero(~np.any(halves, axis=(0, 2)))
    if len(black) < 2:
        return None
    low, high = halves[:, : black[0]], halves[:, black[-1] + 1 :]
    if low.shape != high.shape or not low.size:
        return None
    key = _sequence(low.size).reshape(low.shape)
    return ((high ^ key) << 4 | (low ^ key)).tobytes()


def hide(content: bytes, picture: Pixels, decoration: NDArray[np.float32]) -> Pixels:
    """`picture` between two blocks that hold `content`; the numbers in `decoration` become shades of discs there.

    A1111 cuts off an edge whose every pixel lacks one of the colours, so the decoration is nowhere black.
    """
    import numpy as np

    height = picture.shape[0]
    length = len(content) + height - len(content) % height
    length += CHANNELS * height - length % (CHANNELS * height)
    repeated = np.resize(np.frombuffer(content, dtype=np.uint8), length).reshape(height, -1, CHANNELS)
    key = _sequence(length).reshape(repeated.shape)
    low = ((repeated & 0x0F) ^ key) | _discs(repeated.shape, decoration)
    high = ((repeated >> 4) ^ key) | _discs(repeated.shape, decoration[::-1])
    black = np.zeros((height, 1, CHANNELS), dtype=np.uint8)
    return np.concatenate([low, black, picture, black, high], axis=1, dtype=np.uint8)


def may_hide(pixels: Pixels) -> bool:
    """Whether a picture that begins with these rows can have blocks; answers no as soon as the rows rule it out.

    A row counts once some pixel above it, or in it, has all three colours: those before are cut off.
    """
    import numpy as np

    inside = pixels[_extent(np.all(pixels, axis=2).any(axis=1))]
    return not len(inside) or int(np.count_nonzero(~np.any(inside & 0x0F, axis=(0, 2)))) >= 2


def _cropped(pixels: Pixels) -> Pixels:
    """The picture without the edges in which no pixel has all three colours."""
    import numpy as np

    complete = np.all(pixels, axis=2)
    return pixels[_extent(complete.any(axis=1)), _extent(complete.any(axis=0))]


def _extent(flags: NDArray[Any]) -> slice:
    """From the first to the last that is true."""
    import numpy as np

    true = np.flatnonzero(flags)
    return slice(int(true[0]), int(true[-1]) + 1) if len(true) else slice(0)


def _sequence(length: int) -> Pixels:
    """The first `length` half bytes of the disguise: a linear congruential generator from 0, each number mod 255."""
    return _disguise(1 << max(length - 1, 1).bit_length())[:length]


@functools.lru_cache(maxsize=2)
def _disguise(length: int) -> Pixels:
    """The sequence, `length` being a power of two: each turn doubles it by jumping as far ahead as it is long."""
    import numpy as np

    states = np.array([1013904223], dtype=np.uint32)
    factor, step = 1664525, 1013904223
    while len(states) < length:
        states = np.concatenate([states, states * np.uint32(factor) + np.uint32(step)])
        factor, step = factor * factor % 2**32, (factor * step + step) % 2**32
    return ((states % 255) & 0x0F).astype(np.uint8)


def _discs(shape: tuple[int, ...], numbers: NDArray[np.float32]) -> Pixels:
    """Shades, in the high half of each byte, of discs that are 6 pixels across, every other row of them shifted."""
    import numpy as np

    largest = float(np.abs(numbers).max()) or 1.0
    shades = np.maximum((np.abs(numbers) / largest * 255).astype(np.uint8) & 0xF0, 0x20)
    y, x = np.indices(shape[:2])
    row, column = y // 8, (x + y // 8 % 2 * 4) // 8
    inside = (y % 8 - 3.5) ** 2 + ((x + row % 2 * 4) % 8 - 3.5) ** 2 <= 9
    painted = np.where(inside, shades[(row + column * (shape[0] // 8 + 1)) % len(shades)], 0x10)
    return painted.astype(np.uint8)[..., None]
