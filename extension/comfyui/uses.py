"""Which embeddings a prompt uses, and which text encoders of the model go without."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...embeddings.text_encoders import BASE_MODELS, TEXT_ENCODERS
from .announcements import say_once

if TYPE_CHECKING:
    from collections.abc import Generator

    from ...embeddings.embedding import Embedding
    from .shelf import Entry


@dataclass
class Use:
    """An embedding in a prompt: how many vectors the encoders take of it, by title; none where it has none."""

    entry: Entry
    embeddings: tuple[Embedding, ...]
    counts: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def taken_by(self) -> list[str]:
        """The titles of the encoders that have vectors of it."""
        return [title for title, count in self.counts.items() if count]

    @property
    def missing_in(self) -> list[str]:
        """The titles of the encoders that go without."""
        return [title for title, count in self.counts.items() if not count]

    @property
    def made_for(self) -> str:
        """The base model that it is for, as users know it, or its text encoders."""
        models = dict.fromkeys(BASE_MODELS[each.base_model].title for each in self.embeddings if each.base_model)
        keys = dict.fromkeys(key for each in self.embeddings for key in (*each.vectors, *each.output_vectors))
        return " and ".join(models or [TEXT_ENCODERS[key].title for key in keys])

    @property
    def unused(self) -> list[str]:
        """The titles of the encoders that it has vectors for, and the model has not."""
        titles = [TEXT_ENCODERS[key].title for each in self.embeddings for key in each.vectors]
        return [title for title in dict.fromkeys(titles) if title not in self.counts]

    def sentence(self, *, whole: bool = True) -> str:
        """What does not fit, in a sentence; empty where all of it does.

        `whole`: whether all of the model's text encoders were asked.
        """
        if not self.missing_in:
            parts = " and ".join(self.unused) if whole else ""
            return f"{self.entry.name!r} is for {self.made_for}: this model has no {parts}" if parts else ""
        name, others = repr(self.entry.name), " and ".join(self.missing_in)
        if not any(each.vectors for each in self.embeddings):
            return f"{name} has no vectors for prompts; it works only where it was trained"
        if not self.taken_by:
            return f"{name} is for {self.made_for}, this model reads prompts with {others}; it is left out"
        return f"{name} is for {self.made_for}: {' and '.join(self.taken_by)} takes it, {others} goes without"


@dataclass
class Uses:
    """The embeddings of one prompt, in the order in which it names them."""

    found: dict[Entry, Use] = field(default_factory=dict["Entry", Use])
    problems: dict[str, None] = field(default_factory=dict[str, None])
    """Sentences about files that cannot be used."""
    whole: bool = False
    """Whether all of a model's text encoders are asked."""
    refreshed: bool = False
    """Whether the folders were looked at anew for a name that was not known."""

    def sentences(self) -> list[str]:
        """What does not fit or cannot be used."""
        fitting = (use.sentence(whole=self.whole) for use in self.found.values())
        return [*self.problems, *(sentence for sentence in fitting if sentence)]

    def note(self, entry: Entry, embeddings: list[Embedding], encoder: str, count: int) -> None:
        """`encoder`, a title, takes `count` vectors of an embedding."""
        self.found.setdefault(entry, Use(entry, tuple(embeddings))).counts[encoder] = count


_current: ContextVar[Uses | None] = ContextVar("loanword_uses", default=None)


@contextlib.contextmanager
def noting_uses(*, whole: bool = False) -> Generator[Uses]:
    """While the block runs, what is tokenized is noted; what does not fit is said when the outermost block ends."""
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    uses = Uses(whole=whole)
    token = _current.set(uses)
    try:
        yield uses
    finally:
        _current.reset(token)
        for line in uses.sentences():
            say_once(line)
