"""Triggers to token ids inside the tokenizer, so that whoever tokenizes a prompt gets them: pipelines, compel, anyone.

A tokenizer that knows embeddings tokenizes a prompt in which one of its own special tokens stands for every vector, and
puts the learned ids there afterwards. So the text around a name is tokenized as around any special token, the limit
of tokens counts vectors, and the vocabulary stays as it is: nothing is added to it, nothing has to be removed from it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.errors import CannotLoad
from .expansion import Manner, expand, fill
from .retyping import Retyped, restore, retype
from .triggers import Trigger, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Tokenizer: TypeAlias = Any
"""A transformers tokenizer, fast or slow, of transformers 4 or 5."""

_expanding: ContextVar[bool] = ContextVar("expanding", default=False)
"""Whether a tokenizer's own methods, which call each other, are at work on a text with placeholders already."""
STATE = "_loanword"
"""The attribute in which a tokenizer keeps what it has learned."""
ROLES = ("bos_token", "cls_token", "sep_token", "mask_token", "eos_token", "unk_token", "pad_token")
"""Special tokens with a meaning of their own; the later, the less suited as a placeholder."""


class KnowsTriggers(Retyped):
    """What a tokenizer gains: the names of embeddings in its text become the ids of their vectors."""

    def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        parent: Any = super()
        return _with_vectors(self, parent.__call__, text, *args, **kwargs)

    def encode(
        self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, *args: Any, **kwargs: Any
    ) -> Any:
        parent: Any = super()
        if not isinstance(text, str):
            return parent.encode(text, text_pair, add_special_tokens, *args, **kwargs)
        named = dict(zip(("padding", "truncation", "max_length", "stride"), args, strict=False))
        return self(text, text_pair=text_pair, add_special_tokens=add_special_tokens, **named, **kwargs)["input_ids"]

    def tokenize(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        parent: Any = super()
        if _expanding.get() or not isinstance(text, str) or expand(vocabulary_of(self), text) is None:
            return parent.tokenize(text, *args, **kwargs)
        ids = self(text, add_special_tokens=kwargs.get("add_special_tokens", False))["input_ids"]
        return self.convert_ids_to_tokens(ids)

    def convert_ids_to_tokens(self, ids: Any, *args: Any, **kwargs: Any) -> Any:
        parent: Any = super()
        if isinstance(ids, int):
            return vocabulary_of(self).token_of(ids) or parent.convert_ids_to_tokens(ids, *args, **kwargs)
        found: list[Any] = []
        for learned, run in _runs(ids):
            known = vocabulary_of(self)
            found += map(known.token_of, run) if learned else parent.convert_ids_to_tokens(run, *args, **kwargs)
        return found

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        parent: Any = super()
        if not isinstance(tokens, str):
            return None if tokens is None else [self.convert_tokens_to_ids(token) for token in tokens]
        token_id = parent.convert_tokens_to_ids(tokens)
        if token_id is not None and parent.convert_ids_to_tokens(token_id) == tokens:
            return token_id
        learned = vocabulary_of(self).id_of_token(tokens)
        return token_id if learned is None else learned

    def decode(self, token_ids: Any, *args: Any, **kwargs: Any) -> Any:
        parent: Any = super()
        listed: Any = token_ids.tolist() if hasattr(token_ids, "tolist") else token_ids
        ids: list[Any] = [listed] if isinstance(listed, int) else list(listed)
        if ids and not isinstance(ids[0], int):
            return [self.decode(each, *args, **kwargs) for each in ids]
        if not any(token_id < 0 for token_id in ids):
            return parent.decode(token_ids, *args, **kwargs)
        parts = [
            " ".join(_names(vocabulary_of(self), run)) if learned else parent.decode(run, *args, **kwargs).strip()
            for learned, run in _runs(ids)
        ]
        return " ".join(part for part in parts if part)


class KnowsTriggersToo(KnowsTriggers):
    """The same for tokenizers with the further methods of transformers 4."""

    def encode_plus(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        parent: Any = super()
        return _with_vectors(self, parent.encode_plus, text, *args, **kwargs)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, *args: Any, **kwargs: Any) -> Any:
        parent: Any = super()
        return _with_vectors(self, parent.batch_encode_plus, batch_text_or_text_pairs, *args, **kwargs)


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary:
    """What a tokenizer that knows triggers has learned."""
    return tokenizer.__dict__[STATE]


def knows_triggers(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer has learned anything."""
    return isinstance(tokenizer, KnowsTriggers)


def taught(tokenizer: Tokenizer) -> Vocabulary:
    """The tokenizer's vocabulary, which it gets where it has none yet; raises CannotLoad where it cannot have one."""
    if not isinstance(tokenizer, KnowsTriggers):
        vocabulary = _new_vocabulary(tokenizer)
        tokenizer.__dict__[STATE] = vocabulary
        retype(tokenizer, KnowsTriggersToo if hasattr(tokenizer, "encode_plus") else KnowsTriggers)
    return vocabulary_of(tokenizer)


def triggers_of(tokenizer: Tokenizer) -> tuple[Trigger, ...]:
    """The words that a tokenizer knows, in the order in which they were loaded."""
    return tuple(vocabulary_of(tokenizer).triggers.values()) if isinstance(tokenizer, KnowsTriggers) else ()


def forget(tokenizer: Tokenizer, start: int) -> None:
    """Let the tokenizer no longer know the word whose slots begin at `start`."""
    if isinstance(tokenizer, KnowsTriggers) and start in vocabulary_of(tokenizer).triggers:
        vocabulary_of(tokenizer).discard(start)


def tidy(tokenizer: Tokenizer) -> None:
    """Make the tokenizer what it was where it has nothing left to know."""
    if isinstance(tokenizer, KnowsTriggers) and not (
        vocabulary_of(tokenizer).triggers or vocabulary_of(tokenizer).folders
    ):
        restore(tokenizer)
        del tokenizer.__dict__[STATE]


def _with_vectors(tokenizer: Tokenizer, tokenize: Callable[..., Any], text: Any, *args: Any, **kwargs: Any) -> Any:
    several = isinstance(text, (list, tuple))
    given: Any = text
    texts: list[Any] = list(given) if several else [given]
    plain = all(isinstance(each, str) for each in texts) and not kwargs.get("is_split_into_words")
    if not plain or _expanding.get():
        return tokenize(text, *args, **kwargs)
    vocabulary = vocabulary_of(tokenizer)
    expanded = [expand(vocabulary, each) for each in texts]
    if not any(expanded):
        return tokenize(text, *args, **kwargs)
    new = [each.text if each else old for each, old in zip(expanded, texts, strict=True)]
    outside = _expanding.set(True)
    try:
        encoding = tokenize(new if several else new[0], *args, **kwargs)
    finally:
        _expanding.reset(outside)
    fill(vocabulary, expanded, encoding, _manner(tokenizer, vocabulary, kwargs))
    return encoding


def _manner(tokenizer: Tokenizer, vocabulary: Vocabulary, options: dict[str, Any]) -> Manner:
    whole = options.get("truncation") in (None, False, "do_not_truncate") and options.get("max_length") is None
    leading = vocabulary.leading if options.get("add_special_tokens", True) else 0
    return Manner(whole, tokenizer.truncation_side == "left", leading)


def _runs(ids: Any) -> Iterator[tuple[bool, list[int]]]:
    """`ids` cut into runs of learned ids and of others, and which each is."""
    run: list[int] = []
    for token_id in map(int, ids):
        if run and (run[-1] < 0) != (token_id < 0):
            yield run[-1] < 0, run
            run = []
        run.append(token_id)
    if run:
        yield run[-1] < 0, run


def _names(vocabulary: Vocabulary, ids: list[int]) -> Iterator[str]:
    """Triggers for complete embeddings, so that their names read back as the same ids; tokens for parts of one."""
    position = 0
    while position < len(ids):
        trigger = vocabulary.trigger_of(ids[position])
        if trigger and ids[position : position + trigger.count] == list(trigger.ids):
            yield trigger.word.name
            position += trigger.count
        else:
            yield vocabulary.token_of(ids[position]) or str(ids[position])
            position += 1


def _new_vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    roles = [str(getattr(tokenizer, role)) for role in ROLES if role in tokenizer.special_tokens_map]
    others = [token for token in tokenizer.all_special_tokens if token not in roles]
    added = [token for token in tokenizer.added_tokens_encoder if token not in roles]
    for placeholder in dict.fromkeys((*others, *added, *roles)):
        token_id = tokenizer.convert_tokens_to_ids(placeholder)
        ids = tokenizer(f"a{placeholder}{placeholder} b", add_special_tokens=False)["input_ids"]
        if ids.count(token_id) == 2:
            return Vocabulary(placeholder, token_id, leading=tokenizer("")["input_ids"].count(token_id))
    raise CannotLoad(f"{type(tokenizer).__name__} has no special token that it finds in text; please report this model")
