"""HCP-Diffusion's safetensors: the nested dict of its .pt files folded into one key, `string_to_param:*`.

Source: HCP-Diffusion, `hcpdiff/ckpt_manager/ckpt_safetensor.py`, which joins nested keys with a colon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..columns import JOINED, join
from ..format import Format
from ..limits import equally_many, input_vectors, one_dtype, one_encoder, the_only
from ..payload import Draft
from ..single_tensor import encoder_hint
from ..string_to_param import PARAM, STAR, concepts, entries_of
from ..trees import has_prefix, root_dict, tensors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "hcp-folded", "HCP-Diffusion (safetensors)"
PREFIX = PARAM + ":"


def recognise(payload: Payload) -> bool:
    return has_prefix(root_dict(payload), PREFIX)


def parse(payload: Payload) -> list[Embedding]:
    folded = tensors_of(payload.tree).items()
    entries = {key.removeprefix(PREFIX): tensor for key, tensor in folded if key.startswith(PREFIX)}
    return concepts(payload, KEY, entries_of(entries))


def build(embeddings: Sequence[Embedding]) -> Draft:
    embedding = the_only(embeddings, TITLE)
    if tuple(input_vectors(embedding, TITLE)) == tuple(JOINED):
        equally_many(embedding, TITLE)
        one_dtype(embedding, TITLE)
        return Draft({PREFIX + STAR: join(embedding.vectors)})
    encoder, vectors = one_encoder(embedding, TITLE)
    return Draft({PREFIX + STAR: vectors}, encoder_hint({encoder: vectors}))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("HCP-Diffusion",),
    containers=("safetensors",),
    prefix=PREFIX,
    recognise=recognise,
    parse=parse,
    build=build,
)
