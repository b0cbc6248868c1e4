"""A prompt while it is tokenized: with placeholders for vectors, and then with the vectors' ids in their places."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import LoanwordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .triggers import Trigger, Vocabulary


@dataclass(frozen=True)
class Expanded:
    """A text with placeholders: where each stands, and the id that belongs there, from left to right."""

    text: str
    offsets: list[int]
    ids: list[int]
    triggers: list[tuple[Trigger, int]]
    """The words in the text, and where in `ids` each begins."""


@dataclass(frozen=True)
class Manner:
    """How a tokenizer was asked to tokenize: whether it may cut something off, at which side, what it puts before."""

    whole: bool
    cuts_left: bool
    leading: int


def expand(vocabulary: Vocabulary, text: str) -> Expanded | None:
    """`text` with placeholders for the embeddings that it names; None where it names none.

    White space before a name goes, as in ComfyUI: some tokenizers would make a token of it.
    """
    mark = vocabulary.placeholder
    parts: list[str] = []
    ids: list[int] = []
    triggers: list[tuple[Trigger, int]] = []
    end = 0
    for reference, trigger in vocabulary.triggers_in(text):
        plain = text[end : reference.start]
        end = reference.end
        ids += [vocabulary.placeholder_id] * plain.count(mark)
        triggers.append((trigger, len(ids)))
        ids += trigger.ids
        parts += [plain.rstrip(), mark * trigger.count] if trigger.count else [plain, " "]
    if not triggers:
        return None
    ids += [vocabulary.placeholder_id] * text.count(mark, end)
    whole = "".join((*parts, text[end:]))
    return Expanded(whole, list(_offsets(whole, mark)), ids, triggers)


def fill(vocabulary: Vocabulary, texts: Sequence[Expanded | None], encoding: Any, manner: Manner) -> None:
    """Put the ids of `texts` into what a tokenizer made of them. Warns of embeddings that it cut off."""
    rows = encoding["input_ids"]
    single = not hasattr(rows[0], "__len__")
    sources = encoding.get("overflow_to_sample_mapping", range(len(texts)))
    kept: list[set[int]] = [set() for _ in texts]
    for i, source in enumerate(int(each) for each in sources):
        text = texts[source]
        if text is None:
            continue
        row = rows if single else rows[i]
        exact = encoding.encodings[i] if encoding.encodings else None
        places = _by_offset(vocabulary, text, exact) if exact else _in_order(vocabulary, text, row, manner)
        for position, index in places:
            row[position] = text.ids[index]
            kept[source].add(index)
    for text, indices in zip(texts, kept, strict=True):
        if text is not None and len(indices) < len(text.ids):
            _explain_cut(text, indices, len(rows) if single else len(rows[0]), manner)


def _offsets(text: str, mark: str) -> Iterator[int]:
    offset = text.find(mark)
    while offset >= 0:
        yield offset
        offset = text.find(mark, offset + len(mark))


def _by_offset(vocabulary: Vocabulary, text: Expanded, encoding: Any) -> Iterator[tuple[int, int]]:
    """Each placeholder's position among the tokens and in `text.ids`, from where it stood in the text."""
    indices = {offset: index for index, offset in enumerate(text.offsets)}
    offsets = encoding.offsets
    for position, token_id in enumerate(encoding.ids):
        if token_id == vocabulary.placeholder_id:
            start, end = offsets[position]
            if end > start and start in indices:
                yield position, indices[start]


def _in_order(vocabulary: Vocabulary, text: Expanded, row: Any, manner: Manner) -> Iterator[tuple[int, int]]:
    """The same where the tokenizer keeps no offsets."""
    found = [position for position, token_id in enumerate(row) if token_id == vocabulary.placeholder_id]
    positions = found[manner.leading :]
    lost = len(text.ids) - len(positions)
    return zip(positions, range(max(lost, 0) if manner.cuts_left else 0, len(text.ids)), strict=False)


def _explain_cut(text: Expanded, kept: set[int], limit: int, manner: Manner) -> None:
    if manner.whole:
        raise LoanwordError(f"the tokenizer lost embeddings of {text.text!r}; please report its class and this prompt")
    for trigger, first in text.triggers:
        left = len(kept.intersection(range(first, first + trigger.count)))
        if left < trigger.count:
            warnings.warn(
                f"the embedding {trigger.word.name!r} is cut off: {left} of its {trigger.count} vectors are within the "
                f"{limit} tokens that the text encoder takes; name it earlier, or shorten the prompt",
                stacklevel=5,
            )
