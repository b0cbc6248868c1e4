"""Looking at a payload's tree, of which nothing is certain: the file may hold anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .payload import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .payload import Payload, Tree

_PLAIN = (str, int, float, bool, type(None))


def root_dict(payload: Payload) -> dict[Any, Any]:
    """The tree where it is a dict, else an empty one."""
    tree = payload.tree
    return tree if isinstance(tree, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def as_dict(tree: Tree) -> dict[Any, Any]:
    """The same for any part of a tree."""
    return tree if isinstance(tree, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def as_list(tree: Tree) -> list[Any]:
    """A part of a tree where it is a list or tuple, else an empty list."""
    return list(tree) if isinstance(tree, (list, tuple)) else []  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def has_prefix(tree: Mapping[Any, Any], prefix: str) -> bool:
    """Whether a key is text that begins with `prefix`."""
    for key in tree:  # noqa: SIM110  # this is asked about every file, and any() takes three times as long
        if type(key) is str and key.startswith(prefix):
            return True
    return False


def text_keys(tree: Tree) -> list[str]:
    """The keys of a dict that are text; none where it is something else."""
    return [key for key in as_dict(tree) if type(key) is str]


def tensors_of(tree: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors of a dict that have text as their key."""
    return {key: value for key, value in tree.items() if type(value) is Tensor and type(key) is str}


def facts_of(tree: Mapping[Any, Any]) -> dict[str, Any]:
    """The plain values of a dict that have text as their key."""
    return {key: value for key, value in tree.items() if type(key) is str and isinstance(value, _PLAIN)}


def is_plain(value: object) -> bool:
    """Whether a value is text, a number, a truth value or None."""
    return isinstance(value, _PLAIN)


def kind_of(value: Tree) -> str:
    """What a part of a tree is, for messages."""
    if value in ({}, [], (), ""):
        return "an empty value"
    return "a tensor" if type(value) is Tensor else f"of type {type(value).__name__}"
