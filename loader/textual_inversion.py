"""Embeddings into pipelines and out again: all of them in all text encoders, or nothing at all."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.errors import UnknownName
from ..embeddings.prompts import fold, nearest
from . import tokenizers
from .encoder_slots import Slot, slot_for, slots_of
from .hub import HubOptions
from .placing import place, remove, trigger_named
from .routing import Route, route
from .sources import read_sources
from .versions import check_versions
from .vocabulary import detach_all

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from .sources import Source
    from .triggers import Word

Pipeline: TypeAlias = Any


@dataclass(frozen=True)
class LoadedEmbedding:
    """An embedding in a pipeline: its trigger, and how many vectors it has in which text encoder."""

    name: str
    vectors: Mapping[str, int]
    """Encoder key (or component name, where the tables have no such encoder) -> number of vectors."""
    aliases: tuple[str, ...] = ()
    path: str | None = None

    def __str__(self) -> str:
        counts = (f"{key} {count}" if count else f"{key} nothing" for key, count in self.vectors.items())
        return f"{self.name}: {', '.join(counts)}"


@dataclass(frozen=True)
class Loaded:
    """What one call loaded. As a context manager, it is unloaded when the block ends."""

    embeddings: tuple[LoadedEmbedding, ...]
    fresh: frozenset[str] = frozenset()
    """The triggers among them that were not loaded before."""
    pipeline: weakref.ref[Pipeline] | None = field(default=None, repr=False, compare=False)

    def __iter__(self) -> Iterator[LoadedEmbedding]:
        return iter(self.embeddings)

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def names(self) -> tuple[str, ...]:
        """Their triggers."""
        return tuple(each.name for each in self.embeddings)

    def unload(self) -> None:
        """Remove them from the pipeline, where it still exists."""
        self._remove(self.names)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove(self.fresh)

    def __str__(self) -> str:
        return "\n".join(map(str, self.embeddings))

    def _remove(self, names: Iterable[str]) -> None:
        pipe = self.pipeline() if self.pipeline else None
        if pipe is not None:
            remove(slots_of(pipe), names)


def load_textual_inversion(
    pipe: Pipeline,
    source: Source,
    token: str | Sequence[str | None] | None = None,
    *,
    text_encoder: Any = None,
    tokenizer: Any = None,
    allow_partial: bool = False,
    weight_name: str | None = None,
    subfolder: str | None = None,
    revision: str | None = None,
    variant: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
    local_files_only: bool | None = None,
    proxies: dict[str, str] | None = None,
    hf_token: str | bool | None = None,
    use_safetensors: bool | None = None,
) -> Loaded:
    """Load embeddings into every text encoder of a pipeline that they have vectors for; all of them or none.

    `source` is a path of a file or folder, the id of a repository on the Hub, a state dict, a tensor, an Embedding, or
    a list of these; `token` the trigger, or a list of triggers: one for each embedding, or one for each vector of a
    single one. `text_encoder` and `tokenizer` restrict it to one encoder. `allow_partial` also loads embeddings that
    have no vectors for some encoder, which then reads nothing in their place. The rest says which file of a folder or
    repository is meant, as in diffusers.

    Raises FileErrors for what cannot be read and CannotLoad for what does not fit; the pipeline is then as it was.
    """
    check_versions()
    options = HubOptions(
        weight_name,
        subfolder,
        revision,
        variant,
        cache_dir,
        force_download,
        local_files_only,
        proxies,
        hf_token,
        use_safetensors,
    )
    slots = slots_for(pipe, text_encoder, tokenizer)
    chosen = text_encoder is not None or tokenizer is not None
    found = read_sources(source, token, options)
    routes = [route(each, slots, allow_partial=allow_partial, chosen=chosen) for each in found]
    return put(pipe, slots, routes)


def slots_for(pipe: Pipeline, text_encoder: Any, tokenizer: Any) -> tuple[Slot, ...]:
    """All text encoders of a pipeline, or the one that the caller chose."""
    if text_encoder is None and tokenizer is None:
        return slots_of(pipe)
    return (slot_for(pipe, text_encoder, tokenizer),)


def put(pipe: Pipeline, slots: Sequence[Slot], routes: Sequence[Route]) -> Loaded:
    """Load what is routed already; raises CannotLoad where a trigger is taken."""
    fresh = place(slots, routes)
    return Loaded(tuple(_described(slots, each) for each in routes), frozenset(fresh), weakref.ref(pipe))


def unload(pipe: Pipeline, which: Loaded | LoadedEmbedding | str | Sequence[Any] | None = None) -> None:
    """Remove embeddings from a pipeline without a trace: the named ones, those of a handle, or, with None, everything.

    Raises UnknownName where no embedding of that name is loaded; nothing is removed then.
    """
    slots = slots_of(pipe)
    if which is None:
        detach_all(slots)
        remove(slots, None)
        return
    names = list(_names(which))
    for name in names:
        if not any(trigger_named(tokenizer, name) for slot in slots for tokenizer in slot.tokenizers):
            close = nearest(name, [each.name for each in loaded(pipe)])
            hint = f"did you mean {', '.join(map(repr, close))}?" if close else "loaded(pipe) lists what is"
            raise UnknownName(f"no embedding called {name!r} is loaded; {hint}")
    remove(slots, names)


def loaded(pipe: Pipeline) -> tuple[LoadedEmbedding, ...]:
    """Every embedding in a pipeline, in the order in which they were loaded."""
    words: dict[str, Word] = {}
    counts: dict[str, dict[str, int]] = {}
    for slot in slots_of(pipe):
        for trigger in (each for tokenizer in slot.tokenizers for each in tokenizers.triggers_of(tokenizer)):
            name = fold(trigger.word.name)
            words.setdefault(name, trigger.word)
            counts.setdefault(name, {})[slot.name] = trigger.count
    return tuple(LoadedEmbedding(word.name, counts[name], word.aliases, word.path) for name, word in words.items())


def _described(slots: Sequence[Slot], routed: Route) -> LoadedEmbedding:
    one = routed.incoming
    counts = {slot.name: routed.count(i) for i, slot in enumerate(slots) if routed.vectors[i] or not routed.leave}
    return LoadedEmbedding(one.name, counts, one.aliases, one.path)


def _names(which: Any) -> Iterator[str]:
    if isinstance(which, str):
        yield which
    elif isinstance(which, LoadedEmbedding):
        yield which.name
    else:
        for each in which:
            yield from _names(each)
