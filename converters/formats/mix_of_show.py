"""Mix-of-Show's ED-LoRA: the new concepts' vectors beside the LoRA's, 16 for the U-Net's 16 cross-attention layers.

The 16 rows are one vector for each layer, not an embedding of 16 vectors. Without ED-LoRA there is one row.

Source: Mix-of-Show, `mixofshow/pipelines/trainer_edlora.py`, `delta_state_dict`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...embeddings.errors import CannotWrite, MalformedEmbedding, NotAnEmbedding, shortened
from ...embeddings.text_encoders import TEXT_ENCODERS
from ..format import Format
from ..limits import distinct_names, just, one_vector, quoted
from ..payload import Draft, Tensor
from ..single_tensor import single_tensor
from ..string_to_param import facts_of_one
from ..trees import as_dict, facts_of, kind_of, root_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding, Vectors
    from ..payload import Payload

KEY, TITLE = "mix-of-show", "Mix-of-Show (ED-LoRA)"
PARAMS, CONCEPTS = "params", "new_concept_embedding"
LAYERS = tuple(f"layer_{number:02}" for number in range(16))


def recognise(payload: Payload) -> bool:
    return CONCEPTS in as_dict(root_dict(payload).get(PARAMS))


def parse(payload: Payload) -> list[Embedding]:
    concepts = as_dict(payload.tree[PARAMS][CONCEPTS])
    if not concepts:
        raise NotAnEmbedding("a LoRA of Mix-of-Show without new concepts; use it with Mix-of-Show")
    facts = facts_of(payload.tree) if len(concepts) == 1 else {}
    return [_embedding(payload, token, tensor, facts) for token, tensor in concepts.items()]


def build(embeddings: Sequence[Embedding]) -> Draft:
    distinct_names(embeddings, TITLE)
    concepts = {embedding.name: _tensor(embedding) for embedding in embeddings}
    params = {CONCEPTS: concepts, "text_encoder": {}, "unet": {}}
    return Draft({PARAMS: params, **facts_of_one(embeddings)})


def _embedding(payload: Payload, token: object, tensor: object, facts: dict[str, Any]) -> Embedding:
    label = f"{CONCEPTS}[{shortened(repr(token), 60)}]"
    if type(token) is not str or type(tensor) is not Tensor:
        raise MalformedEmbedding(f"{label} is {kind_of(tensor)}, it has to be a token's tensor")
    vectors = single_tensor(payload, label, tensor)
    rows = next(iter(vectors.values()))
    if rows.shape[0] == 1:
        return payload.embedding(KEY, vectors, name=token, facts=facts)
    if rows.shape != (len(LAYERS), TEXT_ENCODERS["clip_l"].width):
        raise MalformedEmbedding(f"{label} has shape {rows.shape}, ED-LoRA needs ({len(LAYERS)}, 768)")
    layers = {layer: rows.rows(number, number + 1) for number, layer in enumerate(LAYERS)}
    return payload.embedding(KEY, {}, name=token, layer_vectors=layers, facts=facts)


def _tensor(embedding: Embedding) -> Tensor | Vectors:
    if not embedding.layer_vectors:
        (vectors,) = just(embedding, TITLE, ("clip_l",)).values()
        one_vector(embedding, TITLE)
        return vectors
    layers = list(embedding.layer_vectors.values())
    if tuple(embedding.layer_vectors) != LAYERS or len({(each.dtype, each.shape) for each in layers}) != 1:
        raise CannotWrite(
            f"{quoted(embedding)} has other layers than ED-LoRA's {len(LAYERS)}; keep the format it is in"
        )
    data = b"".join(each.data for each in layers)
    return Tensor(layers[0].dtype, (len(LAYERS), TEXT_ENCODERS["clip_l"].width), lambda: data)


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("Mix-of-Show",),
    containers=("torch-zip", "torch-legacy"),
    keys=frozenset((PARAMS,)),
    recognise=recognise,
    parse=parse,
    build=build,
    several=True,
)
