"""Draw Things' LoRAs with an embedding beside the LoRA's tensors; `trigger_word` in the metadata is its name.

Its SDXL export writes CLIP-L's tensor under `clip_g` and leaves CLIP-bigG's bytes without a name; the safetensors
reader gives those back under `HOLE`. Its Flux.2 embeddings are of output space, several layers wide.

Source: Draw Things, `Libraries/ModelOp/Sources/LoRAExporter.swift`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.errors import MalformedEmbedding, NotAnEmbedding
from ..containers.safetensors import HOLE
from ..encoder_keys import by_encoder
from ..format import Format
from ..lora_keys import DRAW_THINGS_KEYS, TRIGGER, facts_of_lora, has_bundle, has_lora, is_from_draw_things
from ..single_tensor import single_tensor
from ..trees import root_dict, tensors_of

if TYPE_CHECKING:
    from ...embeddings.embedding import Embedding
    from ..payload import Payload, Tensor

KEY, TITLE = "drawthings-lora", "embedding inside a LoRA (Draw Things)"
ONLY = "emb_params"
_OUTPUT_WIDTHS = frozenset((15360, 12288, 7680))
_SWAPPED = "Draw Things labelled CLIP-L's vectors clip_g and left CLIP-bigG's without a name; both are put right here"
_LOST = "Draw Things labelled CLIP-L's vectors clip_g; CLIP-bigG's are not in this file"


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    return is_from_draw_things(payload) and has_lora(root) and not has_bundle(root)


def parse(payload: Payload) -> list[Embedding]:
    tensors = {key: tensor for key, tensor in tensors_of(payload.tree).items() if key in DRAW_THINGS_KEYS}
    name, facts = payload.metadata.get(TRIGGER), facts_of_lora(payload)
    for key, tensor in tensors.items():
        if tensor.width in _OUTPUT_WIDTHS:
            raise NotAnEmbedding(
                f"a LoRA of Draw Things with output-space vectors ({key}, {tensor.width} wide), which only it can use"
            )
    if ONLY in tensors:
        if len(tensors) > 1:
            raise MalformedEmbedding(f"has {' + '.join(tensors)} beside its LoRA, one embedding was expected")
        return [payload.embedding(KEY, single_tensor(payload, ONLY, tensors[ONLY], ONLY), name=name, facts=facts)]
    tensors, warnings = _repaired(tensors)
    return [by_encoder(tensors).embedding(payload, KEY, warnings=warnings, name=name, facts=facts)]


def _repaired(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors under the right labels, and what was wrong with them."""
    if "clip_g" not in tensors or tensors["clip_g"].width != 768:
        return tensors, ()
    repaired = {"clip_l": tensors["clip_g"]}
    if HOLE in tensors:
        return {**repaired, "clip_g": tensors[HOLE]}, (_SWAPPED,)
    return repaired, (_LOST,)


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("Draw Things",),
    containers=("safetensors",),
    keys=DRAW_THINGS_KEYS,
    recognise=recognise,
    parse=parse,
    build=None,
)
