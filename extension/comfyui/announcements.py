"""What is said in ComfyUI's log: each thing once, however often it comes up."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("loanword")
_said: set[str] = set()


def say_once(line: str) -> None:
    """Log `line`, unless that was done before."""
    if line not in _said:
        _said.add(line)
        _LOGGER.warning("loanword: %s", line)


def forget() -> None:
    """Say everything anew from now on."""
    _said.clear()
