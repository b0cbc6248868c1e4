"""The original textual-inversion code's files: `string_to_param` is a torch ParameterDict.

1280 is the width of its first BERT encoder here, not of OpenCLIP-bigG, which came later.

Source: textual_inversion, `ldm/modules/embedding_manager.py`, `EmbeddingManager.save`; InvokeAI up to 2.1.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..format import Format
from ..limits import just, the_only
from ..payload import Draft, ParameterDict, Tensor
from ..string_to_param import (
    PARAM,
    STAR,
    STAR_ID,
    TOKEN,
    concepts,
    entries_of,
    facts_written,
    param_of,
    without_letters,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "ldm", "latent diffusion (original textual inversion)"
BERT = "bert_ldm"
_LETTERS_LEFT_OUT = "vectors that belong to single training pictures (per_image_tokens) are left out"


def recognise(payload: Payload) -> bool:
    return type(param_of(payload)) is ParameterDict


def parse(payload: Payload) -> list[Embedding]:
    entries = entries_of(payload.tree[PARAM])
    chosen = without_letters(entries)
    warnings = (_LETTERS_LEFT_OUT,) if len(chosen) < len(entries) else ()
    return concepts(payload, KEY, chosen, BERT, warnings)


def build(embeddings: Sequence[Embedding]) -> Draft:
    embedding = the_only(embeddings, TITLE)
    (vectors,) = just(embedding, TITLE, ("clip_l",), ("clip_h",), (BERT,)).values()
    token = Tensor("int64", (), lambda: STAR_ID.to_bytes(8, "little"))
    return Draft({TOKEN: {STAR: token}, PARAM: ParameterDict({STAR: vectors}), **facts_written(embedding, {})})


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("textual_inversion", "InvokeAI until 2.1.3"),
    containers=("torch-zip", "torch-legacy"),
    keys=frozenset((PARAM,)),
    recognise=recognise,
    parse=parse,
    build=build,
    several=False,
)
