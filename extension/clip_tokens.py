"""How many tokens a text takes in CLIP, from nothing but its vocabulary.

The merges of its byte-pair encoding are the vocabulary's own order: of all pairs of neighbours that make a token, the
one with the lowest id is joined first.

Source: CLIP's `simple_tokenizer.py` (letters for bytes, `</w>`, what a word is), A1111's use of it through
transformers (lower case, NFC).
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import TYPE_CHECKING

from .insight.words import BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SPECIAL = re.compile(r"(<\|startoftext\|>|<\|endoftext\|>)")
_CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
_LONGEST = 200
"""Characters of a word that are joined at once: the time that takes grows with the square."""
_SEPARATORS = "\x1c\x1d\x1e\x1f"
"""White space to Python, but not to Unicode."""
_REMEMBERED = 10_000
_LETTERS = {byte: letter for letter, byte in BYTES.items()}


class ClipTokens:
    """CLIP's tokenizer, as far as counting goes; `words` is its vocabulary in the order of ids."""

    def __init__(self, words: Sequence[str]) -> None:
        self._ids = {word: number for number, word in enumerate(words) if word}
        self._known: dict[str, int] = {}

    def count(self, text: str) -> int:
        """The tokens of `text`, without those that begin and end a prompt."""
        folded = unicodedata.normalize("NFC", text).lower()
        stretches = _SPECIAL.split(folded)
        return sum(map(self._of_word, (word for each in stretches[::2] for word in _words(each)))) + len(stretches) // 2

    def _of_word(self, word: str) -> int:
        if word not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            letters = [_LETTERS[byte] for byte in word.encode("utf-8", "replace")]
            pieces = (letters[i : i + _LONGEST] for i in range(0, len(letters), _LONGEST))
            self._known[word] = sum(map(self._joined, pieces))
        return self._known[word]

    def _joined(self, tokens: list[str]) -> int:
        """How many tokens are left of these letters when all that can be joined are."""
        tokens[-1] += "</w>"
        none = len(self._ids)
        while len(tokens) > 1:
            ranks = [self._ids.get(one + other, none) for one, other in itertools.pairwise(tokens)]
            best = min(ranks)
            if best == none:
                break
            place = ranks.index(best)
            tokens[place : place + 2] = [tokens[place] + tokens[place + 1]]
        return len(tokens)


def _words(text: str) -> Iterator[str]:
    """Contractions, runs of letters, single digits, runs of other signs."""
    position = 0
    while position < len(text):
        contraction = _CONTRACTION.match(text, position)
        kind = _kind(text[position])
        end = contraction.end() if contraction else position + 1
        if not contraction and kind in "LO":
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        if kind != "Z":
            yield text[position:end]
        position = end


def _kind(character: str) -> str:
    """L for a letter, N for a digit, Z for white space, O for all else."""
    if character.isspace() and character not in _SEPARATORS:
        return "Z"
    kind = unicodedata.category(character)[0]
    return kind if kind in "LN" else "O"
