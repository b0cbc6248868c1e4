"""The secret that the page and the server share."""

from __future__ import annotations

import functools
import secrets


@functools.cache
def page_token() -> str:
    """What the page shows the server to be let change things; another one each time the program starts."""
    return secrets.token_urlsafe(32)
