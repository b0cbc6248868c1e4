"""What a WebUI makes of a prompt: which embeddings it uses, where, and what it may be missing. Needs no pipeline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ..embeddings.prompt_syntaxes import Unknown, unknown_in
from .prompt_parts import PART, Place, laid_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..embeddings.prompts import PromptNames
    from .prompt_parts import Layout

Value = TypeVar("Value")

_EXTRA_NETWORK = re.compile(r"<(?!embed:)\w+:[^>]+>", re.IGNORECASE)
"""`<lora:name:1>` and the like, which hosts take out of a prompt before they read it."""


@dataclass(frozen=True)
class Known(Generic[Value]):
    """An embedding that prompts can name: the caller's `value` for it, its tokens, and why it does not work, if so."""

    value: Value
    name: str
    tokens: int
    problem: str | None = None
    """Why it does nothing with the loaded model, in a sentence."""


@dataclass(frozen=True)
class Mention(Generic[Value]):
    """An embedding where a prompt names it, as it is written there."""

    known: Known[Value]
    written: str
    place: Place


@dataclass(frozen=True)
class PromptReport(Generic[Value]):
    """What a prompt uses."""

    prompt: str
    mentions: tuple[Mention[Value], ...]
    unknown: tuple[Unknown, ...]
    layout: Layout | None
    """Of the whole prompt; None where nobody can count the tokens of its text."""
    length: tuple[int, int] | None
    """Its tokens, and how many its parts have room for, as the host says or the layout; None where neither does."""

    @property
    def embedding_tokens(self) -> int:
        """The tokens that the embeddings take which work."""
        return sum(each.known.tokens for each in self.mentions if each.known.problem is None)

    @property
    def sentences(self) -> list[str]:
        """All of it, for people: one sentence a line."""
        agreed = self.layout is not None and self.length is not None and self.layout.parts * PART == self.length[1]
        mentions = [_mention_sentence(each, counted=agreed) for each in self.mentions]
        budget = [] if self.length is None else [_budget_sentence(*self.length)]
        return [*(mentions or ["No embedding is used."]), *map(_unknown_sentence, self.unknown), *budget]


def report(
    prompt: str,
    names: PromptNames[Known[Value]],
    count: Callable[[str], int] | None = None,
    length: tuple[int, int] | None = None,
) -> PromptReport[Value]:
    """What `prompt` uses of the embeddings in `names`; `count` says how many tokens a text takes.

    `length` is what the host itself says of the whole prompt: its tokens, and how many its parts have room for.
    """
    text = _EXTRA_NETWORK.sub(" ", prompt)
    references = names.references(text)
    found = [(each, each.value) for each in references if each.value is not None]
    sizes = [(each.start, each.end, 0 if known.problem else known.tokens) for each, known in found]
    layout = laid_out(text, sizes, count or _not_counted)
    mentions = tuple(
        Mention(known, text[each.start : each.end], place)
        for (each, known), place in zip(found, layout.places, strict=True)
    )
    unknown = tuple(unknown_in(text, references, [known.name for known in names]))
    own = (layout.tokens, layout.parts * PART) if count else None
    return PromptReport(prompt, mentions, unknown, layout if count else None, length or own)


def _not_counted(text: str) -> int:
    del text
    return 0


def _mention_sentence(mention: Mention[Value], *, counted: bool) -> str:
    known, place = mention.known, mention.place
    if known.problem:
        return f"{known.name} is named, but does nothing. {known.problem}"
    if known.tokens > PART:
        return (
            f"{known.name} has {known.tokens} vectors, and a part of a prompt has room for {PART}; it cannot be used."
        )
    clauses = [
        f"{known.name} is used" if place.weight == 1 else f"{known.name} is used with weight {place.weight:.4g}",
        "it takes 1 token" if known.tokens == 1 else f"it takes {known.tokens} tokens",
        *([f"it is in part {place.part}"] if counted and place.part > 1 else []),
    ]
    return f"{'; '.join(clauses)}."


def _unknown_sentence(unknown: Unknown) -> str:
    if not unknown.nearest:
        return f"No embedding is called {unknown.name}."
    return f"No embedding is called {unknown.name}; did you mean {', '.join(unknown.nearest)}?"


def _budget_sentence(tokens: int, room: int) -> str:
    parts, rest = divmod(room, PART)
    if rest:  # of a text encoder that knows no parts
        return f"The prompt takes {tokens} of {room} tokens."
    if parts == 1:
        return f"The prompt takes {tokens} of the {room} tokens in one part."
    return f"The prompt takes {tokens} of the {room} tokens in {parts} parts."
