"""The token tables of the text encoders that a WebUI has loaded, whatever it has put around them.

Source: A1111 1.10.1 `modules/sd_hijack.py`, `sd_hijack_clip.py`, `sd_hijack_open_clip.py`; Forge
`backend/text_processing/classic_engine.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ....embeddings.text_encoders import TEXT_ENCODERS
from ...insight.token_tables import TokenTable

if TYPE_CHECKING:
    from collections.abc import Iterable

_LAYERS = ("transformer.text_model.embeddings.token_embedding", "model.token_embedding")
_AROUND = ("wrapped", "text_encoder")


def tables_of(encoders: Iterable[Any]) -> dict[str, TokenTable]:
    """Encoder key -> the table of each of a model's CLIP encoders; what is no such encoder has none."""
    tables: dict[str, TokenTable] = {}
    for encoder in encoders:
        inner = next((found for name in _AROUND if (found := getattr(encoder, name, None)) is not None), encoder)
        weight = _weight_of(inner)
        words = _words_of(encoder, inner)
        if weight is None or words is None:
            continue
        width = int(weight.shape[1])
        key = next((key for key, row in TEXT_ENCODERS.items() if row.width == width and row.usual_for_width), None)
        if key is not None:
            tables[key] = TokenTable(weight.detach().float().cpu().numpy(), words)
    return tables


def _weight_of(inner: Any) -> Any | None:
    for path in _LAYERS:
        layer = inner
        for name in path.split("."):
            layer = getattr(layer, name, None)
        weight = getattr(layer, "weight", None)
        if weight is None:
            weight = getattr(getattr(layer, "wrapped", None), "weight", None)
        if weight is not None:
            return weight
    return None


def _words_of(encoder: Any, inner: Any) -> list[str] | None:
    """The token of each row; CLIP has one vocabulary, which open_clip keeps in its package."""
    tokenizer: Any = getattr(encoder, "tokenizer", None) or getattr(inner, "tokenizer", None)
    if hasattr(tokenizer, "get_vocab"):
        ids = tokenizer.get_vocab()
    elif type(inner).__module__.partition(".")[0] in ("ldm", "sgm"):
        ids = importlib.import_module("open_clip.tokenizer")._tokenizer.encoder  # noqa: SLF001  # has no other name
    else:
        return None
    words = [""] * (max(ids.values()) + 1)
    for word, row in ids.items():
        words[row] = word
    return words
