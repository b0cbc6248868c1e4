"""PNG: chunks with checksums, text in some of them, and the pixels, unpacked here without another library.

Only what can carry an embedding is unpacked: colour pictures with 8 or 16 bits a channel, the lower 8 of which are
dropped. Every length is checked before memory is taken, and every chunk's checksum.

Source: PNG specification, third edition (W3C, 2025), sections 5 (datastream) and 11 (chunks).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..embeddings.errors import Damaged, NotAnEmbedding
from .png_filters import packed_size, unfiltered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ..embeddings.dtypes import Buffer

    Pixels = NDArray[np.uint8]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 10_000
MOST_PIXELS = 4 * 1024 * 1024
MOST_FIRST_ROWS = 16
LARGEST_TEXT = 24 * 1024 * 1024
_CHANNELS = {2: 3, 6: 4}
"""Colour types that can carry an embedding: RGB, and RGB with opacity."""


@dataclass(frozen=True)
class Png:
    """A picture that is not unpacked yet, and its texts under the keyword that was asked for."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    data: bytes
    texts: tuple[bytes, ...]


def open_png(content: Buffer, keyword: bytes) -> Png:
    """The picture in `content` and its texts called `keyword`; raises Damaged where it is not a sound PNG."""
    header = b""
    data: list[Buffer] = []
    texts: list[bytes] = []
    for kind, body in _chunks(memoryview(content)):
        if not header:
            if kind != b"IHDR" or len(body) != 13:
                raise _damaged("it does not begin with its size")
            header = bytes(body)
        elif kind == b"IDAT":
            data.append(body)
        elif kind in _TEXTS and bytes(body[: len(keyword) + 1]) == keyword + b"\0":
            texts.append(_TEXTS[kind](bytes(body[len(keyword) + 1 :])))
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    if not width or not height or header[10:12] != b"\0\0" or header[12] > 1:
        raise _damaged("its header contradicts itself")
    return Png(width, height, header[8], header[9], header[12] == 1, b"".join(data), tuple(texts))


def pixels_of(png: Png, wanted: Callable[[Pixels], bool]) -> Pixels | None:
    """The picture's (height, width, 3) pixels; None as soon as `wanted`, given its first rows, says no.

    Raises NotAnEmbedding where the picture is too large or of a kind that can carry no embedding.
    """
    channels = _CHANNELS.get(png.colour, 0)
    if not channels or png.depth not in (8, 16):
        raise NotAnEmbedding("a picture of few colours, which carries no embedding; nothing to do")
    if png.width * png.height > MOST_PIXELS:
        raise NotAnEmbedding(
            f"a picture of {png.width} x {png.height} pixels, too large to search for an embedding; nothing to do"
        )
    every = png.depth // 8
    size = channels * every
    colours = (..., slice(0, 3 * every, every))
    if not png.interlaced and not all(wanted(rows[colours]) for rows in _first_rows(png, size)):
        return None
    raw = _inflated(png.data, packed_size(png.width, png.height, size, interlaced=png.interlaced))
    shown = None
    for rows in unfiltered(raw, png.width, png.height, size, interlaced=png.interlaced):
        shown = rows[colours]
        if not wanted(shown):
            return None
    return shown


def write_png(pixels: Pixels, keyword: bytes, text: bytes) -> bytes:
    """A PNG of (height, width, 3) pixels with one text."""
    import numpy as np

    height, width, _ = pixels.shape
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), pixels.reshape(height, -1)], axis=1)
    parts = (
        (b"IHDR", header),
        (b"tEXt", keyword + b"\0" + text),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in parts)


def _inflated_text(data: bytes) -> bytes:
    """What `data` unpacks to; raises Damaged where it is no zlib stream, or one of over `LARGEST_TEXT` bytes."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, LARGEST_TEXT)
    except zlib.error:
        raise _damaged("a text in it cannot be unpacked") from None
    if not inflater.eof:
        raise _damaged("a text in it is cut off, or larger than any embedding")
    return text


def _chunks(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each chunk up to the end chunk, each with the right checksum."""
    position = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        length, kind = (
            int.from_bytes(content[position : position + 4], "big"),
            bytes(content[position + 4 : position + 8]),
        )
        end = position + 8 + length
        if end + 4 > len(content):
            raise _damaged("it is cut off")
        if zlib.crc32(content[position + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise _damaged("a checksum is wrong")
        if kind == b"IEND":
            return
        yield kind, content[position + 8 : end]
        position = end + 4
    raise _damaged(f"it has over {MOST_CHUNKS} chunks")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _compressed_text(body: bytes) -> bytes:
    if body[:1] != b"\0":
        raise _damaged("a text in it is packed in an unknown way")
    return _inflated_text(body[1:])


def _international_text(body: bytes) -> bytes:
    """Two bytes say whether and how it is packed; a language and a translated keyword come before the text."""
    packed, _, rest = body[:1], body[1:2], body[2:]
    parts = rest.split(b"\0", 2)
    if len(parts) != 3 or packed not in (b"\0", b"\1") or (packed == b"\1" and body[1:2] != b"\0"):
        raise _damaged("a text in it is not as PNG has it")
    return _inflated_text(parts[2]) if packed == b"\1" else parts[2]


_TEXTS: dict[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": bytes,
    b"zTXt": _compressed_text,
    b"iTXt": _international_text,
}


def _first_rows(png: Png, size: int) -> Iterator[Pixels]:
    """The first row, then the first few, of `size` bytes a pixel; of most pictures nobody wants to see more."""
    rows = min(png.height, MOST_FIRST_ROWS)
    length = packed_size(png.width, rows, size, interlaced=False)
    try:
        raw = zlib.decompressobj().decompress(png.data, length)
    except zlib.error:
        raise _damaged("its pixels cannot be unpacked") from None
    if len(raw) != length:
        raise _damaged("it has fewer pixels than it says")
    return unfiltered(raw, png.width, rows, size, interlaced=False)


def _inflated(data: bytes, size: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size + 1)
    except zlib.error:
        raise _damaged("its pixels cannot be unpacked") from None
    if len(raw) != size or not inflater.eof:
        raise _damaged("it has more or fewer pixels than it says")
    return raw


def _damaged(what: str) -> Damaged:
    return Damaged(f"a damaged PNG picture ({what}); get it again")
