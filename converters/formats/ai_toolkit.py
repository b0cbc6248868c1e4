"""ai-toolkit's safetensors: `emb_params`, or `clip_l` and `clip_g`, and A1111's fields as JSON in the metadata.

Source: ai-toolkit, `toolkit/embedding.py`, `Embedding.save`. Its .pt files are A1111's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..encoder_keys import by_encoder, only_keys
from ..format import Format
from ..limits import equally_many, just, the_only
from ..payload import Draft
from ..single_tensor import single_tensor
from ..string_to_param import PARAM, STAR, STAR_ID, TOKEN
from ..trees import root_dict, tensors_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "ai-toolkit", "ai-toolkit"
ONLY = "emb_params"
_KEYS = frozenset((ONLY, "clip_l", "clip_g"))
_FIELDS = (TOKEN, PARAM, "name", "step", "sd_checkpoint", "sd_checkpoint_name", "notes")


def recognise(payload: Payload) -> bool:
    return PARAM in payload.metadata and only_keys(root_dict(payload), _KEYS)


def parse(payload: Payload) -> list[Embedding]:
    facts = {key: _decoded(payload.metadata[key]) for key in _FIELDS if key in payload.metadata}
    tensors = tensors_of(payload.tree)
    if ONLY in tensors and len(tensors) == 1:
        return [payload.embedding(KEY, single_tensor(payload, ONLY, tensors[ONLY], ONLY), facts=facts)]
    return [by_encoder(tensors).embedding(payload, KEY, facts=facts)]


def build(embeddings: Sequence[Embedding]) -> Draft:
    embedding = the_only(embeddings, TITLE)
    vectors = just(embedding, TITLE, ("clip_l",), ("clip_h",), ("clip_l", "clip_g"))
    equally_many(embedding, TITLE)
    metadata = {key: json.dumps(value, ensure_ascii=False) for key, value in _fields(embedding).items()}
    return Draft({ONLY: next(iter(vectors.values()))} if len(vectors) == 1 else dict(vectors), metadata)


def _fields(embedding: Embedding) -> Mapping[str, Any]:
    origin = embedding.provenance
    return {
        TOKEN: {STAR: STAR_ID},
        PARAM: {STAR: ONLY},
        "name": embedding.name,
        "step": origin.step,
        "sd_checkpoint": origin.checkpoint_hash,
        "sd_checkpoint_name": origin.checkpoint_name,
        "notes": origin.metadata.get("notes"),
    }


def _decoded(text: str) -> Any:
    """A field's value; None for nested ones, whose content the tensors' keys say."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return None if isinstance(value, (dict, list)) else value


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("ai-toolkit",),
    containers=("safetensors",),
    keys=_KEYS,
    recognise=recognise,
    parse=parse,
    build=build,
)
