"""kohya's sd-scripts: `emb_params` alone, in safetensors with ModelSpec metadata.

The trigger is the file's name; the token of the training is not kept. What it writes for SDXL is keyed by encoder,
as ComfyUI's files are, and read as such.

Source: sd-scripts, `train_textual_inversion.py`, `save_weights`; invoke-training and SwarmUI write the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..encoder_keys import only_keys
from ..format import Format
from ..limits import equally_many, input_vectors, one_encoder, the_only
from ..payload import Draft
from ..single_tensor import encoder_hint, single_tensor
from ..string_to_param import PARAM
from ..trees import facts_of, root_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "kohya", "kohya sd-scripts"
ONLY = "emb_params"
SDXL = ("clip_l", "clip_g")


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    return ONLY in root and PARAM not in payload.metadata and only_keys(root, {ONLY})


def parse(payload: Payload) -> list[Embedding]:
    vectors = single_tensor(payload, ONLY, payload.tree[ONLY], ONLY)
    return [payload.embedding(KEY, vectors, facts=facts_of(payload.tree))]


def build(embeddings: Sequence[Embedding]) -> Draft:
    embedding = the_only(embeddings, TITLE)
    if tuple(input_vectors(embedding, TITLE)) == SDXL:
        equally_many(embedding, TITLE)
        return Draft(dict(embedding.vectors))
    encoder, vectors = one_encoder(embedding, TITLE)
    return Draft({ONLY: vectors}, encoder_hint({encoder: vectors}, ONLY))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("kohya sd-scripts", "invoke-training", "SwarmUI", "embedding-merge"),
    containers=("safetensors", "torch-zip", "torch-legacy"),
    keys=frozenset((ONLY,)),
    recognise=recognise,
    parse=parse,
    build=build,
)
