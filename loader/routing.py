"""Which vectors of an embedding go to which text encoder of a pipeline: by key first, and always by width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..embeddings.errors import CannotLoad
from ..embeddings.text_encoders import BASE_MODELS, base_model_of
from .sources import ANY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..embeddings.embedding import Vectors
    from .encoder_slots import Slot
    from .sources import Incoming


@dataclass(frozen=True)
class Route:
    """An embedding and the vectors that each slot of a pipeline gets, by the slot's position.

    Where a slot gets None, its encoder reads nothing, or, with `leave`, the name as plain words.
    """

    incoming: Incoming
    vectors: tuple[Vectors | None, ...]
    leave: bool = False

    def count(self, position: int) -> int:
        """How many vectors the slot at `position` gets."""
        vectors = self.vectors[position]
        return vectors.shape[0] if vectors else 0


def route(
    incoming: Incoming, slots: Sequence[Slot], *, allow_partial: bool, chosen: bool = False, leave: bool = False
) -> Route:
    """The vectors for each of `slots`; raises CannotLoad where an encoder would get none and that is not allowed.

    `chosen` says that the caller named the encoder, so that the width alone decides what is for it.
    """
    if incoming.refusal:
        raise CannotLoad(f"{_named(incoming)} {incoming.refusal}")
    vectors = tuple(_vectors_for(slot, incoming, slots, chosen=chosen) for slot in slots)
    if not any(vectors):
        raise CannotLoad(f"{_named(incoming)} {_has(incoming.vectors)}, {_takes(slots)}{_made_for(incoming)}")
    missing = [slot for slot, each in zip(slots, vectors, strict=True) if each is None]
    if missing and not (allow_partial or leave):
        raise CannotLoad(
            f"{_named(incoming)} {_has(incoming.vectors)}, {_takes(slots)}{_made_for(incoming)}; "
            f"allow_partial=True uses it, and {', '.join(slot.name for slot in missing)} reads nothing in its place"
        )
    return Route(incoming, vectors, leave)


def _vectors_for(slot: Slot, incoming: Incoming, slots: Sequence[Slot], *, chosen: bool) -> Vectors | None:
    fitting = {key: vectors for key, vectors in incoming.vectors.items() if vectors.shape[1] == slot.width}
    if slot.key in fitting:
        return fitting[slot.key]
    if chosen and len(fitting) == 1:
        return next(iter(fitting.values()))
    twins = [each for each in slots if each.width == slot.width]
    return fitting.get(ANY) if len(twins) == 1 else None


def _named(incoming: Incoming) -> str:
    return f"{incoming.path}: {incoming.name!r}" if incoming.path else repr(incoming.name)


def _has(vectors: Mapping[str, Vectors]) -> str:
    listed = ", ".join(f"{key or 'unnamed'} {each.shape[0]} x {each.shape[1]}" for key, each in vectors.items())
    return f"has vectors {listed}"


def _takes(slots: Sequence[Slot]) -> str:
    return f"this pipeline takes them for {', '.join(map(str, slots))}"


def _made_for(incoming: Incoming) -> str:
    model = base_model_of(key for key in incoming.vectors if key != ANY)
    return f"; it was made for {BASE_MODELS[model].title}" if model else ""
