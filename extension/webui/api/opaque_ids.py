"""Ids that say nothing: what the API calls files and folders by, so that no client ever names a path."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import threading
from dataclasses import dataclass, field

from ..asgi.refusal import Refusal

PATTERN = r"[A-Za-z0-9_-]{22,64}"


@dataclass(frozen=True)
class Ref:
    """What an id stands for: a path, and the position of an embedding in that file."""

    path: str
    position: int = 0


@dataclass
class OpaqueIds:
    """Gives ids, the same for the same thing as long as the program runs, and knows what it gave them to."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _known: dict[str, Ref] = field(default_factory=dict[str, Ref])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, kind: str, path: str, position: int = 0) -> str:
        """The id of a thing; `kind` keeps files, folders and LoRAs apart."""
        message = b"\0".join((kind.encode(), os.fsencode(path), str(position).encode()))
        digest = hmac.digest(self.secret, message, hashlib.sha256)[:18]
        name = f"{kind[0]}{base64.urlsafe_b64encode(digest).decode()}"
        with self._lock:
            self._known.setdefault(name, Ref(path, position))
        return name

    def get(self, kind: str, name: str) -> Ref:
        """What an id of that kind stands for; raises Refusal (404)."""
        found = self._known.get(name) if name.startswith(kind[0]) else None
        if found is None:
            raise Refusal(404, f"there is no such {kind}; it may have been moved, or the WebUI started again")
        return found
