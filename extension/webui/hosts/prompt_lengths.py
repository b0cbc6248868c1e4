"""How long a host says that a prompt is: what its own counter beside the prompt shows.

So its settings count, such as how far commas move words into the next part, and what other extensions do to prompts;
of a prompt that changes between steps the longest text does.

Source: A1111 1.10.1, reForge (March 2026) and Forge (June 2025), `modules/ui.py`, `update_token_counter`.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

_STEPS = 20
"""In so many every text of a prompt has its turn."""
_SHOWN = re.compile(r"([0-9]+)/([0-9]+)")


def shown_length(prompt: str, *, negative: bool) -> tuple[int, int] | None:
    """The tokens of a prompt, and how many its parts have room for; None where the counter shows neither."""
    ui: Any = importlib.import_module("modules.ui")
    found = _SHOWN.search(str(ui.update_token_counter(prompt, _STEPS, [], is_positive=not negative)))
    return (int(found[1]), int(found[2])) if found else None
