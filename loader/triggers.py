"""The words that a pipeline has learned, and what one of its tokenizers knows of them."""

from __future__ import annotations

import bisect
import re
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ..embeddings.prompts import PromptNames, Reference
from .learned_tokens import id_of, slot_of

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTRUCTIONS = re.compile(
    r"<\|im_start\|>system.*?<\|im_end\|>"
    r"|<\|start_header_id\|>system.*?<\|eot_id\|>"
    r"|\[SYSTEM_PROMPT\].*?\[/SYSTEM_PROMPT\]"
    r"|<\|(?:im_start|start_header_id)\|>\w+"
    r"|\A.*<Prompt Start>"
    r"|\AGiven a user prompt.*User Prompt:"
    r"|Describe the image by detailing the [^:]*:",
    re.DOTALL,
)
"""What pipelines with language models say around a prompt, to the model.

Source: diffusers 0.42, the prompt templates of its pipelines (Qwen-Image, HunyuanVideo, Flux.2, Lumina 2, Sana, Ovis).
"""


@dataclass(frozen=True, eq=False)
class Word:
    """An embedding that is loaded, and the first of its slots."""

    name: str
    """The trigger."""
    start: int
    aliases: tuple[str, ...] = ()
    """Names that it has where a prompt announces a name (`embedding:…`, `<…>`)."""
    synonyms: tuple[str, ...] = ()
    """Other triggers."""
    path: str | None = None
    """The file it came from."""


@dataclass(frozen=True, eq=False)
class Trigger:
    """A word as one tokenizer knows it: with as many ids as its text encoder has vectors for it, perhaps none."""

    word: Word
    count: int

    @property
    def ids(self) -> range:
        return range(id_of(self.word.start), id_of(self.word.start) - self.count, -1)

    def token(self, position: int) -> str:
        """What stands for the vector at `position` in a list of tokens, spelled as diffusers spells it."""
        return f"{self.word.name}_{position}" if position else self.word.name


class Unread(Protocol):
    """A name whose embedding has not been read yet."""

    @property
    def name(self) -> str:
        """What prompts call it by."""
        ...

    @property
    def path(self) -> str:
        """The file that it is in."""
        ...

    @property
    def problem(self) -> str | None:
        """Why it cannot be loaded, as far as that was tried."""
        ...

    def load(self) -> None:
        """Load it, so that the name stands for a Trigger; or warn why it cannot be."""
        ...


class Folder(Protocol):
    """A place that names come from."""

    def refresh(self) -> None:
        """Notice files that came or went."""
        ...

    def renew(self, word: Word) -> bool:
        """Load a word again whose file has changed; whether it has."""
        ...

    def detach(self) -> None:
        """Take its names, and all that was loaded from it, out of the pipeline."""
        ...


def _no_names() -> PromptNames[Trigger | Unread]:
    return PromptNames()


@dataclass
class Vocabulary:
    """What a tokenizer has learned; slots and ids as in `learned_tokens.py`."""

    placeholder: str
    """The special token that stands for a vector while a prompt is tokenized."""
    placeholder_id: int
    leading: int
    """How many placeholders the tokenizer puts before a text of its own accord."""
    names: PromptNames[Trigger | Unread] = field(default_factory=_no_names)
    triggers: dict[int, Trigger] = field(default_factory=dict[int, Trigger])
    """By their first slot."""
    starts: list[int] = field(default_factory=list[int])
    """The keys of `triggers`, in order."""
    folders: list[Folder] = field(default_factory=list[Folder])

    @property
    def next_slot(self) -> int:
        """The first slot above all that are taken."""
        last = self.triggers[self.starts[-1]] if self.starts else None
        return last.word.start + max(last.count, 1) if last else 0

    def add(self, trigger: Trigger) -> None:
        """Know a word."""
        word = trigger.word
        self.names.add(word.name, trigger, word.aliases)
        for synonym in word.synonyms:
            self.names.add(synonym, trigger, first=False)
        self.triggers[word.start] = trigger
        bisect.insort(self.starts, word.start)

    def discard(self, start: int) -> None:
        """Forget the word whose slots begin at `start`."""
        trigger = self.triggers.pop(start)
        self.names.discard(trigger.word.name, trigger, trigger.word.aliases)
        for synonym in trigger.word.synonyms:
            self.names.discard(synonym, trigger)
        del self.starts[bisect.bisect_left(self.starts, start)]

    def named(self, name: str) -> Trigger | None:
        """The word that `name` is the trigger of, written in any way."""
        found = self.names.get(name)
        return found if isinstance(found, Trigger) else None

    def trigger_of(self, token_id: int) -> Trigger | None:
        """The word that a learned id belongs to."""
        position = bisect.bisect_right(self.starts, slot_of(token_id)) - 1
        trigger = self.triggers[self.starts[position]] if position >= 0 else None
        return trigger if trigger and token_id in trigger.ids else None

    def token_of(self, token_id: int) -> str | None:
        """The token that a learned id stands for."""
        trigger = self.trigger_of(token_id)
        return trigger.token(trigger.ids.index(token_id)) if trigger else None

    def id_of_token(self, token: str) -> int | None:
        """The learned id that `token_of` names `token`."""
        stem, _, number = token.rpartition("_")
        places = [(token, 0), (stem, int(number))] if number.isdecimal() and number.isascii() else [(token, 0)]
        for name, position in places:
            trigger = self.named(name)
            if trigger and position < trigger.count and trigger.token(position) == token:
                return trigger.ids[position]
        return None

    def references(self, text: str) -> list[Reference[Trigger | Unread]]:
        """What `text` names, after every file that it names was loaded where that is possible."""
        for folder in self.folders:
            folder.refresh()
        found = self._named_in(text)
        moved = False
        for value in (self._read(each.value) for each in found):
            if isinstance(value, Trigger):
                renewed = [folder.renew(value.word) for folder in self.folders]
                moved |= any(renewed)
            elif value is not None:
                value.load()
                moved = True
        found = self._named_in(text) if moved else found
        return [replace(each, value=self._read(each.value)) for each in found] if self.folders else found

    def _named_in(self, text: str) -> list[Reference[Trigger | Unread]]:
        """The references in what the user wrote, not in what a pipeline's template put around it."""
        found = self.names.references(text)
        if not found:
            return found
        around = [each.span() for each in INSTRUCTIONS.finditer(text)]
        return [each for each in found if not any(start <= each.start < end for start, end in around)]

    def _read(self, value: Trigger | Unread | None) -> Trigger | Unread | None:
        """What a name stands for: for a file that has been loaded, its word."""
        if value is None or isinstance(value, Trigger):
            return value
        trigger = self.named(value.name)
        return trigger if trigger and trigger.word.path == value.path else value

    def triggers_in(self, text: str) -> Iterator[tuple[Reference[Trigger | Unread], Trigger]]:
        """The words in `text`, from left to right. Warns of what is clearly meant as a name but is none."""
        for each in self.references(text):
            if isinstance(each.value, Trigger):
                yield each, each.value
            elif each.value is None and each.syntax != "invokeai":
                written = text[each.start : each.end]
                warnings.warn(
                    f"no embedding {each.name!r} is loaded, so {written!r} is read as plain words", stacklevel=6
                )
