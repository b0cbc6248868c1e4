"""Pictures that carry an embedding: A1111 puts JSON with tensors into a PNG's text, and into the pixels of any kind.

PNG is unpacked by loanword itself; the other kinds by Pillow and its plug-ins, with only that one kind allowed, once
the picture's size is known to be reasonable. Only lossless pictures keep an embedding.

Source: A1111 1.10.1, `modules/textual_inversion/textual_inversion.py`, `load_from_file`; WebP container specification
(Google, RFC 9649); ISO/IEC 23000-22 (AVIF) and 18181-2 (JPEG XL) for the first bytes.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import io
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

from ...embeddings.dtypes import DTYPES
from ...embeddings.embedding import Vectors
from ...embeddings.errors import CannotWrite, Damaged, NotAnEmbedding, Unreadable
from .. import tensor_json
from ..container import Container, Opened
from ..payload import Tensor
from ..picture import picture_of
from ..png import MOST_PIXELS, SIGNATURE, open_png, pixels_of, write_png
from ..stego import hidden, hide, may_hide

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ..payload import Draft, Tree
    from ..source import Source

    Pixels = NDArray[np.uint8]

KEYWORD = b"sd-ti-embedding"
LARGEST_FILE = 64 * 1024 * 1024
_NOTHING = "a picture without an embedding in it; nothing to do"
_PLUGINS = {"WEBP": "PIL.WebPImagePlugin", "AVIF": "PIL.AvifImagePlugin", "JXL": "pillow_jxl"}
"""Pillow's name of the kind -> the module that reads it."""
_PILLOW_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, MemoryError, RuntimeError, struct.error, OverflowError),
    *(ArithmeticError, LookupError, TypeError, Warning),
)
"""What Pillow's readers raise for damaged files; its warning of a huge picture is an error where users make it one."""


def open_png_picture(source: Source) -> Opened:
    """The embedding in a PNG's text, else in its pixels; raises NotAnEmbedding where there is none."""
    png = open_png(_whole(source), KEYWORD)
    if len(png.texts) > 1:
        raise Damaged("a picture with two embeddings in its text; programs would differ in reading it")
    if png.texts:
        return Opened(tensor_json.parse(_from_base64(png.texts[0])))
    return Opened(_hidden_tree(pixels_of(png, may_hide)))


def open_with_pillow(kind: str, source: Source) -> Opened:
    """The embedding in the pixels of a picture of Pillow's `kind`; raises NotAnEmbedding where there is none."""
    content = bytes(_whole(source))
    if kind == "WEBP":
        _check_webp(content)
    return Opened(_hidden_tree(_pixels_by_pillow(content, kind)))


def save_png(draft: Draft) -> bytes:
    """A PNG with the embedding both in its text and in its pixels."""
    text = tensor_json.write(draft.tree)
    return write_png(_drawn(draft.tree, text), KEYWORD, base64.b64encode(text))


def save_webp(draft: Draft) -> bytes:
    """A lossless WebP with the embedding in its pixels; raises CannotWrite where Pillow is missing."""
    pixels = _drawn(draft.tree, tensor_json.write(draft.tree))
    try:
        image: Any = importlib.import_module("PIL.Image")
        importlib.import_module(_PLUGINS["WEBP"])
    except ImportError:
        raise CannotWrite("WebP needs Pillow; pip install 'loanword[images]', or write a PNG") from None
    file = io.BytesIO()
    image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, quality=80, method=4)
    return file.getvalue()


def _whole(source: Source) -> bytes | memoryview:
    if source.size > LARGEST_FILE:
        raise Unreadable(f"a picture of over {LARGEST_FILE >> 20} MB; pictures with an embedding are smaller")
    return source.read(0, source.size)


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error:
        raise Damaged("the text of the embedding in this picture is damaged (not base64); get it again") from None


def _hidden_tree(pixels: Pixels | None) -> Tree:
    """The tree that is hidden in the pixels, the bytes behind it being filling.

    A picture may have black columns by chance; then what is hidden does not even begin like packed data.
    """
    content = hidden(pixels) if pixels is not None else None
    if content is None or content[0] & 0x0F != 8 or int.from_bytes(content[:2], "big") % 31:
        raise NotAnEmbedding(_NOTHING)
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(content, tensor_json.LARGEST + 1)
    except zlib.error:
        raise Damaged("the pixels that carried an embedding were changed; get the original picture") from None
    if not inflater.eof:
        raise Damaged("the pixels carry an embedding that is cut off or far too large; get the original picture")
    return tensor_json.parse(text)


