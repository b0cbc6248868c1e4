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
    def sentence(self) -> str:
        """What does not fit, in a sentence; empty where all of it does."""
        if not self.missing_in:
            return ""
        name, others = repr(self.entry.name), " and ".join(self.missing_in)
        if not any(each.vectors for each in self.embeddings):
            return f"{name} has no vectors for prompts ({self.entry.path}); it works only where it was trained"
        if not self.taken_by:
            return f"{name} is for {self.made_for}, this model reads prompts with {others}; it is left out"
        return f"{name} is for {self.made_for}: {' and '.join(self.taken_by)} takes it, {others} goes without"


@dataclass
class Uses:
    """The embeddings of one prompt, in the order in which it names them."""

    found: dict[Entry, Use] = field(default_factory=dict["Entry", Use])
    problems: dict[str, None] = field(default_factory=dict[str, None])
    """Sentences about files that cannot be used."""

    def note(self, entry: Entry, embeddings: list[Embedding], encoder: str, count: int) -> None:
        """`encoder`, a title, takes `count` vectors of an embedding."""
        self.found.setdefault(entry, Use(entry, tuple(embeddings))).counts[encoder] = count


_current: ContextVar[Uses | None] = ContextVar("loanword_uses", default=None)


@contextlib.contextmanager
def noting_uses() -> Generator[Uses]:
    """While the block runs, what is tokenized is noted; what does not fit is said when the outermost block ends."""
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    uses = Uses()
    token = _current.set(uses)
    try:
        yield uses
    finally:
        _current.reset(token)
        for line in (*uses.problems, *(use.sentence for use in uses.found.values())):
            if line:
                say_once(line)
