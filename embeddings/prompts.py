"""How embeddings are named in prompts: one reading of the rules for the loader, its report and the translator.

A prompt is read as words and single signs, as CLIP's vocabulary has them. A name is found only where whole words
begin and end, in any case, any spelling of the same characters and any white space between its words and signs; of two
names that fit, the longer wins. So a name never starts inside a word or inside another name, and the order in which
names were loaded means nothing.

Source: A1111's `textual_inversion.py` (the bare name, any case), ComfyUI's `sd1_clip.py` (`embedding:`, folders,
suffixes), InvokeAI's and diffusers' `<name>`, SwarmUI's `<embed:name>`.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Value = TypeVar("Value")

_WORD = r"(?:\w|[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff])+"
_PIECE = re.compile(rf"{_WORD}|\S")
_SUFFIX = re.compile(r"\.(safetensors|pt|bin|pth|ckpt|pti|png|webp|jxl|avif)(?!\w)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[\w., /\\-]+")
_ENDS = frozenset(',;:()[]{}<>|"')
PREFIXES = {"embedding": "comfyui", "embed": "swarmui"}
"""Words that, with a colon, announce a name, and whose syntax that is."""


@dataclass(frozen=True)
class Reference(Generic[Value]):
    """A place in a prompt that names an embedding, or that only an embedding's name could stand in.

    `prompt[start:end]` is all of it, prefix, suffix and brackets included; `name` is the name as written there, and
    `value` what is known under it, or None.
    """

    start: int
    end: int
    name: str
    syntax: str
    """A key of PROMPT_SYNTAXES."""
    value: Value | None


class _Piece(NamedTuple):
    """A word or a sign of a prompt, folded, and whether white space stands before it."""

    start: int
    end: int
    text: str
    apart: bool


def fold(name: str) -> str:
    """What is the same for all ways to write `name`: its case, its Unicode form, its white space."""
    return " ".join(_words(name))


@dataclass
class _Index(Generic[Value]):
    """Values by folded name; `lengths` says how many pieces the names have that begin with a piece."""

    values: dict[str, list[Value]] = field(default_factory=dict[str, "list[Value]"])
    lengths: dict[str, dict[int, int]] = field(default_factory=dict[str, "dict[int, int]"])

    def add(self, pieces: Sequence[_Piece], value: Value, *, first: bool) -> None:
        if not pieces:
            return
        holders = self.values.setdefault(_joined(pieces), [])
        holders.insert(0 if first else len(holders), value)
        counts = self.lengths.setdefault(pieces[0].text, {})
        counts[len(pieces)] = counts.get(len(pieces), 0) + 1

    def discard(self, pieces: Sequence[_Piece], value: Value) -> None:
        key = _joined(pieces)
        if value not in self.values.get(key, ()):
            return
        self.values[key] = [each for each in self.values[key] if each is not value]
        if not self.values[key]:
            del self.values[key]
        counts = self.lengths[pieces[0].text]
        counts[len(pieces)] -= 1
        if not counts[len(pieces)]:
            del counts[len(pieces)]
        if not counts:
            del self.lengths[pieces[0].text]

    def at(self, pieces: Sequence[_Piece], position: int) -> tuple[int, Value] | None:
        """The longest name that begins at `position`: the position after it, and its value."""
        if position >= len(pieces):
            return None
        for length in sorted(self.lengths.get(pieces[position].text, ()), reverse=True):
            stop = position + length
            holders = self.values.get(_joined(pieces[position:stop])) if stop <= len(pieces) else None
            if holders:
                return stop, holders[0]
        return None


class PromptNames(Generic[Value]):
    """Names, and what each stands for. Adding and removing cost the same however many there are.

    A name is found bare and in every other syntax; an alias is found only where a syntax says that a name must follow.
    """

    def __init__(self, names: Iterable[tuple[str, Value]] = ()) -> None:
        self._bare: _Index[Value] = _Index()
        self._announced: _Index[Value] = _Index()
        for name, value in names:
            self.add(name, value)

    def add(self, name: str, value: Value, aliases: Iterable[str] = (), *, first: bool = True) -> None:
        """Know `value` under `name`, and under `aliases` where they are no other's name.

        A name that stands for something already stands for `value` from now on, or, unless `first`, as soon as the
        other is discarded.
        """
        for pieces, index in self._places(name):
            index.add(pieces, value, first=first)
        for alias in aliases:
            self._announced.add(_pieces(without_brackets(alias)), value, first=False)

    def discard(self, name: str, value: Value, aliases: Iterable[str] = ()) -> None:
        """Undo `add` with the same arguments."""
        for pieces, index in self._places(name):
            index.discard(pieces, value)
        for alias in aliases:
            self._announced.discard(_pieces(without_brackets(alias)), value)

    def get(self, name: str) -> Value | None:
        """What `name` stands for, written in any way; None where it is not known."""
        holders = self._bare.values.get(fold(name))
        return holders[0] if holders else None

    def __len__(self) -> int:
        return len(self._bare.values)

    def __iter__(self) -> Iterator[Value]:
        """Every value, in the order in which they were added."""
        return (value for holders in self._bare.values.values() for value in holders)

    def _places(self, name: str) -> Iterator[tuple[list[_Piece], _Index[Value]]]:
        """How `name` reads, and where to know it so."""
        pieces, inner = _pieces(name), without_brackets(name)
        yield pieces, self._bare
        yield pieces if inner == name else _pieces(inner), self._announced

    def might_be_in(self, prompt: str) -> bool:
        """Whether `references` could find anything; cheap, and the usual answer is no."""
        words = _words(prompt)
        return not (self._bare.lengths.keys().isdisjoint(words) and _ANNOUNCING.isdisjoint(words))

    def references(self, prompt: str) -> list[Reference[Value]]:
        """Every name in `prompt`, from left to right, and every place where a syntax announces a name unknown here."""
        if not self.might_be_in(prompt):
            return []
        pieces = _pieces(prompt)
        found: list[Reference[Value]] = []
        position = 0
        while position < len(pieces):
            match = None
            text = pieces[position].text
            if text in _ANNOUNCING:
                match = self._announced_at(prompt, pieces, position)
            if match is None and text in self._bare.lengths:
                match = self._bare_at(prompt, pieces, position)
            if match is None:
                position += 1
            else:
                reference, position = match
                found.append(reference)
        return found

    def _bare_at(self, prompt: str, pieces: Sequence[_Piece], position: int) -> tuple[Reference[Value], int] | None:
        match = self._bare.at(pieces, position)
        if match is None:
            return None
        stop, value = match
        start, end = pieces[position].start, pieces[stop - 1].end
        return Reference(start, end, prompt[start:end], "a1111", value), stop

    def _announced_at(
        self, prompt: str, pieces: Sequence[_Piece], position: int
    ) -> tuple[Reference[Value], int] | None:
        if pieces[position].text == "<":
            return self._bracketed_at(prompt, pieces, position)
        return self._prefixed_at(prompt, pieces, position)

    def _bracketed_at(
        self, prompt: str, pieces: Sequence[_Piece], position: int
    ) -> tuple[Reference[Value], int] | None:
        """`<name>`, `<embed:name>`: everything between the brackets is the name."""
        prefix = _prefix_at(pieces, position + 1)
        first = position + (3 if prefix else 1)
        close = next((i for i, piece in enumerate(pieces[first:], first) if piece.text in "<>"), len(pieces))
        if close in (first, len(pieces)) or pieces[close].text == "<" or pieces[first].apart or pieces[close].apart:
            return None
        name = prompt[pieces[first].start : pieces[close - 1].end]
        start, end = pieces[position].start, pieces[close].end
        value = self.get(prompt[start:end]) if prefix is None else None
        value = self._named(name) if value is None else value
        if value is None and not _PLAIN_NAME.fullmatch(name):
            return None
        name = name if value is not None else _bare_name(name)
        return Reference(start, end, name, prefix or "invokeai", value), close + 1

    def _prefixed_at(self, prompt: str, pieces: Sequence[_Piece], position: int) -> tuple[Reference[Value], int] | None:
        """`embedding:name`, `embedding:folder/name.pt`: the longest known name that ends where a name may end."""
        prefix = _prefix_at(pieces, position)
        first = position + 2
        if prefix is None or first >= len(pieces) or pieces[first].apart:
            return None
        start = pieces[position].start
        for name_start in (first, *_after_folders(pieces, first)):
            match = self._announced.at(pieces, name_start) or self._bare.at(pieces, name_start)
            if match is not None:
                stop, value = match
                after = _after_suffix(prompt, pieces, stop)
                if _may_end(pieces, after):
                    name = prompt[pieces[name_start].start : pieces[stop - 1].end]
                    return Reference(start, pieces[after - 1].end, name, prefix, value), after
        stop = next((i for i in range(first, len(pieces)) if _may_end(pieces, i)), len(pieces))
        if stop == first:
            return None
        name = _bare_name(prompt[pieces[first].start : pieces[stop - 1].end])
        return Reference(start, pieces[stop - 1].end, name, prefix, None), stop

    def _named(self, name: str) -> Value | None:
        for each in (name, _bare_name(name)):
            key = fold(each)
            for holders in (self._announced.values.get(key), self._bare.values.get(key)):
                if holders:
                    return holders[0]
        return None


def without_brackets(name: str) -> str:
    """`<name>` as `name`."""
    inner = name[1:-1].strip() if name.startswith("<") and name.endswith(">") else ""
    return inner or name


def nearest(name: str, names: Iterable[str], *, count: int = 3, cutoff: float = 0.7) -> list[str]:
    """The names that `name` may be a slip of the pen for, the most similar first."""
    by_fold = {fold(each): each for each in names}
    folded = fold(name)
    return [by_fold[each] for each in difflib.get_close_matches(folded, by_fold, count, cutoff)]


_ANNOUNCING = frozenset((*PREFIXES, "<"))


def _words(text: str) -> list[str]:
    """The words and signs of `text`, folded."""
    return _PIECE.findall(text.lower()) if text.isascii() else [_folded(word) for word in _PIECE.findall(text)]


def _pieces(text: str) -> list[_Piece]:
    plain = text.isascii()
    folded = text.lower() if plain else text
    pieces: list[_Piece] = []
    end = -1
    for match in _PIECE.finditer(folded):
        start = match.start()
        pieces.append(_Piece(start, match.end(), match[0] if plain else _folded(match[0]), 0 <= end < start))
        end = match.end()
    return pieces


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", word).casefold())


def _joined(pieces: Sequence[_Piece]) -> str:
    return " ".join([piece.text for piece in pieces])


def _bare_name(name: str) -> str:
    """A name without folders and suffix, as ComfyUI's users write them."""
    return _SUFFIX.sub("", re.split(r"[/\\]", name)[-1]) or name


