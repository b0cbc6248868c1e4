"""The row that every format module provides, and the list of formats, which is the folder `formats/` itself."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..embeddings.errors import UnknownName, UnrecognisedFormat
from . import formats as formats_folder
from .strangers import stranger_by_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..embeddings.embedding import Embedding
    from .payload import Draft, Payload, Tree


@dataclass(frozen=True)
class Format:
    """One way of writing embeddings down.

    `recognise` says, from keys and shapes alone, whether a payload is of this format; no two say so of the same one.
    `parse` gives its embeddings, or raises MalformedEmbedding. `build` makes what a container saves, or raises
    CannotWrite where the format cannot hold the embeddings; None where no program writes it stand-alone.
    """

    key: str
    title: str
    written_by: tuple[str, ...]
    """The programs that write it."""
    containers: tuple[str, ...]
    """Keys of the containers it is found in; the first is the one loanword writes."""
    recognise: Callable[[Payload], bool]
    parse: Callable[[Payload], list[Embedding]]
    build: Callable[[Sequence[Embedding]], Draft] | None
    keys: frozenset[str] = frozenset()
    """Root keys of which such a payload has at least one; empty where something else tells it."""
    prefix: str = ""
    """How at least one root key of such a payload begins; empty where something else tells it."""
    root: type = dict
    """What the tree of such a payload is."""
    several: bool = False
    """Whether one file can hold several embeddings."""
    fallback: bool = False
    """Whether any key may be a token's, so that it is asked only when no other format recognises the payload."""


@functools.cache
def all_formats() -> Mapping[str, Format]:
    """Every format by its key, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(formats_folder.__path__))
    rows = [importlib.import_module(f"{formats_folder.__name__}.{name}").FORMAT for name in names]
    return {row.key: row for row in rows}


def format_named(key: str) -> Format:
    """The format called `key`; raises UnknownName."""
    try:
        return all_formats()[key]
    except KeyError:
        raise UnknownName(f"no format is called {key!r}; there are {', '.join(all_formats())}") from None


def recognised(payload: Payload) -> Format:
    """The format of `payload`; raises NotAnEmbedding, naming it, where it is something else that is known.

    Raises UnrecognisedFormat where no format claims it, or more than one: then programs would read different things.
    """
    claims = [row for row in _candidates(payload.tree) if row.recognise(payload)]
    if not claims:
        if stranger := stranger_by_keys(payload):
            raise stranger
        claims = [row for row in all_formats().values() if row.fallback and row.recognise(payload)]
    if len(claims) == 1:
        return claims[0]
    if claims:
        both = " + ".join(sorted(row.key for row in claims))
        raise UnrecognisedFormat(f"is laid out as {both} at once, which programs read differently; take one out")
    raise UnrecognisedFormat("no known program writes embeddings like this; if it is one, please report this file")


def _candidates(tree: Tree) -> list[Format]:
    """The formats worth asking about a tree: those that its keys tell, and those that no key of a dict does."""
    told_by = _told_by()
    if type(tree) is not dict:
        return told_by.something_else
    candidates = told_by.nothing_in_a_dict.copy()
    for key in cast("dict[Any, Any]", tree):
        if key in told_by.keys:
            candidates |= told_by.keys[key]
        elif type(key) is str and key.startswith(told_by.prefixes):
            candidates |= {row.key: row for row in told_by.something_else if row.prefix and key.startswith(row.prefix)}
    return [*candidates.values()]


@dataclass(frozen=True)
class _ToldBy:
    """The certain formats, by what tells them."""

    keys: Mapping[Any, dict[str, Format]]
    prefixes: tuple[str, ...]
    something_else: list[Format]
    nothing_in_a_dict: dict[str, Format]


@functools.cache
def _told_by() -> _ToldBy:
    certain = [row for row in all_formats().values() if not row.fallback]
    keys: dict[Any, dict[str, Format]] = {}
    for row in certain:
        for key in row.keys:
            keys.setdefault(key, {})[row.key] = row
    unkeyed = [row for row in certain if not row.keys]
    prefixes = tuple(row.prefix for row in unkeyed if row.prefix)
    return _ToldBy(keys, prefixes, unkeyed, {row.key: row for row in unkeyed if row.root is dict and not row.prefix})
