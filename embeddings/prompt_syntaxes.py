"""The ways in which programs name embeddings in prompts, and prompts from one of them to another.

A new program is one row of PROMPT_SYNTAXES.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import CannotWrite, UnknownName
from .prompt_weights import Part, read_compel, read_parentheses, write_compel, write_parentheses
from .prompts import PromptNames, Reference, nearest, without_brackets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Names: TypeAlias = "PromptNames[str] | Iterable[str]"


@dataclass(frozen=True)
class PromptSyntax:
    """How a program names embeddings and weighs words.

    `before` and `after` match what may stand beside a name; elsewhere it gets a space. `forbidden` matches what a name
    cannot hold.
    """

    key: str
    title: str
    form: str
    """How a name is written, with `{}` for it."""
    reads: tuple[str, ...]
    """The keys of `Reference.syntax` that are names here."""
    read_weights: Callable[[str], tuple[Part, ...]]
    write_weights: Callable[[Iterable[Part]], str]
    before: str = r"\W"
    after: str = r"\W"
    forbidden: str = r"[()\[\]\\]"


_A1111_WEIGHTS = (partial(read_parentheses, square=True), write_parentheses)
_COMFYUI_WEIGHTS = (partial(read_parentheses, square=False), write_parentheses)
_COMPEL_WEIGHTS = (read_compel, write_compel)

PROMPT_SYNTAXES = {
    syntax.key: syntax
    for syntax in (
        PromptSyntax("a1111", "A1111, Forge, SD.Next", "{}", ("a1111",), *_A1111_WEIGHTS),
        PromptSyntax(
            "comfyui",
            "ComfyUI",
            "embedding:{}",
            ("comfyui",),
            *_COMFYUI_WEIGHTS,
            before=r"[\s(]",
            after=r"[\s)]|:\s*[-+.\d]+\s*\)|,+(?!\S)",
            forbidden=r"[\s()\[\]\\:,]",
        ),
        PromptSyntax("swarmui", "SwarmUI", "<embed:{}>", ("swarmui",), *_COMFYUI_WEIGHTS, before=".", after="."),
        PromptSyntax("invokeai", "InvokeAI", "<{}>", ("invokeai",), *_COMPEL_WEIGHTS, before=".", after="."),
        PromptSyntax("diffusers", "diffusers", "<{}>", ("invokeai", "a1111"), *_COMPEL_WEIGHTS, before=".", after="."),
    )
}


@dataclass(frozen=True)
class Unknown:
    """A place in a prompt that looks like an embedding's name but is none that is known."""

    start: int
    end: int
    name: str
    nearest: tuple[str, ...]
    """Known names that may be meant, the most similar first."""


@dataclass(frozen=True)
class PromptCheck:
    """The embeddings that a prompt names, and what it may be missing."""

    found: tuple[Reference[str], ...]
    unknown: tuple[Unknown, ...]


def syntax_named(key: str) -> PromptSyntax:
    """The row of PROMPT_SYNTAXES for `key`; raises UnknownName."""
    try:
        return PROMPT_SYNTAXES[key]
    except KeyError:
        raise UnknownName(f"no prompt syntax is called {key!r}; there are {', '.join(PROMPT_SYNTAXES)}") from None


def references_in(prompt: str, names: Names = ()) -> list[Reference[str]]:
    """Every embedding that `prompt` names, in any syntax; bare names are found among `names` only."""
    return _index(names).references(prompt)


def check_prompt(prompt: str, names: Names) -> PromptCheck:
    """Which of `names` a prompt uses, and which words of it look like slips of the pen for one of them."""
    index = _index(names)
    references = index.references(prompt)
    found = tuple(each for each in references if each.value is not None)
    return PromptCheck(found, tuple(unknown_in(prompt, references, list(index))))


def unknown_in(prompt: str, references: Sequence[Reference[Any]], names: Sequence[str]) -> Iterator[Unknown]:
    """What was announced as a name but is none, and plain words that are nearly a name."""
    for each in references:
        if each.value is None:
            yield Unknown(each.start, each.end, each.name, tuple(nearest(each.name, names)))
    rest = list(prompt)
    for each in references:
        rest[each.start : each.end] = " " * (each.end - each.start)
    for word in _WORD.finditer("".join(rest)):
        close = nearest(word[0], [name for name in names if _alike(word[0], name)], cutoff=0.8)
        if close:
            yield Unknown(word.start(), word.end(), word[0], tuple(close))


def translate(prompt: str, target: str, names: Names = (), *, source: str | None = None) -> str:
    """`prompt` for the program with the key `target`: its names of embeddings and its weights.

    `source` is the key of the program that the prompt was written for; without it, the prompt's own names tell. Bare
    names are only seen where they are among `names`. Raises CannotWrite where the target cannot write a name.
    """
    goal = syntax_named(target)
    references = references_in(prompt, names)
    origin = syntax_named(source or _syntax_of(prompt, references))
    read = [each for each in references if source is None or each.syntax in origin.reads]
    kept, end = "", 0
    for number, each in enumerate(read):
        kept += prompt[end : each.start] + chr(_FIRST_MARK + number)
        end = each.end
    parts = origin.read_weights(kept + prompt[end:])
    marked = goal.write_weights(parts)
    written = [_written(without_brackets(each.value or each.name), goal) for each in read]
    return "".join(_spaced(marked, written, goal))


_FIRST_MARK = 0xF0000
"""The first of the private characters that stand for names while weights are translated."""
_COLON_WEIGHT = re.compile(r"\([^()]+:\s*[-+.\d]+\s*\)")
_WORD = re.compile(r"[^\s,()\[\]{}<>:|\"]{5,}")


def _index(names: Names) -> PromptNames[str]:
    return names if isinstance(names, PromptNames) else PromptNames((name, name) for name in names)


def _alike(word: str, name: str) -> bool:
    """Whether it is worth looking more closely at how similar they are."""
    word, name = word.lower(), name.lower()
    return abs(len(word) - len(name)) <= 3 and (word[:2] == name[:2] or word[-3:] == name[-3:])


def _syntax_of(prompt: str, references: Sequence[Reference[str]]) -> str:
    """The program that a prompt with such names was written for, which `<name>` alone does not tell."""
    announced = [each.syntax for each in references if each.syntax != "a1111"]
    first = announced[0] if announced else "a1111"
    return "a1111" if first == "invokeai" and _COLON_WEIGHT.search(prompt) else first


def _written(name: str, goal: PromptSyntax) -> str:
    if found := re.search(goal.forbidden, name):
        raise CannotWrite(f"{name!r} holds {found[0]!r}, where {goal.title} ends a name; rename the embedding")
    return goal.form.format(name)


def _spaced(marked: str, written: Sequence[str], goal: PromptSyntax) -> Iterator[str]:
    """The text with names for their marks, and spaces where a name may not touch what stands beside it."""
    for position, character in enumerate(marked):
        number = ord(character) - _FIRST_MARK
        if not 0 <= number < len(written):
            yield character
            continue
        before, after = marked[position - 1 : position], marked[position + 1 :]
        if before and not re.match(goal.before, before):
            yield " "
        yield written[number]
        if after and not re.match(goal.after, after):
            yield " "