def _prefix_at(pieces: Sequence[_Piece], position: int) -> str | None:
    """The syntax that `embedding:` or `embed:` at `position` announces a name of."""
    if position + 1 >= len(pieces) or pieces[position + 1].text != ":" or pieces[position + 1].apart:
        return None
    return PREFIXES.get(pieces[position].text)


def _after_folders(pieces: Sequence[_Piece], position: int) -> Iterator[int]:
    """The positions after each slash of the path that begins at `position`."""
    for i in range(position, len(pieces) - 1):
        if i > position and pieces[i].apart:
            return
        if pieces[i].text in "/\\":
            yield i + 1


def _after_suffix(prompt: str, pieces: Sequence[_Piece], position: int) -> int:
    """The position after the file suffix that stands at `position`, or `position`."""
    if position + 1 < len(pieces) and not (pieces[position].apart or pieces[position + 1].apart):
        return position + 2 if _SUFFIX.match(prompt, pieces[position].start) else position
    return position


def _may_end(pieces: Sequence[_Piece], position: int) -> bool:
    """Whether a name that was announced may end before `position`."""
    if position >= len(pieces) or pieces[position].apart or pieces[position].text in _ENDS:
        return True
    return pieces[position].text in ".!?" and (position + 1 == len(pieces) or pieces[position + 1].apart)
