"""Work of requests in threads of its own, with a limit to how much of it may wait."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Room:
    """Has room for `most` at once; refuses the rest (429)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    def enter(self) -> None:
        if self._inside >= self._most:
            raise Refusal(429, "too much is asked at once; ask again in a moment", headers={"retry-after": "1"})
        self._inside += 1

    def leave(self, *_: object) -> None:
        self._inside -= 1

    __enter__, __exit__ = enter, leave


class Gate:
    """Lets `running` pieces of work run at once and `waiting` more wait; refuses the rest (429)."""

    def __init__(self, name: str, *, running: int, waiting: int) -> None:
        self._room = Room(running + waiting)
        self._threads = ThreadPoolExecutor(running, thread_name_prefix=f"loanword-{name}")

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        self._room.enter()
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        future.add_done_callback(self._room.leave)
        return await future
