"""Work of requests in threads of its own, with a limit to how much of it may wait."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Gate:
    """Lets `running` pieces of work run at once and `waiting` more wait; refuses the rest (429)."""

    def __init__(self, name: str, *, running: int, waiting: int) -> None:
        self._room = running + waiting
        self._inside = 0
        self._threads = ThreadPoolExecutor(running, thread_name_prefix=f"loanword-{name}")

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        if self._inside >= self._room:
            raise Refusal(429, "too much is asked at once; ask again in a moment", headers={"retry-after": "1"})
        self._inside += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        future.add_done_callback(self._left)
        return await future

    def _left(self, _: object) -> None:
        self._inside -= 1
