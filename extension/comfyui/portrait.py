"""A picture of an embedding as ComfyUI's IMAGE, drawn with what ComfyUI has: numpy and Pillow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from ...embeddings.embedding import Embedding
    from ..insight.inside import Inside, Part

WIDTH, MARGIN, LINE = 768, 16, 18
MOST_ROWS = 75
_INK, _PAPER = (32, 32, 36), (250, 250, 248)
_LOW, _HIGH = (33, 102, 172), (178, 24, 43)
"""Blue for negative numbers, red for positive ones: told apart by nearly everyone."""


def portrait(embeddings: Iterable[tuple[Embedding, Inside]]) -> Any:
    """Each vector as a row of colours with its norm beside it, encoder by encoder: (1, height, width, 3), 0 to 1."""
    import numpy as np

    torch: Any = importlib.import_module("torch")
    strips = [np.asarray(strip) for embedding, inside in embeddings for strip in _strips(embedding, inside)]
    return torch.from_numpy(np.concatenate(strips).astype(np.float32) / 255)[None]


def _strips(embedding: Embedding, inside: Inside) -> list[Any]:
    strips = [_strip(part, embedding) for part in inside.parts if part.key in embedding.vectors]
    return strips or [_sheet(LINE * 2, f"{inside.name}: no input vectors")]


def _strip(part: Part, embedding: Embedding) -> Any:
    from PIL import Image, ImageDraw

    numbers = embedding.vectors[part.key].numpy()[:MOST_ROWS]
    height = max(14, min(48, 240 // len(numbers)))
    left = len(numbers) - len(part.norms)
    title = f"{embedding.name} - {part.title}" + (f" (the first {MOST_ROWS} of {len(part.norms)})" if left else "")
    sheet = _sheet(LINE * 2 + height * len(numbers), title)
    draw = ImageDraw.Draw(sheet)
    for row, colours in enumerate(_colours(numbers)):
        top = LINE * 2 + row * height
        bar = Image.fromarray(colours[None], "RGB").resize((WIDTH - 2 * MARGIN - 72, height - 2), Image.Resampling.BOX)
        sheet.paste(bar, (MARGIN, top))
        norm = part.norms[row]
        draw.text((WIDTH - MARGIN - 64, top), "NaN" if norm is None else f"{norm:.3g}", fill=_INK)
    return sheet


def _sheet(height: int, title: str) -> Any:
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (WIDTH, height + MARGIN), _PAPER)
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN // 2), title.encode("latin-1", "replace").decode("latin-1"), fill=_INK)
    return sheet


def _colours(numbers: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A colour for each number, the paper's for zero; the scale ends where one number in a hundred is beyond it."""
    import numpy as np

    sound = np.nan_to_num(numbers.astype(np.float64), nan=0, posinf=0, neginf=0)
    scale = float(np.percentile(np.abs(sound), 99)) or 1.0
    strength = np.clip(sound / scale, -1, 1)[..., None]
    ends = np.where(strength < 0, np.array(_LOW, np.float64), np.array(_HIGH, np.float64))
    return (np.array(_PAPER) + (ends - np.array(_PAPER)) * np.abs(strength)).astype(np.uint8)
