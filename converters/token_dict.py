"""The diffusers family: a dict whose keys are the tokens themselves, each with its vectors. The key is the trigger.

Any word may be a token, so these formats are asked last. They differ in the rank of their tensors alone.

Source: diffusers, `examples/textual_inversion/textual_inversion.py`, `save_progress`, now and before it knew several
vectors; `loaders/textual_inversion.py`, `_retrieve_tokens_and_embeddings`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import CannotWrite, MalformedEmbedding, shortened
from ..embeddings.text_encoders import TEXT_ENCODERS
from .encoder_keys import OUT, SPELLINGS, WORDS
from .folders import KIND_FILE, TOKEN_FILE
from .limits import distinct_names, one_encoder, one_vector, read_as
from .payload import Draft, Tensor
from .single_tensor import encoder_hint, single_tensor
from .trees import as_list, root_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..embeddings.embedding import Embedding, Vectors
    from .payload import Payload

PADDLE_NAMES = "StructuredToParameterName@@"
"""Key that Paddle adds to every file it saves."""
MOST_TOKENS = 5_000

_HALF = re.compile(r"(learned_embeds)(-[a-z0-9-]+)?")

_RESERVED = frozenset((*SPELLINGS, *(spelling + OUT for spelling in SPELLINGS), "*")) - WORDS
_NETI = "a NeTI mapper lies beside it and makes the vectors; those in this file are only where its training began"


def rank_of(payload: Payload) -> int:
    """The highest rank among the tensors of a dict from tokens to tensors; -1 where it is none, or half of a pair."""
    return -1 if partner_of(payload) else rank(payload)


def rank(payload: Payload) -> int:
    """The highest rank among the tensors of a dict from tokens to tensors; -1 where it is none."""
    highest = -1
    for token, value in root_dict(payload).items():
        if token == PADDLE_NAMES:
            continue
        tensor = _tensor(value)
        if tensor is None or type(token) is not str or token in _RESERVED or not 1 <= len(tensor.shape) <= 3:
            return -1
        highest = max(highest, len(tensor.shape))
    return highest


def partner_of(payload: Payload) -> str | None:
    """Name of the file beside this one with the vectors of the pipeline's other text encoder, if it is there."""
    if not payload.source.siblings or not (found := _HALF.fullmatch(payload.source.stem)):
        return None
    partner = f"{found[1]}_2{found[2] or ''}{payload.source.suffix}"
    return partner if partner in payload.source.siblings else None


def tokens_of(payload: Payload) -> dict[str, Tensor]:
    """The tokens and their tensors."""
    found = {token: _tensor(value) for token, value in root_dict(payload).items()}
    return {token: tensor for token, tensor in found.items() if tensor is not None}


def parse(payload: Payload, format_key: str) -> list[Embedding]:
    """An embedding for each token."""
    tokens = tokens_of(payload)
    if len(tokens) > MOST_TOKENS:
        raise MalformedEmbedding(f"has {len(tokens)} tokens, at most {MOST_TOKENS} are read from one file; split it")
    beside = facts_beside(payload, len(tokens))
    return [
        payload.embedding(format_key, single_tensor(payload, label_of(token), tensor), name=token, **beside)
        for token, tensor in tokens.items()
    ]


def facts_beside(payload: Payload, tokens: int) -> dict[str, Any]:
    """What the files beside a `learned_embeds` say of its token, where it is the only one, and against its vectors."""
    siblings = payload.source.siblings
    if not siblings:
        return {}
    texts = {
        name: siblings[name].decode("utf-8", "replace").strip() for name in siblings.keys() & {TOKEN_FILE, KIND_FILE}
    }
    return {
        "aliases": (texts.get(TOKEN_FILE, ""),) if tokens == 1 else (),
        "facts": {"type_of_concept": texts.get(KIND_FILE)},
        "warnings": (_NETI,) if any(name.startswith("mapper") for name in siblings) else (),
    }


def label_of(token: str) -> str:
    """A token's tensor, for messages."""
    return f"the tensor of {shortened(repr(token), 60)}"


def build(embeddings: Sequence[Embedding], format_key: str, title: str, shape: Sequence[int | None]) -> Draft:
    """A draft with one tensor for each embedding; `shape` is that of the tensors, None standing for the vectors.

    Raises CannotWrite where a name would be taken for something else than a token.
    """
    distinct_names(embeddings, title)
    tree: dict[str, Tensor] = {}
    hints: dict[str, Any] = {}
    encoders: set[str] = set()
    for embedding in embeddings:
        encoder, vectors = one_encoder(embedding, title, "for target diffusers, which makes a file for each")
        encoders.add(encoder)
        hints |= encoder_hint({encoder: vectors})
        tree[embedding.name] = Tensor(vectors.dtype, _shaped(embedding, vectors, title, shape), vectors.tobytes)
    if len({TEXT_ENCODERS[encoder].width for encoder in encoders}) < len(encoders):
        keys = ", ".join(sorted(encoders))
        raise CannotWrite(f"{title} tells text encoders by width, {keys} have the same; write a file for each")
    return read_as(format_key, Draft(tree, hints))


def _shaped(embedding: Embedding, vectors: Vectors, title: str, shape: Sequence[int | None]) -> tuple[int, ...]:
    if None not in shape:
        one_vector(embedding, title)
    return (*(vectors.shape[0] if length is None else length for length in shape), vectors.shape[1])


def _tensor(value: Any) -> Tensor | None:
    """The tensor that a token maps to; Paddle may keep it as a pair with a name."""
    pair = as_list(value)
    value = pair[1] if len(pair) == 2 else value
    return value if type(value) is Tensor else None
