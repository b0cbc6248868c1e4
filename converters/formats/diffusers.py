"""diffusers' learned_embeds: {token: (vectors, width)}, several tokens being several embeddings.

Files of hundreds of named vectors are the same thing at a larger scale.

Source: diffusers 0.42, `examples/textual_inversion/textual_inversion.py`, `save_progress`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import token_dict
from ..format import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Draft, Payload

KEY, TITLE = "diffusers", "diffusers"


def recognise(payload: Payload) -> bool:
    return token_dict.rank_of(payload) == 2


def parse(payload: Payload) -> list[Embedding]:
    return token_dict.parse(payload, KEY)


def build(embeddings: Sequence[Embedding]) -> Draft:
    return token_dict.build(embeddings, KEY, TITLE, (None,))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("diffusers", "InvokeAI", "mindone", "ppdiffusers"),
    containers=("safetensors", "torch-zip", "torch-legacy", "pickle", "npy"),
    recognise=recognise,
    parse=parse,
    build=build,
    several=True,
    fallback=True,
)
