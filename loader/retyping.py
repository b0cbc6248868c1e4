"""Giving a live object another class and back, so that everyone who holds it sees the same object behave anew.

Hooks, ties, pipelines and handles all keep the very object; replacing it by a wrapper would lose them. The new class is
a subclass of the old one with the old one's name, so that `isinstance`, `save_pretrained` and readers of class names
find what they expect; copies and pickles come back with it.
"""

from __future__ import annotations

import functools
from typing import Any


class Retyped:
    """The first base of every class that `retype` makes."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        addition, original = type(self).__bases__
        reduced = super().__reduce_ex__(max(int(protocol), 2))
        return (_blank, (addition, original), *reduced[2:])


def retype(thing: object, addition: type[Retyped]) -> None:
    """Put the methods of `addition` before those of the thing's own class."""
    object.__setattr__(thing, "__class__", _combined(addition, type(thing)))


def restore(thing: object) -> None:
    """Give a retyped thing its own class back."""
    object.__setattr__(thing, "__class__", type(thing).__bases__[1])


@functools.cache
def _combined(addition: type[Retyped], original: type[Any]) -> type[Any]:
    namespace = {name: getattr(original, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(original.__name__, (addition, original), namespace)


def _blank(addition: type[Retyped], original: type[Any]) -> Any:
    kind: Any = _combined(addition, original)
    return kind.__new__(kind)
