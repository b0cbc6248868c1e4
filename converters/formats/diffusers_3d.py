"""diffusers' multi-token research project: {token: (1, 1, width)} for one vector, (vectors, width) for more.

Source: diffusers, `research_projects/multi_token_textual_inversion/textual_inversion.py`, `save_progress`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import token_dict
from ..format import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Draft, Payload

KEY, TITLE = "diffusers-3d", "diffusers (multi-token research project)"


def recognise(payload: Payload) -> bool:
    return token_dict.rank_of(payload) == 3


def parse(payload: Payload) -> list[Embedding]:
    return token_dict.parse(payload, KEY)


def build(embeddings: Sequence[Embedding]) -> Draft:
    return token_dict.build(embeddings, KEY, TITLE, (1, 1))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("diffusers' multi-token research project",),
    containers=("safetensors", "torch-zip", "torch-legacy"),
    recognise=recognise,
    parse=parse,
    build=build,
    several=True,
    fallback=True,
)
