"""The page's translations, for what the server itself draws: the page cannot change what is written in pictures."""

from __future__ import annotations

import functools
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "localizations")


@functools.cache
def words_in(language: str) -> Mapping[str, str]:
    """The translations of a localization that loanword has; none of others."""
    try:
        known = {os.path.splitext(name)[0]: name for name in os.listdir(_FOLDER)}
        with open(os.path.join(_FOLDER, known[language]), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, KeyError):
        return {}
