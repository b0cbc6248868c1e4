"""cloneofsimo's LoRAs: token tensors among the LoRA's, each marked `"<embed>"` under its own name in the metadata.

Every token is an embedding of one vector. The same program's `.ti.pt` files are diffusers' dicts.

Source: cloneofsimo/lora, `lora_diffusion/lora.py`, `save_safeloras_with_embeds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.errors import MalformedEmbedding, shortened
from ..format import Format
from ..limits import distinct_names, just, one_vector, read_as
from ..lora_keys import facts_of_lora
from ..payload import Draft, Tensor
from ..single_tensor import single_tensor
from ..trees import root_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "cloneofsimo", "embeddings inside a LoRA (cloneofsimo)"
MARK = "<embed>"
_TEXT = ("loanword.", "modelspec.")
"""How keys begin whose values are text, which may happen to be the mark: an embedding can be called so."""


def recognise(payload: Payload) -> bool:
    if MARK not in payload.metadata.values():
        return False
    return any(value == MARK and key in root_dict(payload) for key, value in payload.metadata.items())


def parse(payload: Payload) -> list[Embedding]:
    found: list[Embedding] = []
    facts = facts_of_lora(payload) | {key: None for key, value in payload.metadata.items() if value == MARK}
    for token, mark in payload.metadata.items():
        if mark != MARK or (token.startswith(_TEXT) and token not in root_dict(payload)):
            continue
        label, tensor = shortened(repr(token), 60), root_dict(payload).get(token)
        if type(tensor) is not Tensor:
            raise MalformedEmbedding(f"its metadata promises a tensor {label}, there is none; get it again")
        vectors = single_tensor(payload, label, tensor)
        found.append(payload.embedding(KEY, vectors, name=token, facts=facts))
    return found


def build(embeddings: Sequence[Embedding]) -> Draft:
    distinct_names(embeddings, TITLE)
    tree: dict[str, Tensor] = {}
    for embedding in embeddings:
        (vectors,) = just(embedding, TITLE, ("clip_l",), ("clip_h",), ("clip_g",)).values()
        one_vector(embedding, TITLE)
        tree[embedding.name] = Tensor(vectors.dtype, vectors.shape[1:], vectors.tobytes)
    return read_as(KEY, Draft(tree, dict.fromkeys(tree, MARK)))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("cloneofsimo/lora",),
    containers=("safetensors",),
    recognise=recognise,
    parse=parse,
    build=build,
    several=True,
)
