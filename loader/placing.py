"""Vectors into text encoders and triggers into tokenizers: prepared first, then made known, undone if anything fails.

Names are known by the tokenizers last, so no prompt can hold an id whose vector is not there yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.errors import CannotLoad
from ..embeddings.prompts import fold
from . import learned_tokens, tokenizers
from .triggers import Trigger, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch

    from ..embeddings.embedding import Vectors
    from .encoder_slots import Slot
    from .routing import Route

    Tensor: TypeAlias = torch.Tensor

BATCH = 4 * 1024 * 1024
"""Bytes of vectors that are brought into an encoder at once; what loading needs beside the vectors themselves."""


@dataclass(frozen=True)
class _Placement:
    """A word, and by slot the vectors that it gets there."""

    word: Word
    vectors: dict[int, Vectors | None]

    def count(self, position: int) -> int:
        vectors = self.vectors[position]
        return vectors.shape[0] if vectors else 0


def place(slots: Sequence[Slot], routes: Sequence[Route]) -> set[str]:
    """Load what is not loaded already; returns the triggers of that.

    Raises CannotLoad where a trigger stands for something else already, and where a vector does not fit the encoder's
    number type. The pipeline is then as it was.
    """
    new = list(_new(slots, routes))
    placements: list[_Placement] = []
    try:
        placements = _planned(slots, new) if new else []
        stored = [_stored(slot, i, placements) for i, slot in enumerate(slots)]
        for i, slot in enumerate(slots):
            if stored[i]:
                learned_tokens.learn(slot.encoder, [(placement.word.start, rows) for placement, rows in stored[i]])
        for i, slot in enumerate(slots):
            for placement in placements:
                if i in placement.vectors:
                    _make_known(slot, placement.word, placement.count(i))
    except BaseException:
        for slot in slots:
            _drop(slot, [placement.word.start for placement in placements])
        raise
    return {placement.word.name for placement in placements}


def remove(slots: Sequence[Slot], names: Iterable[str] | None) -> None:
    """Remove the words with these triggers, or all, and what the last of them leaves behind."""
    chosen = None if names is None else list(names)
    starts = [list(_starts(slot, chosen)) for slot in slots]  # all first: a tokenizer may feed several slots
    for slot, own in zip(slots, starts, strict=True):
        _drop(slot, own)


def trigger_named(tokenizer: Any, name: str) -> Trigger | None:
    """What a tokenizer knows under `name`."""
    return tokenizers.vocabulary_of(tokenizer).named(name) if tokenizers.knows_triggers(tokenizer) else None


def _starts(slot: Slot, names: Sequence[str] | None) -> Iterator[int]:
    for tokenizer in slot.tokenizers:
        named = (
            tokenizers.triggers_of(tokenizer) if names is None else [trigger_named(tokenizer, name) for name in names]
        )
        yield from (each.word.start for each in named if each is not None)


def _drop(slot: Slot, starts: Sequence[int]) -> None:
    for tokenizer in slot.tokenizers:
        for start in starts:
            tokenizers.forget(tokenizer, start)
        tokenizers.tidy(tokenizer)
    for start in starts:
        learned_tokens.forget(slot.encoder, start)
    learned_tokens.tidy(slot.encoder)


def _new(slots: Sequence[Slot], routes: Sequence[Route]) -> Iterator[tuple[Route, list[int]]]:
    """What is not loaded yet, and in which slots; raises CannotLoad where its trigger is taken."""
    seen: dict[str, Route] = {}
    for each in routes:
        name = fold(each.incoming.name)
        if not name:
            raise CannotLoad(f"{each.incoming.name!r} cannot be named in a prompt; pass token= with a word")
        twin = seen.setdefault(name, each)
        if twin is not each:
            if twin.vectors != each.vectors:
                raise _taken(each, twin.incoming.path)
            continue
        wanted = [i for i, vectors in enumerate(each.vectors) if vectors is not None or not each.leave]
        absent = [i for i in wanted if not _is_loaded(slots[i], each, i)]
        if absent:
            yield each, absent


def _is_loaded(slot: Slot, route: Route, position: int) -> bool:
    """Whether the slot knows just this embedding; raises CannotLoad where it knows another one by this name."""
    import torch

    known = [trigger_named(tokenizer, route.incoming.name) for tokenizer in slot.tokenizers]
    trigger = next((each for each in known if each is not None), None)
    if trigger is None:
        return False
    vectors = route.vectors[position]
    if trigger.count == route.count(position):
        if vectors is None:
            return True
        old = learned_tokens.vectors_of(slot.encoder, trigger.word.start)
        if old is not None and torch.equal(old, _tensor([vectors]).to(old)):
            return True
    raise _taken(route, trigger.word.path)


def _taken(route: Route, path: str | None) -> CannotLoad:
    name = route.incoming.name
    origin = f" ({path})" if path else ""
    return CannotLoad(
        f"{name!r} is another embedding's trigger already{origin}, each needs its own; pass token= with another word"
    )


def _planned(slots: Sequence[Slot], new: Sequence[tuple[Route, list[int]]]) -> list[_Placement]:
    """The words with their slots; slots of the pipeline's tokenizers and encoders that none of them uses yet."""
    vocabularies = [tokenizers.taught(tokenizer) for slot in slots for tokenizer in slot.tokenizers]
    encoders = [learned_tokens.next_slot(slot.encoder) for slot in slots]
    start = max((*encoders, *(vocabulary.next_slot for vocabulary in vocabularies)))
    placements: list[_Placement] = []
    for each, absent in new:
        one = each.incoming
        word = Word(one.name, start, one.aliases, one.synonyms, one.path)
        placements.append(_Placement(word, {i: each.vectors[i] for i in absent}))
        start += max(1, *(each.count(i) for i in absent))
    return placements


