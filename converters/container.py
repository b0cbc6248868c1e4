"""The row that every container module provides, and the choice among them by a file's first bytes."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..embeddings.errors import UnknownName
from . import containers as containers_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..embeddings.dtypes import Buffer
    from .payload import Draft, Tree
    from .source import Source


@dataclass(slots=True)
class Opened:
    """What a container's `open` gives: a tree of plain values and Tensors, and the text beside it."""

    tree: Tree
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Container:
    """One kind of file. `claims` decides by the first 64 bytes; `open` reads, raising FileErrors; `save` writes.

    `save` gives a whole file's bytes, the same for the same draft; it is None where loanword does not write the kind.
    """

    key: str
    title: str
    suffixes: tuple[str, ...]
    """Suffixes with their dot, lower case; the first is the one loanword writes."""
    claims: Callable[[bytes], bool]
    open: Callable[[Source], Opened]
    save: Callable[[Draft], bytes] | None
    pieces: Callable[[Draft], Iterator[Buffer]] | None = None
    """The same bytes as `save` gives, piece by piece, for files too large for memory; None where there is no need."""
    pickled: bool = False
    """Whether other programs run code when they read it."""
    foreign_suffixes: tuple[str, ...] = ()
    """Suffixes that promise another kind of file, under which this one is refused."""


_ASKED_FIRST = ("safetensors", "torch-zip")
"""What nearly every embedding is."""


@functools.cache
def all_containers() -> Mapping[str, Container]:
    """Every container by its key, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(containers_folder.__path__))
    modules = [importlib.import_module(f"{containers_folder.__name__}.{name}") for name in names]
    rows = [row for module in modules for row in getattr(module, "CONTAINERS", ())]
    return {row.key: row for row in rows}


def claimant(head: bytes) -> Container | None:
    """The container of a file that begins with `head`."""
    for container in _in_order_of_asking():
        if container.claims(head):
            return container
    return None


@functools.cache
def _in_order_of_asking() -> tuple[Container, ...]:
    return tuple(sorted(all_containers().values(), key=lambda row: row.key not in _ASKED_FIRST))


@functools.cache
def known_suffixes() -> frozenset[str]:
    """What files that some container knows end in."""
    return frozenset(suffix for row in all_containers().values() for suffix in row.suffixes)


def container_named(key: str) -> Container:
    """The container called `key`; raises UnknownName."""
    try:
        return all_containers()[key]
    except KeyError:
        raise UnknownName(f"no container is called {key!r}; there are {', '.join(all_containers())}") from None
