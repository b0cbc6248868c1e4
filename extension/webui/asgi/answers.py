"""What is sent back: JSON, or a file as an attachment, always with the headers that keep browsers from guessing."""

from __future__ import annotations

import asyncio
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....embeddings.names import safe_filename
from .strict_json import write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from .refusal import Refusal

    Send = Callable[[dict[str, Any]], Awaitable[None]]

HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True)
class Answer:
    """A status, headers, and the body: bytes, or pieces of a known length that are made while they are sent."""

    status: int = 200
    content: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: Iterator[bytes] | None = None
    length: int = 0

    async def send(self, send: Send, *, last: bool = True) -> None:
        """Send it; `last=False` keeps the exchange open after the whole body was sent."""
        length = self.length if self.pieces is not None else len(self.content)
        headers = {**HEADERS, "content-type": self.media_type, "content-length": str(length), **self.headers}
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": lines})
        if self.pieces is not None:
            await _send_pieces(send, self.pieces)
        await send({"type": "http.response.body", "body": self.content, "more_body": not last})


async def _send_pieces(send: Send, pieces: Iterator[bytes]) -> None:
    """Send pieces, each of which is made in a thread, since that takes a disk."""
    loop = asyncio.get_running_loop()
    while (piece := await loop.run_in_executor(None, next, pieces, None)) is not None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


def as_json(value: object, status: int = 200) -> Answer:
    """`value`, of plain values and dataclasses, as a JSON answer."""
    return Answer(status, write(value))


def refused(refusal: Refusal) -> Answer:
    """The answer that says why there is none."""
    content = write({"error": {"code": refusal.code, "message": refusal.message}})
    return Answer(refusal.status, content, headers=refusal.headers)


def attachment(name: str) -> dict[str, str]:
    """The header that has a browser save the body under a name, which may have letters of all alphabets."""
    stem, dot, suffix = name.rpartition(".")
    safe = f"{safe_filename(stem)}.{safe_filename(suffix)}" if dot and stem else safe_filename(name)
    plain = "".join(c if c.isascii() else "_" for c in safe)
    spelled = urllib.parse.quote(safe, safe="")
    return {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{spelled}"}