def _stored(slot: Slot, position: int, placements: Sequence[_Placement]) -> list[tuple[_Placement, range]]:
    """Bring the vectors for one slot into its encoder; returns the rows where they are, which nothing refers to yet."""
    wanted = [each for each in placements if each.vectors.get(position) is not None]
    if not wanted:
        return []
    total = sum(each.count(position) for each in wanted)
    end = wanted[-1].word.start + wanted[-1].count(position)
    rows = learned_tokens.reserve(slot.encoder, total, end)
    first = rows.start
    for batch in _batches([vectors for each in wanted if (vectors := each.vectors[position])]):
        tensor = _tensor(batch)
        learned_tokens.write(slot.encoder, range(first, first + len(tensor)), tensor)
        first += len(tensor)
    places: list[tuple[_Placement, range]] = []
    first = rows.start
    for each in wanted:
        places.append((each, range(first, first + each.count(position))))
        first += each.count(position)
    _check_finite(slot, position, places, rows)
    return places


def _batches(vectors: Sequence[Vectors]) -> Iterator[list[Vectors]]:
    """Vectors of one number type at a time, about BATCH bytes of them."""
    batch: list[Vectors] = []
    size = 0
    for each in vectors:
        if batch and (size + len(each.data) > BATCH or each.dtype != batch[0].dtype):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += len(each.data)
    yield batch


def _tensor(vectors: Sequence[Vectors]) -> Tensor:
    """Vectors of one number type and width as one tensor of that type."""
    import torch

    numbers = torch.frombuffer(bytearray().join(each.data for each in vectors), dtype=getattr(torch, vectors[0].dtype))
    return numbers.reshape(-1, vectors[0].shape[1])


def _check_finite(slot: Slot, position: int, places: Sequence[tuple[_Placement, range]], rows: range) -> None:
    import torch

    total = learned_tokens.stored(slot.encoder, rows).sum(dtype=torch.float32)
    if bool(torch.isfinite(total)):  # a sum meets every number, far faster than asking each
        return
    for placement, own in places:
        stored = learned_tokens.stored(slot.encoder, own)
        vectors = placement.vectors[position]
        if vectors and not bool(torch.isfinite(stored).all()):
            source = bool(torch.isfinite(_tensor([vectors]).float()).all())
            kind = str(stored.dtype).removeprefix("torch.")
            found = f"is too large for {kind}, which {slot.name} has; use a pipeline of bfloat16 or float32"
            broken = "holds numbers that are not finite, which would blacken every image; get an intact file"
            raise CannotLoad(f"{placement.word.name!r} {found if source else broken}")


def _make_known(slot: Slot, word: Word, count: int) -> None:
    trigger = Trigger(word, count)
    for tokenizer in slot.tokenizers:
        twin = tokenizers.vocabulary_of(tokenizer).triggers.get(word.start)
        if twin is None:
            tokenizers.vocabulary_of(tokenizer).add(trigger)
        elif twin.count != count:
            raise CannotLoad(
                f"{word.name!r} has {twin.count} vectors for one encoder and {count} for {slot.name}, "
                "which the same tokenizer feeds; give each encoder a tokenizer of its own"
            )
