"""kohya's XTI: vectors of their own for each of the U-Net's 16 cross-attention blocks, `IN01` to `OUT11`.

Source: sd-scripts, `train_textual_inversion_XTI.py`, `save_weights`; "P+" (Voynov et al., 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.errors import CannotWrite, MalformedEmbedding
from ..format import Format
from ..limits import quoted, the_only
from ..payload import Draft
from ..trees import root_dict, tensors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "xti", "kohya XTI (vectors per U-Net block)"
LAYERS = (
    *("IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "MID"),
    *("OUT03", "OUT04", "OUT05", "OUT06", "OUT07", "OUT08", "OUT09", "OUT10", "OUT11"),
)
WIDTH = 768


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    return "IN01" in root and "MID" in root


def parse(payload: Payload) -> list[Embedding]:
    tensors = tensors_of(payload.tree)
    if missing := [layer for layer in LAYERS if layer not in tensors]:
        raise MalformedEmbedding(f"lacks the vectors of {', '.join(missing)}, XTI has 16 layers; get it again")
    for layer in LAYERS:
        if tensors[layer].width != WIDTH:
            raise MalformedEmbedding(f"{layer} is {tensors[layer].width} wide, CLIP ViT-L/14 takes {WIDTH}")
    layers = {layer: tensors[layer].vectors(layer) for layer in LAYERS}
    return [payload.embedding(KEY, {}, layer_vectors=layers)]


def build(embeddings: Sequence[Embedding]) -> Draft:
    embedding = the_only(embeddings, TITLE)
    if tuple(embedding.layer_vectors) != LAYERS or embedding.vectors or embedding.output_vectors:
        raise CannotWrite(
            f"{quoted(embedding)} has no vectors for the layers {LAYERS[0]} to {LAYERS[-1]}, as XTI needs"
        )
    return Draft(dict(embedding.layer_vectors))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("kohya sd-scripts (XTI)",),
    containers=("safetensors", "torch-zip", "torch-legacy"),
    keys=frozenset(("IN01",)),
    recognise=recognise,
    parse=parse,
    build=build,
)
