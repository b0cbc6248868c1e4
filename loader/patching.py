"""diffusers' own methods, done by loanword: scripts that call them get everything without a change.

Source: diffusers 0.42, `loaders/textual_inversion.py`; arguments, defaults and kinds of errors are its.
"""

from __future__ import annotations

import warnings
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.errors import Damaged, Unreadable
from .hub import HubOptions
from .placing import remove, trigger_named
from .routing import route
from .sources import Incoming, read_sources
from .textual_inversion import put, slots_for, unload
from .versions import check_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .textual_inversion import Loaded

Pipeline: TypeAlias = Any

METHODS = ("load_textual_inversion", "unload_textual_inversion")
_OPTIONS = frozenset(field.name for field in fields(HubOptions))
_originals: list[tuple[type[Any], str, Any]] = []


def patch_diffusers() -> None:
    """Make the methods of every diffusers pipeline loanword's, of those, too, that have none themselves."""
    check_versions()
    if _originals:
        return
    from diffusers.loaders.textual_inversion import TextualInversionLoaderMixin
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    for kind in (TextualInversionLoaderMixin, DiffusionPipeline):
        for name, method in zip(METHODS, (_load_textual_inversion, _unload_textual_inversion), strict=True):
            _originals.append((kind, name, vars(kind).get(name)))
            setattr(kind, name, method)


def unpatch_diffusers() -> None:
    """Give diffusers its own methods back."""
    while _originals:
        kind, name, original = _originals.pop()
        if original is None:
            delattr(kind, name)
        else:
            setattr(kind, name, original)


def _load_textual_inversion(
    self: Pipeline,
    pretrained_model_name_or_path: Any,
    token: str | Sequence[str | None] | None = None,
    tokenizer: Any = None,
    text_encoder: Any = None,
    **kwargs: Any,
) -> Loaded:
    """As `loanword.load_textual_inversion`; encoders that an embedding has no vectors for read its name as words."""
    options = HubOptions(**{name: value for name, value in kwargs.items() if name in _OPTIONS})
    token = kwargs.get("tokens", token) if token is None else token  # as diffusers' own documentation calls it
    if ignored := sorted(kwargs.keys() - _OPTIONS - {"tokens", "mirror"}):
        warnings.warn(f"load_textual_inversion does not know {', '.join(ignored)}", stacklevel=2)
    slots = slots_for(self, text_encoder, tokenizer)
    chosen = text_encoder is not None or tokenizer is not None
    try:
        found = read_sources(pretrained_model_name_or_path, token, options)
    except (Unreadable, Damaged) as error:
        raise OSError(str(error)) from error
    found = found if token is not None else [_as_stored(each) for each in found]
    return put(self, slots, [route(each, slots, allow_partial=False, chosen=chosen, leave=True) for each in found])


def _unload_textual_inversion(
    self: Pipeline, tokens: str | Sequence[str] | None = None, tokenizer: Any = None, text_encoder: Any = None
) -> None:
    """As `loanword.unload`, of the tokens that are loaded; a ValueError where none of them is."""
    chosen = text_encoder is not None or tokenizer is not None
    if not tokens and not chosen:
        unload(self)
        return
    slots = slots_for(self, text_encoder, tokenizer)
    names = [tokens] if isinstance(tokens, str) else tokens
    if names and not any(trigger_named(each, name) for slot in slots for each in slot.tokenizers for name in names):
        raise ValueError("No tokens to remove found")
    remove(slots, names or None)


def _as_stored(incoming: Incoming) -> Incoming:
    """The same, also called by the name that its file holds, which is what diffusers calls it by."""
    return replace(incoming, synonyms=incoming.aliases[:1])
