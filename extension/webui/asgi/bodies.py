"""Bodies of requests, counted while they come in: neither their declared length nor their sender's pace is trusted."""

from __future__ import annotations

import asyncio
import time
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Receive = Callable[[], Awaitable[dict[str, Any]]]

IN_MEMORY = 1024 * 1024
"""Bytes of a body that are kept in memory; the rest goes to a temporary file."""
PATIENCE = 10.0
"""Seconds for a body to begin to come in, and without anything coming in."""
SLOWEST = 32 * 1024
"""Bytes a second that must come in on average, after that."""
LINGER_SECONDS, LINGER_BYTES = 2.0, 8 * 1024 * 1024
"""How long, and for how much, a refused body is still read, so that its sender gets to see the answer."""


class Incoming:
    """What a client sends, message by message; knows whether there is more to come."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __call__(self) -> dict[str, Any]:
        message = await self._receive()
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message


def check_length(headers: Mapping[str, str], most: int) -> None:
    """Refuse a body that says it is too large, or does not say how it ends."""
    length = headers.get("content-length")
    if length is None:
        if "chunked" not in headers.get("transfer-encoding", "").lower():
            raise Refusal(411, "the request does not say how long its body is")
    elif not (length.isascii() and length.isdecimal()):
        raise Refusal(400, "the length of the body is no number")
    elif len(length) > 15 or int(length) > most:
        raise _too_large(most)


async def receive_body(incoming: Incoming, most: int) -> IO[bytes]:
    """The body, at its beginning, in a file that is gone when closed; raises Refusal for one too large or too slow."""
    body: IO[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # its user closes it
    try:
        await _fill(body, incoming, most)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


async def _fill(body: IO[bytes], incoming: Incoming, most: int) -> None:
    began, size = time.monotonic(), 0
    while not incoming.ended:
        deadline = began + PATIENCE + size / SLOWEST
        message = await _within(incoming, min(PATIENCE, deadline - time.monotonic()))
        if message["type"] != "http.request":
            raise Refusal(400, "the request ended before its body did")
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise _too_large(most)
        body.write(piece)


async def discard(incoming: Incoming) -> None:
    """Read on for a moment: a connection that is closed while it is written to loses what was answered."""
    end, left = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
    while left > 0 and not incoming.ended:
        try:
            message = await _within(incoming, end - time.monotonic())
        except Refusal:
            return
        left -= len(message.get("body", b""))


async def _within(incoming: Incoming, seconds: float) -> dict[str, Any]:
    try:
        return await asyncio.wait_for(incoming(), max(seconds, 0.001))
    except (asyncio.TimeoutError, TimeoutError):
        raise Refusal(408, "the body came in too slowly") from None


def _too_large(most: int) -> Refusal:
    size = f"{most >> 20} MB" if most >= 1 << 20 else f"{most >> 10} KB"
    return Refusal(413, f"the body is over {size} long, which is the most that is taken here")
