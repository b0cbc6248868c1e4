"""Whose vectors a tensor holds when its key does not say: by what the caller asks, a hint in the file, or its width.

WebUIs take 768 for CLIP-L, 1024 for OpenCLIP-H and 1280 for OpenCLIP-bigG. Other widths have several text encoders,
and guessing among them would be a silent error, so they need a hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..embeddings.errors import MalformedEmbedding
from ..embeddings.text_encoders import TEXT_ENCODERS, encoder_named, encoder_spelled, encoders_of_width

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..embeddings.embedding import Vectors
    from .payload import Payload, Tensor

ENCODER = "loanword.encoder"
"""Where loanword notes the text encoder in files whose keys and widths leave it open."""


def encoder_for(payload: Payload, label: str, width: int, spelling: str = "", hint: object = None) -> str:
    """Key of the encoder of vectors that are `width` wide; raises MalformedEmbedding where none or several fit.

    `spelling` is the key that the file has for them where it says something of the encoder (`emb_params`).
    """
    if payload.encoder:
        asked = encoder_named(payload.encoder)
        if asked.width != width:
            raise MalformedEmbedding(f"{label} is {width} wide, {asked.title} takes {asked.width}")
        return asked.key
    if hint := hint or payload.metadata.get(ENCODER):
        hinted = TEXT_ENCODERS.get(str(hint))
        if hinted and hinted.width == width:
            return hinted.key
    if spelled := encoder_spelled(spelling, width):
        return spelled.key
    fitting = encoders_of_width(width)
    if len(fitting) == 1:
        return fitting[0].key
    if not fitting:
        raise MalformedEmbedding(f"{label} is {width} wide, which no known text encoder takes")
    keys = ", ".join(encoder.key for encoder in fitting)
    raise MalformedEmbedding(f"{label} is {width} wide, as for {keys}; say which one: read(path, encoder=…)")


def single_tensor(
    payload: Payload, label: str, tensor: Tensor, spelling: str = "", hint: object = None
) -> dict[str, Vectors]:
    """The vectors of `tensor` under the key of their encoder."""
    encoder = encoder_for(payload, label, tensor.width, spelling, hint)
    return {encoder: tensor.vectors(label)}


def encoder_hint(vectors: Mapping[str, Vectors], spelling: str = "") -> dict[str, Any]:
    """What a file must say beside the vectors of one encoder so that they are read as that encoder's."""
    (encoder,) = vectors
    width = TEXT_ENCODERS[encoder].width
    spelled = encoder_spelled(spelling, width)
    fitting = (spelled,) if spelled else encoders_of_width(width)
    return {} if [each.key for each in fitting] == [encoder] else {ENCODER: encoder}
