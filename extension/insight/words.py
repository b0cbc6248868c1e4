"""Tokens of vocabularies, as people read them: whole words as they are, parts of words with … where they go on.

Source: CLIP's `simple_tokenizer.py` and GPT-2's `encoder.py` (letters that stand for bytes; `</w>` ends a word, `Ġ` is
a space), sentencepiece (`▁` is a space), BERT's `tokenization.py` (`##` goes on with a word).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...embeddings.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SPECIAL = re.compile(r"<[^<>]+>|\[[A-Z]+\]")
_PRINTED = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
"""The bytes that stand for themselves; all others, in their order, have the characters from U+0100 on."""
BYTES = {chr(byte): byte for byte in _PRINTED} | {
    chr(0x100 + i): byte for i, byte in enumerate(sorted({*range(256)} - {*_PRINTED}))
}
"""What each character of a byte-level vocabulary stands for."""


def spelling_of(words: Sequence[str]) -> Callable[[str], str]:
    """How the tokens of this vocabulary are read."""
    counts = {reader: sum(map(marked, words)) for reader, marked in _MARKS.items()}
    reader = max(counts, key=lambda each: counts[each])
    return reader if counts[reader] else str


def readable(word: str, spelling: Callable[[str], str]) -> str:
    """A token as people read it, on one line; special tokens such as `<|endoftext|>` as they are."""
    return one_line(word if _SPECIAL.fullmatch(word) else spelling(word))


def _clip(word: str) -> str:
    return _from_bytes(word[:-4]) if word.endswith("</w>") else f"{_from_bytes(word)}…"


def _gpt(word: str) -> str:
    return _begun(_from_bytes(word))


def _sentencepiece(word: str) -> str:
    return _begun(word.replace("▁", " "))


def _bert(word: str) -> str:
    return f"…{word[2:]}" if word.startswith("##") else word


_MARKS: dict[Callable[[str], str], Callable[[str], bool]] = {
    _clip: lambda word: word.endswith("</w>"),
    _gpt: lambda word: word.startswith("Ġ"),
    _sentencepiece: lambda word: word.startswith("▁"),
    _bert: lambda word: word.startswith("##"),
}
"""The readers of tokens, and the mark that only their vocabularies have."""


def _begun(text: str) -> str:
    """A token that begins a word where it begins with a space."""
    if not text.strip(" "):
        return "␣" * len(text)
    return text[1:] if text.startswith(" ") else f"…{text}"


def _from_bytes(word: str) -> str:
    """The text whose UTF-8 bytes the characters stand for; bytes that are no whole character in hexadecimal."""
    if not all(character in BYTES for character in word):
        return word
    return bytes(BYTES[character] for character in word).decode("utf-8", "backslashreplace")
