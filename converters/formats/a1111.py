"""A1111's own files: a plain dict with the vectors under `string_to_param`, in a .pt or in an image.

Also written by A1111's forks, ai-toolkit (with `notes`), EveryDream2, cloneofsimo's converter (the token as a tensor),
HCP-Diffusion (no `string_to_token`), and OneTrainer until February 2025.

Source: A1111 1.10.1, `modules/textual_inversion/textual_inversion.py`, `Embedding.save`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..format import Format
from ..limits import one_encoder, the_only
from ..payload import Draft, ParameterDict
from ..single_tensor import encoder_hint
from ..string_to_param import PARAM, STAR, STAR_ID, TOKEN, concepts, entries_of, facts_written, holds_joined, param_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "a1111", "AUTOMATIC1111"


def recognise(payload: Payload) -> bool:
    param = param_of(payload)
    return param is not None and type(param) is not ParameterDict and not holds_joined(param)


def parse(payload: Payload) -> list[Embedding]:
    return concepts(payload, KEY, entries_of(payload.tree[PARAM]))


def build(embeddings: Sequence[Embedding]) -> Draft:
    embedding = the_only(embeddings, TITLE)
    encoder, vectors = one_encoder(embedding, TITLE)
    facts = facts_written(embedding, encoder_hint({encoder: vectors}))
    return Draft({TOKEN: {STAR: STAR_ID}, PARAM: {STAR: vectors}, **facts})


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("AUTOMATIC1111", "Forge", "reForge", "ai-toolkit", "EveryDream2", "HCP-Diffusion", "DreamArtist"),
    containers=("torch-zip", "torch-legacy", "png", "webp", "avif", "jxl"),
    keys=frozenset((PARAM,)),
    recognise=recognise,
    parse=parse,
    build=build,
)
