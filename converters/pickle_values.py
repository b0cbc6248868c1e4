"""What names in pickles stand for while a pickle is read: stand-ins, each for one thing that only a pickler needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.errors import Damaged

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = dict[tuple[str, str], Any]
"""Module and name -> what they stand for."""


@dataclass(slots=True)
class Named:
    """A name that something is done with: `call` makes what a call of it gives, `new` an empty instance."""

    call: Callable[[Arguments], Any]
    new: Callable[[], Any] | None = None


@dataclass(slots=True)
class Unbuilt:
    """What waits for its state: `build` makes the value from it; `slot` is its place in the machine's memo."""

    build: Callable[[Any], Any]
    slot: int = -1


@dataclass(slots=True)
class StorageType:
    """torch's class of a storage; `dtype` is None for one of bytes."""

    dtype: str | None
    itemsize: int


class TorchDtype(str):
    """torch's name of a number type, where a pickle holds the type itself."""

    __slots__ = ()


class Attributes(dict[str, Any]):
    """What an object that only carries attributes becomes."""


def misused(what: str) -> Damaged:
    """The error for a name of the table that something is done with that its program never does."""
    return Damaged(f"its pickle has {what} as no program writes it; download it again")


def only_named(_: Arguments) -> Any:
    """Refuse to do anything with a name that pickles hold, but never call."""
    raise misused("a class")
