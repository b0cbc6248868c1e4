"""What a pipeline makes of a prompt: which embeddings it uses, where they stand, and whether everything fits."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.prompt_syntaxes import Unknown, unknown_in
from ..embeddings.prompts import PromptNames
from . import tokenizers
from .encoder_slots import slots_of
from .triggers import Trigger, Unread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..embeddings.prompts import Reference
    from .encoder_slots import Slot

Pipeline: TypeAlias = Any
LONGEST_WINDOW = 100_000
"""Tokenizers without a limit claim one far above this."""


@dataclass(frozen=True)
class Use:
    """One mention of an embedding: its trigger, how the prompt writes it, and its place among the tokens."""

    name: str
    written: str
    position: int
    """Of its first vector, counted from 0 with the start token."""
    vectors: int
    kept: int
    """How many of its vectors are within the encoder's window."""


@dataclass(frozen=True)
class EncoderReport:
    """What one text encoder gets: `tokens` of at most `limit`, start and end included; None where there is no limit."""

    encoder: str
    used: tuple[Use, ...]
    tokens: int
    limit: int | None


@dataclass(frozen=True)
class Report:
    """What a pipeline makes of a prompt. As a string, it is for people."""

    prompt: str
    encoders: tuple[EncoderReport, ...]
    unknown: tuple[Unknown, ...]
    unusable: tuple[str, ...] = ()
    """Why embeddings that the prompt names could not be loaded, a sentence each."""

    def __str__(self) -> str:
        return "\n".join((*map(_encoder_line, self.encoders), *self.unusable, *map(_unknown_line, self.unknown)))


def report(pipe: Pipeline, prompt: str) -> Report:
    """Which embeddings `prompt` uses in each text encoder of `pipe`, where, and what looks like a name but is none.

    What the prompt names in attached folders is loaded.
    """
    slots = slots_of(pipe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it would warn of is in the report
        references = [_references(slot, prompt) for slot in slots]
        encoders = tuple(_of_encoder(slot, references[i], prompt) for i, slot in enumerate(slots))
    names = {name: None for slot in slots for name in _names(slot)}
    values = (each.value for each in references[0])
    problems = dict.fromkeys(each.problem for each in values if each is not None and not isinstance(each, Trigger))
    unknown = tuple(unknown_in(prompt, references[0], list(names)))
    return Report(prompt, encoders, unknown, tuple(problem for problem in problems if problem))


def _references(slot: Slot, prompt: str) -> list[Reference[Trigger | Unread]]:
    if not tokenizers.knows_triggers(slot.tokenizers[0]):
        empty: PromptNames[Trigger | Unread] = PromptNames()
        return empty.references(prompt)
    return tokenizers.vocabulary_of(slot.tokenizers[0]).references(prompt)


def _names(slot: Slot) -> list[str]:
    if not tokenizers.knows_triggers(slot.tokenizers[0]):
        return []
    known = tokenizers.vocabulary_of(slot.tokenizers[0]).names
    return [each.word.name if isinstance(each, Trigger) else each.name for each in known]


def _of_encoder(slot: Slot, references: Sequence[Reference[Trigger | Unread]], prompt: str) -> EncoderReport:
    tokenizer = slot.tokenizers[0]
    ids: list[int] = tokenizer(prompt)["input_ids"]
    ends = _shared_tail(ids, tokenizer("")["input_ids"])
    limit = tokenizer.model_max_length if tokenizer.model_max_length < LONGEST_WINDOW else None
    used: list[Use] = []
    position = 0
    for each in references:
        if isinstance(each.value, Trigger):
            count = each.value.count
            position = ids.index(each.value.ids[0], position) if count else position
            kept = count if limit is None else max(0, min(count, limit - ends - position))
            used.append(Use(each.value.word.name, prompt[each.start : each.end], position, count, kept))
            position += count
    return EncoderReport(slot.name, tuple(used), len(ids), limit)


def _shared_tail(ids: Sequence[int], empty: Sequence[int]) -> int:
    """How many tokens a tokenizer puts after every text."""
    pairs = zip(reversed(ids), reversed(empty), strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one != other), min(len(ids), len(empty)))


def _encoder_line(each: EncoderReport) -> str:
    window = f" of {each.limit}" if each.limit else ""
    over = "  (more than fit)" if each.limit and each.tokens > each.limit else ""
    lines = [f"{each.encoder}: {each.tokens}{window} tokens{over}"]
    for use in each.used:
        place = (
            f"{use.vectors} vectors at {use.position}"
            if use.vectors
            else "nothing (it has no vectors for this encoder)"
        )
        cut = f", {use.vectors - use.kept} of them cut off" if use.kept < use.vectors else ""
        lines.append(f"  {use.name} (as {use.written!r}): {place}{cut}")
    return "\n".join(lines if each.used else [*lines, "  no embeddings"])


def _unknown_line(each: Unknown) -> str:
    close = f"; did you mean {', '.join(map(repr, each.nearest))}?" if each.nearest else ""
    return f"{each.name!r} is not loaded{close}"
