"""The token tables of a model that diffusers has saved in a folder, read without torch.

Source: diffusers' `save_pretrained` (a folder for each component), transformers' `vocab.json` and `tokenizer.json`,
`CLIPTextModel` (`token_embedding.weight`) and `T5EncoderModel` (`shared.weight`).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

from ...converters.safetensors_header import METADATA, entry_of, read_header
from ...converters.source import open_source
from ...embeddings.dtypes import DTYPES, decode
from ...embeddings.errors import Damaged, FileError, Unreadable
from ...embeddings.text_encoders import encoders_of_width
from .token_tables import TokenTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ...converters.source import Source

_COMPONENTS = tuple((f"text_encoder{number}", f"tokenizer{number}") for number in ("", "_2", "_3"))
_TABLES = {"token_embedding.weight": None, "shared.weight": "t5xxl"}
"""How a table's name ends, and whose it is where its width leaves that open."""
LARGEST_VOCABULARY = 64 << 20
"""Bytes of a vocabulary file; real ones have up to twenty million."""


def tables_in(folder: str) -> dict[str, TokenTable]:
    """Encoder key -> table, for each text encoder of the model; raises FileError where there is none to read."""
    found: dict[str, TokenTable] = {}
    for encoder, tokenizer in _COMPONENTS:
        for key, rows in _tables(os.path.join(folder, encoder)):
            found[key] = TokenTable(rows, _words(os.path.join(folder, tokenizer)))
    if not found:
        raise Unreadable("holds no text encoder as diffusers saves it, in safetensors; name the model's folder", folder)
    return found


def _tables(folder: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The table of the text encoder in `folder`, whose files may be several; nothing where there is none."""
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if name.endswith(".safetensors"):
            path = os.path.join(folder, name)
            try:
                with open_source(path) as source:
                    found = _table_in(source)
            except FileError as error:
                error.path = error.path or path
                raise
            if found is not None:
                yield found
                return


def _table_in(source: Source) -> tuple[str, NDArray[np.float32]] | None:
    import numpy as np

    header, start = read_header(source)
    for tensor, entry in header.items():
        ending = next((each for each in _TABLES if tensor.endswith(each)), None)
        if tensor == METADATA or ending is None:
            continue
        dtype, shape, begin, end = entry_of(tensor, entry)
        key = _encoder_of(ending, shape)
        if key is not None and dtype in DTYPES:
            numbers = decode(source.read(start + begin, end - begin), dtype)
            return key, numbers.astype(np.float32, copy=False).reshape(shape)
    return None


def _encoder_of(ending: str, shape: Sequence[int]) -> str | None:
    """The key of the encoder that has such a table."""
    fitting = [each.key for each in encoders_of_width(shape[-1])] if len(shape) == 2 else []
    key = _TABLES[ending] or next(iter(fitting), None)
    return key if key in fitting else None


def _words(folder: str) -> list[str]:
    """The word of each id; a file for CLIP, another for the newer tokenizers."""
    for name, within in (("vocab.json", ()), ("tokenizer.json", ("model", "vocab"))):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return _in_order(_json(path), within, path)
    raise Unreadable("has neither vocab.json nor tokenizer.json, which name the words of the vocabulary", folder)


def _in_order(content: Any, within: tuple[str, ...], path: str) -> list[str]:
    try:
        for key in within:
            content = content[key]
        if isinstance(content, list):  # a unigram model: pieces and scores
            return [str(piece) for piece, _ in cast("list[tuple[object, object]]", content)]
        ids = cast("dict[str, int]", content)
        words = [""] * (min(max(ids.values()), len(ids) * 2) + 1)
        for word, number in ids.items():
            words[number] = word
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise Damaged("is no vocabulary of a tokenizer; download it again", path) from None
    return words


def _json(path: str) -> Any:
    with open_source(path) as source:
        if source.size > LARGEST_VOCABULARY:
            raise Unreadable(f"is larger than {LARGEST_VOCABULARY >> 20} MB, which no vocabulary is", path)
        try:
            return json.loads(bytes(source.read(0, source.size)))
        except (ValueError, RecursionError):
            raise Damaged("is not JSON; download it again", path) from None
