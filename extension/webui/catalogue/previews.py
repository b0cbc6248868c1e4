"""Pictures that show what an embedding does, beside its file, where WebUIs look for them.

Source: A1111 1.10.1, `modules/ui_extra_networks.py` (`find_preview`), `modules/images.py` (`save_image_with_geninfo`).
"""

from __future__ import annotations

import io
import os
from functools import partial
from typing import Any

from ....converters.atomic import write_atomic
from ....converters.source import open_source
from ....converters.writing import check_same
from ....embeddings.errors import CannotWrite, FileError
from ....embeddings.names import safe_filename

LARGEST = 32 * 1024 * 1024
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)
"""First bytes, where they stand, and the kind of picture: a suffix can promise anything."""


def find_preview(path: str, name: str | None = None) -> str | None:
    """The picture of the embedding in the file `path`, called `name` where there are several in it."""
    stem = os.path.splitext(path)[0]
    stems = [f"{stem}.preview", stem] if name is None else [_own_stem(stem, name), f"{stem}.preview", stem]
    return next((place for each in stems for suffix in _SUFFIXES if os.path.isfile(place := each + suffix)), None)


def read_preview(place: str) -> tuple[bytes, str] | None:
    """The bytes of a picture and its media type; None where it is no picture."""
    try:
        with open_source(place) as source:
            content = bytes(source.read(0, source.size)) if source.size <= LARGEST else b""
    except FileError:
        return None
    kind = next((kind for magic, at, kind in _KINDS if content.startswith(magic, at)), None)
    return (content, kind) if kind else None


def set_preview(path: str, image: Any, name: str | None = None, *, overwrite: bool = False) -> str:
    """Save a PIL image as the preview of an embedding, with what it says of its making; returns the path.

    Raises CannotWrite where there is a preview and `overwrite` is not asked for.
    """
    stem = os.path.splitext(path)[0]
    place = f"{stem}.preview.png" if name is None else f"{_own_stem(stem, name)}.png"
    found = find_preview(path, name)
    if found and found != path and not overwrite:
        raise CannotWrite(f"{os.path.basename(found)} is its preview already; ask for it to be replaced")
    content = _png(image)
    write_atomic(place, content, overwrite=overwrite, check=partial(check_same, content))
    return place


def _own_stem(stem: str, name: str) -> str:
    return f"{stem}.{safe_filename(name)}.preview"


def _png(image: Any) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    if isinstance(said := image.info.get("parameters"), str):
        texts.add_text("parameters", said)
    content = io.BytesIO()
    image.save(content, format="PNG", pnginfo=texts)
    return content.getvalue()
