"""Pivotal-tuning embeddings of cog-sdxl and its kin: `text_encoders_0`, `text_encoders_1`, in safetensors named .pti.

`special_params.json` beside it maps the words of prompts to tokens, `{"TOK": "<s0><s1>"}`: the n-th token is row n.

Source: replicate/cog-sdxl, `dataset_and_utils.py`, `TokenEmbeddingsHandler.save_embeddings`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ...embeddings.embedding import Vectors
from ...embeddings.errors import MalformedEmbedding, shortened
from ..encoder_keys import COG_SPELLINGS, Parts, by_encoder, only_keys
from ..folders import WORDS_FILE
from ..format import Format
from ..limits import just, the_only
from ..payload import Draft
from ..trees import as_dict, root_dict, tensors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "cog-pti", "pivotal tuning (.pti)"
_KEYS = {"clip_l": "text_encoders_0", "clip_g": "text_encoders_1", "t5xxl": "text_encoders_2"}
_TOKENS = re.compile(r"(?:<s[0-9]{1,4}>)+")


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    return not COG_SPELLINGS.isdisjoint(root) and only_keys(root, COG_SPELLINGS)


def parse(payload: Payload) -> list[Embedding]:
    parts = by_encoder(tensors_of(payload.tree))
    words = _words(payload.source.siblings.get(WORDS_FILE))
    if not words:
        return [parts.embedding(payload, KEY)]
    count = min(vectors.shape[0] for vectors in parts.vectors.values())
    unnamed = set(range(count)).difference(*words.values())
    warnings = (f"{WORDS_FILE} gives no word for {len(unnamed)} of its {count} vectors",) if unnamed else ()
    found: list[Embedding] = []
    for word, rows in words.items():
        if max(rows) >= count:
            raise MalformedEmbedding(
                f"{WORDS_FILE} gives {shortened(repr(word), 60)} <s{max(rows)}>, it has {count} vectors"
            )
        chosen = {encoder: _rows(vectors, rows) for encoder, vectors in parts.vectors.items()}
        found.append(Parts(chosen, {}, parts.warnings).embedding(payload, KEY, name=word, warnings=warnings))
    return found


def build(embeddings: Sequence[Embedding]) -> Draft:
    choices = (("clip_l",), ("clip_l", "clip_g"), ("clip_l", "t5xxl"), ("clip_l", "clip_g", "t5xxl"))
    vectors = just(the_only(embeddings, TITLE), TITLE, *choices)
    return Draft({_KEYS[encoder]: each for encoder, each in vectors.items()})


def _words(content: bytes | None) -> dict[str, list[int]]:
    """The words of prompts and the rows that each stands for; none where there is no file."""
    if content is None:
        return {}
    try:
        words = as_dict(json.loads(content))
    except (ValueError, RecursionError):
        words = {}
    if not words or not all(_is_mapped(*item) for item in words.items()):
        raise MalformedEmbedding(
            f"{WORDS_FILE} beside it does not map words to tokens like '<s0><s1>'; repair or remove it"
        )
    return {word: [int(row) for row in re.findall("[0-9]+", tokens)] for word, tokens in words.items()}


def _is_mapped(word: object, tokens: object) -> bool:
    return type(word) is str and bool(word) and type(tokens) is str and _TOKENS.fullmatch(tokens) is not None


def _rows(vectors: Vectors, rows: list[int]) -> Vectors:
    if rows == list(range(vectors.shape[0])):
        return vectors
    pieces = [vectors.rows(row, row + 1).data for row in rows]
    return Vectors(vectors.dtype, (len(rows), vectors.shape[1]), b"".join(pieces))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("replicate/cog-sdxl", "fal", "diffusers (advanced training, 2023)"),
    containers=("safetensors",),
    keys=COG_SPELLINGS,
    recognise=recognise,
    parse=parse,
    build=build,
)
