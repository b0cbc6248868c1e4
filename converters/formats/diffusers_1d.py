"""diffusers' learned_embeds of one vector a token: {token: (width,)}, as in the whole sd-concepts-library.

A1111's relatives that read safetensors take such a tensor for 768 vectors of one number.

Source: diffusers until early 2023, `examples/textual_inversion/textual_inversion.py`; InvokeAI 2.2 and 2.3;
EveryDream2; diffusers' Custom Diffusion, `save_new_embed`; `textual_inversion_flax.py` (.npy); ppdiffusers (.pdparams).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import token_dict
from ..format import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Draft, Payload

KEY, TITLE = "diffusers-1d", "diffusers (one vector a token)"


def recognise(payload: Payload) -> bool:
    return token_dict.rank_of(payload) == 1


def parse(payload: Payload) -> list[Embedding]:
    return token_dict.parse(payload, KEY)


def build(embeddings: Sequence[Embedding]) -> Draft:
    return token_dict.build(embeddings, KEY, TITLE, ())


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("diffusers until 2023", "InvokeAI until 2.3", "EveryDream2", "cloneofsimo/lora", "ppdiffusers"),
    containers=("safetensors", "torch-zip", "torch-legacy", "pickle", "npy"),
    recognise=recognise,
    parse=parse,
    build=build,
    several=True,
    fallback=True,
)
