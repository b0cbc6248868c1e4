"""ai-toolkit's LoRAs with an embedding beside the LoRA's tensors: `emb_params`, or `clip_l` and `clip_g`.

Source: ai-toolkit, `jobs/process/BaseSDTrainProcess.py` and `toolkit/lora_special.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..encoder_keys import by_encoder
from ..format import Format
from ..lora_keys import facts_of_lora, has_bundle, has_lora, is_from_draw_things
from ..single_tensor import single_tensor
from ..trees import root_dict, tensors_of

if TYPE_CHECKING:
    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "ai-toolkit-lora", "embedding inside a LoRA (ai-toolkit)"
ONLY = "emb_params"
SDXL = ("clip_l", "clip_g")


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    if len(root) < 2 or not (ONLY in root or ("clip_l" in root and "clip_g" in root)):
        return False
    return has_lora(root) and not has_bundle(root) and not is_from_draw_things(payload)


def parse(payload: Payload) -> list[Embedding]:
    tensors, facts = tensors_of(payload.tree), facts_of_lora(payload)
    if ONLY in tensors:
        return [payload.embedding(KEY, single_tensor(payload, ONLY, tensors[ONLY], ONLY), facts=facts)]
    return [by_encoder({key: tensors[key] for key in SDXL if key in tensors}).embedding(payload, KEY, facts=facts)]


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("ai-toolkit",),
    containers=("safetensors",),
    keys=frozenset((ONLY, *SDXL)),
    recognise=recognise,
    parse=parse,
    build=None,
)