def _check_webp(content: bytes) -> None:
    """Raise NotAnEmbedding for a WebP that cannot carry an embedding, before Pillow makes room for its pixels."""
    position, end = 12, min(len(content), 8 + int.from_bytes(content[4:8], "little"))
    while position + 8 <= end:
        kind, length = content[position : position + 4], int.from_bytes(content[position + 4 : position + 8], "little")
        body = content[position + 8 : position + 8 + length]
        if kind == b"VP8X" and len(body) >= 10:
            frames = 2 if body[0] & 0x02 else 1
            _check_size(1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"), frames)
        if kind == b"VP8 ":
            raise NotAnEmbedding("a picture saved with loss, which keeps no embedding; nothing to do")
        if kind == b"VP8L":
            sizes = int.from_bytes(body[1:5], "little")
            _check_size(1 + (sizes & 0x3FFF), 1 + (sizes >> 14 & 0x3FFF))
            return
        position += 8 + length + length % 2
    raise Damaged("a damaged WebP picture; get it again")


def _check_size(width: int, height: int, frames: int = 1) -> None:
    if frames != 1:
        raise NotAnEmbedding("an animated picture, which carries no embedding; nothing to do")
    if width * height > MOST_PIXELS:
        raise NotAnEmbedding(f"a picture of {width} x {height} pixels, too large to carry an embedding; nothing to do")


def _pixels_by_pillow(content: bytes, kind: str) -> Pixels:
    import numpy as np

    try:
        image: Any = importlib.import_module("PIL.Image")
        importlib.import_module(_PLUGINS[kind])
    except ImportError:
        raise Unreadable(f"{kind} pictures need Pillow and its plug-in; pip install 'loanword[images]'") from None
    try:
        with image.open(io.BytesIO(content), formats=[kind]) as opened:
            width, height = opened.size
            _check_size(width, height, getattr(opened, "n_frames", 1))
            return np.asarray(opened.convert("RGB"))
    except NotAnEmbedding:
        raise
    except _PILLOW_ERRORS:
        raise Damaged(f"a damaged {kind} picture; get it again") from None


def _drawn(tree: Tree, text: bytes) -> Pixels:
    """The picture of the tree's first tensor, with `text` hidden beside it."""
    import numpy as np

    leaf = next(_leaves(tree), None)
    if leaf is None:
        raise CannotWrite("holds no tensor, pictures carry embeddings only")
    numbers = (leaf if isinstance(leaf, Vectors) else leaf.vectors("the tensor")).numpy()
    packed = zlib.compress(text, 9)
    pixels = hide(packed, picture_of(numbers), numbers[0, :1024])
    found = hidden(pixels)
    if found is None or not found.startswith(packed):
        raise CannotWrite("cannot be hidden in this picture; write a .pt or .safetensors")
    return np.ascontiguousarray(pixels)


def _leaves(tree: Tree) -> Iterator[Vectors | Tensor]:
    """The tensors of a tree, in order."""
    if isinstance(tree, dict):
        for each in tree.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _leaves(each)
    elif isinstance(tree, (Vectors, Tensor)) and tree.dtype in DTYPES:
        yield tree


def _is_png(head: bytes) -> bool:
    return head.startswith(SIGNATURE)


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _is_avif(head: bytes) -> bool:
    """A file type box that names AVIF among its brands."""
    return head[4:8] == b"ftyp" and any(head[at : at + 4] in (b"avif", b"avis") for at in (8, *range(16, 64, 4)))


def _is_jxl(head: bytes) -> bool:
    return head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"))


CONTAINERS = (
    Container("png", "PNG picture", (".png",), _is_png, open_png_picture, save_png),
    Container("webp", "WebP picture", (".webp",), _is_webp, partial(open_with_pillow, "WEBP"), save_webp),
    Container("avif", "AVIF picture", (".avif",), _is_avif, partial(open_with_pillow, "AVIF"), None),
    Container("jxl", "JPEG XL picture", (".jxl",), _is_jxl, partial(open_with_pillow, "JXL"), None),
)
