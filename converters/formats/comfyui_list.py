"""A list of dicts of tensors, of which ComfyUI joins all that are as wide as the text encoder.

Source: ComfyUI, `comfy/sd1_clip.py`, `load_embed`; no program that writes it is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.embedding import Vectors
from ...embeddings.errors import MalformedEmbedding, shortened
from ...embeddings.text_encoders import encoder_spelled
from ..format import Format
from ..payload import Tensor
from ..single_tensor import encoder_for
from ..trees import as_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "comfyui-list", "list of dicts (ComfyUI)"


def recognise(payload: Payload) -> bool:
    tree = payload.tree
    return type(tree) is list and bool(tree) and all(_is_part(part) for part in tree)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def parse(payload: Payload) -> list[Embedding]:
    parts: dict[str, list[Vectors]] = {}
    for part in payload.tree:
        for key, tensor in part.items():
            label = shortened(repr(key), 60)
            spelled = encoder_spelled(key, tensor.width)
            encoder = spelled.key if spelled else encoder_for(payload, label, tensor.width)
            parts.setdefault(encoder, []).append(tensor.vectors(label))
    return [payload.embedding(KEY, {encoder: _joined(encoder, pieces) for encoder, pieces in parts.items()})]


def _is_part(part: object) -> bool:
    return bool(as_dict(part)) and all(
        type(key) is str and type(value) is Tensor for key, value in as_dict(part).items()
    )


def _joined(encoder: str, pieces: Sequence[Vectors]) -> Vectors:
    dtypes = sorted({piece.dtype for piece in pieces})
    if len(dtypes) > 1:
        raise MalformedEmbedding(f"its parts for {encoder} are of {', '.join(dtypes)}, they need one dtype")
    count = sum(piece.shape[0] for piece in pieces)
    return Vectors(dtypes[0], (count, pieces[0].shape[1]), b"".join(piece.data for piece in pieces))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("unknown",),
    containers=("torch-zip", "torch-legacy"),
    root=list,
    recognise=recognise,
    parse=parse,
    build=None,
)
