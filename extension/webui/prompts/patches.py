"""Changes to a host's functions, which are undone when the WebUI unloads its scripts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Patches:
    """Functions of a host with something around them, until `undo`."""

    def __init__(self) -> None:
        self._active = True
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """Make `owner.name(…)` call `around(original, …)`; raises AttributeError where there is no such function."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return around(original, *args, **kwargs) if self._active else original(*args, **kwargs)

        def restore() -> None:
            # Where another extension has put something around ours, ours stays below it and only passes calls on.
            if getattr(owner, name, None) is wrapped:
                setattr(owner, name, original)

        setattr(owner, name, wrapped)
        self._undo.append(restore)

    def undo(self) -> None:
        """Have every function as it was."""
        self._active = False
        while self._undo:
            self._undo.pop()()
