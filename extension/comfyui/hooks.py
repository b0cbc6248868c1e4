"""ComfyUI's own functions, wrapped where they look up embeddings: all of its nodes, and most others, go through them.

Where a function is not there, or takes other arguments than is known here, it is left alone, and what is lost is said.

Source: ComfyUI 0.3.64, `comfy/sd1_clip.py`, `load_embed` and `SDTokenizer`; `comfy/sd.py`, `CLIP.tokenize`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from . import fitting
from .announcements import say_once
from .serving import spelled_out, spoken_of, tensor_of, vectors_of
from .uses import noting_uses

if TYPE_CHECKING:
    from collections.abc import Callable

    Function: TypeAlias = Callable[..., Any]

_ORIGINAL = "loanword_original"


@dataclass(frozen=True)
class Hook:
    """A function of ComfyUI that is wrapped: where it is, its first arguments, and what is lost without it."""

    module: str
    place: str
    """The class that has it; empty for the module itself."""
    name: str
    arguments: tuple[str, ...]
    wrap: Callable[[Function], Function]
    lost: str


def install() -> list[str]:
    """Wrap what there is to wrap, once; returns what is lost in this ComfyUI, a sentence each."""
    return [hook.lost for hook in HOOKS if not _installed(hook)]


def uninstall() -> None:
    """Give ComfyUI its own functions back."""
    for hook in HOOKS:
        owner = _owner(hook)
        original = getattr(getattr(owner, hook.name, None), _ORIGINAL, None)
        if original is not None:
            setattr(owner, hook.name, original)


def _installed(hook: Hook) -> bool:
    owner = _owner(hook)
    function = getattr(owner, hook.name, None)
    if hasattr(function, _ORIGINAL):
        return True
    if not callable(function) or _arguments(function)[: len(hook.arguments)] != hook.arguments:
        return False
    wrapper = functools.wraps(function)(_careful(hook.wrap(function), function))
    setattr(wrapper, _ORIGINAL, function)
    setattr(owner, hook.name, wrapper)
    return True


def _owner(hook: Hook) -> Any:
    module: Any = importlib.import_module(hook.module)
    return getattr(module, hook.place, None) if hook.place else module


def _arguments(function: Function) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def _careful(ours: Function, original: Function) -> Function:
    """`ours`, or the original where loanword fails: a prompt is never lost to a mistake of loanword's."""

    def function(*arguments: Any, **named: Any) -> Any:
        try:
            return ours(*arguments, **named)
        except _OfComfyUI as error:
            raise error.error from None
        except Exception as error:  # noqa: BLE001  # ComfyUI goes on as it would without loanword
            say_once(f"failed at {original.__name__} ({error!r}), and left it to ComfyUI; please report this")
            return original(*arguments, **named)

    return function


class _OfComfyUI(Exception):
    """Carries an error of ComfyUI's own past `_careful`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _theirs(original: Function, *arguments: Any, **named: Any) -> Any:
    try:
        return original(*arguments, **named)
    except Exception as error:  # noqa: BLE001  # passed on as it is
        raise _OfComfyUI(error) from None


def _load_embed(original: Function) -> Function:
    def load_embed(
        embedding_name: str, embedding_directory: Any, embedding_size: int, embed_key: str | None = None
    ) -> Any:
        asked = (embedding_name, embedding_directory, embedding_size, embed_key)
        return tensor_of(*asked, lambda: _theirs(original, *asked))

    return load_embed


def _try_get_embedding(original: Function) -> Function:
    def try_get_embedding(self: Any, embedding_name: str) -> Any:
        found = spoken_of(embedding_name, self.embedding_directory)
        if found is None:
            return _theirs(original, self, embedding_name)
        entry, rest = found
        return vectors_of(entry, self.embedding_size, self.embedding_key), rest

    return try_get_embedding


def _tokenize_with_weights(original: Function) -> Function:
    def tokenize_with_weights(self: Any, text: str, *arguments: Any, **named: Any) -> Any:
        spelled = spelled_out(text, self.embedding_directory) if self.embedding_directory else text
        with noting_uses():
            return fitting.without_gaps(_theirs(original, self, spelled, *arguments, **named), self.pad_token)

    return tokenize_with_weights


def _tokenize(original: Function) -> Function:
    def tokenize(self: Any, text: str, *arguments: Any, **named: Any) -> Any:
        with noting_uses(whole=True):
            return _theirs(original, self, text, *arguments, **named)

    return tokenize


_ALL = "embeddings that ComfyUI cannot read itself do not work in prompts"
HOOKS = (
    Hook(
        "comfy.sd1_clip",
        "",
        "load_embed",
        ("embedding_name", "embedding_directory", "embedding_size", "embed_key"),
        _load_embed,
        _ALL,
    ),
    Hook(
        "comfy.sd1_clip",
        "SDTokenizer",
        "_try_get_embedding",
        ("self", "embedding_name"),
        _try_get_embedding,
        "names with spaces do not work in prompts",
    ),
    Hook(
        "comfy.sd1_clip",
        "SDTokenizer",
        "tokenize_with_weights",
        ("self", "text"),
        _tokenize_with_weights,
        "ComfyUI warns of each vector that does not fit the model",
    ),
    Hook(
        "comfy.sd",
        "CLIP",
        "tokenize",
        ("self", "text"),
        _tokenize,
        "what does not fit the model is said for each text encoder by itself",
    ),
)
