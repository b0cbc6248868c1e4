"""The host's callbacks, asked for without its search for who asks.

`script_callbacks.on_…` looks through every loaded module once for each caller of its caller, which takes tenths of a
second for the few callbacks that loanword has; a script that says which file it is spares that.

Source: A1111 1.10.1, Forge and reForge, `modules/script_callbacks.py`, `add_callback`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def on(event: str, callback: Callable[..., Any], script: str) -> None:
    """Have the host call `callback` at `event`; `script` is the file in `scripts/` that it has run."""
    host: Any = importlib.import_module("modules.script_callbacks")
    try:
        host.add_callback(host.callback_map[f"callbacks_{event}"], callback, category=event, filename=script)
    except (AttributeError, KeyError, TypeError):  # a host with another way of keeping them
        getattr(host, f"on_{event}")(callback)
