"""Custom Diffusion's deltas: the new words under `modifier_token`, beside the changed weights of the U-Net.

For SDXL a word has a list of two vectors. The branch for the original LDM code keeps the new rows of the token table
under `embed` and no words: those are `<new1>`, `<new2>` and so on by its scripts' convention.

Source: adobe-research/custom-diffusion, `src/diffusers_model_pipeline.py`, `save_pretrained`, and `src/get_deltas.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...embeddings.errors import MalformedEmbedding, NotAnEmbedding, shortened
from ..encoder_keys import Parts
from ..format import Format
from ..limits import distinct_names, just, one_vector
from ..payload import Draft, Tensor
from ..single_tensor import single_tensor
from ..string_to_param import facts_of_one
from ..trees import as_dict, as_list, facts_of, kind_of, root_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding, Vectors
    from ..payload import Payload

KEY, TITLE = "custom-diffusion", "Custom Diffusion delta"
WORDS, STATE, ROWS = "modifier_token", "state_dict", "embed"
_BY_CONVENTION = "the file does not name its words; <new1>, <new2> and so on are Custom Diffusion's convention"


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    return WORDS in root or (STATE in root and ROWS in as_dict(root[STATE]))


def parse(payload: Payload) -> list[Embedding]:
    root = root_dict(payload)
    if WORDS not in root:
        return _rows(payload, root[STATE][ROWS])
    words = as_dict(root[WORDS])
    if not words:
        raise NotAnEmbedding("a Custom Diffusion delta without new words; use it with Custom Diffusion")
    facts = facts_of(root) if len(words) == 1 else {}
    return [
        payload.embedding(KEY, _vectors(payload, word, value), name=word, facts=facts) for word, value in words.items()
    ]


def build(embeddings: Sequence[Embedding]) -> Draft:
    distinct_names(embeddings, TITLE)
    words: dict[str, Any] = {}
    for embedding in embeddings:
        vectors = just(embedding, TITLE, ("clip_l",), ("clip_h",), ("clip_l", "clip_g"))
        one_vector(embedding, TITLE)
        rows = [Tensor(each.dtype, each.shape[1:], each.tobytes) for each in vectors.values()]
        words[embedding.name] = rows[0] if len(rows) == 1 else rows
    return Draft({"unet": {}, WORDS: words, **facts_of_one(embeddings)})


def _vectors(payload: Payload, word: object, value: object) -> dict[str, Vectors]:
    label = f"{WORDS}[{shortened(repr(word), 60)}]"
    tensors = as_list(value) or [value]
    found: dict[str, Vectors] = {}
    for tensor in tensors:
        if type(word) is not str or type(tensor) is not Tensor:
            raise MalformedEmbedding(f"{label} is {kind_of(value)}, it has to be a word's tensors")
        found |= single_tensor(payload, label, tensor)
    if len(found) != len(tensors):
        raise MalformedEmbedding(f"{label} has {len(tensors)} tensors, it needs one for each text encoder")
    return found


def _rows(payload: Payload, tensor: object) -> list[Embedding]:
    if type(tensor) is not Tensor:
        raise MalformedEmbedding(f"{STATE}['{ROWS}'] is {kind_of(tensor)}, it has to be a tensor")
    ((encoder, vectors),) = single_tensor(payload, f"{STATE}['{ROWS}']", tensor).items()
    return [
        Parts({encoder: vectors.rows(row, row + 1)}, {}, (_BY_CONVENTION,)).embedding(
            payload, KEY, name=f"<new{row + 1}>"
        )
        for row in range(vectors.shape[0])
    ]


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("adobe-research/custom-diffusion",),
    containers=("torch-zip", "torch-legacy"),
    keys=frozenset((WORDS, STATE)),
    recognise=recognise,
    parse=parse,
    build=build,
    several=True,
)
