"""HCP-Diffusion's SDXL files: like A1111's, but each row is CLIP-L's vector followed by CLIP-bigG's.

A1111 takes such a file for SDXL and then fails at every prompt that names it.

Source: HCP-Diffusion, `hcpdiff/models/compose/compose_hook.py` and `hcpdiff/utils/net_utils.py`, `save_emb`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..columns import JOINED, join
from ..format import Format
from ..limits import equally_many, just, one_dtype, the_only
from ..payload import Draft, ParameterDict
from ..string_to_param import PARAM, STAR, STAR_ID, TOKEN, concepts, entries_of, facts_written, holds_joined, param_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "hcp-xl", "HCP-Diffusion (SDXL)"


def recognise(payload: Payload) -> bool:
    param = param_of(payload)
    return param is not None and type(param) is not ParameterDict and holds_joined(param)


def parse(payload: Payload) -> list[Embedding]:
    return concepts(payload, KEY, entries_of(payload.tree[PARAM]))


def build(embeddings: Sequence[Embedding]) -> Draft:
    embedding = the_only(embeddings, TITLE)
    vectors = just(embedding, TITLE, tuple(JOINED))
    equally_many(embedding, TITLE)
    one_dtype(embedding, TITLE)
    return Draft({TOKEN: {STAR: STAR_ID}, PARAM: {STAR: join(vectors)}, **facts_written(embedding, {})})


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("HCP-Diffusion",),
    containers=("torch-zip", "torch-legacy"),
    keys=frozenset((PARAM,)),
    recognise=recognise,
    parse=parse,
    build=build,
)
