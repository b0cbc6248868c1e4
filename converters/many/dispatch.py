"""Chunks to workers and back: a bounded number at a time, and through the death of workers.

A worker that dies takes with it the chunks that were under way, guilty or not. Those are then done one at a time: most
succeed at once. One that costs its worker again is halved, until a single item is left, which is given up in the end.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from .crew import Crew

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_PATIENCE = 2
"""How many workers a single item may cost, all alone."""


def carry_out(
    work: Callable[[Sequence[Item]], Sequence[Answer]],
    chunks: Iterator[Sequence[Item]],
    crew: Crew,
    *,
    at_once: int,
    give_up: Callable[[Item, Exception], Answer],
) -> Iterator[tuple[Sequence[Item], Sequence[Answer]]]:
    """Each chunk with its answers, as they are finished; `give_up` answers for an item that costs its workers."""
    finished: SimpleQueue[Future[Sequence[Answer]]] = SimpleQueue()
    under_way: dict[Future[Sequence[Answer]], Sequence[Item]] = {}
    suspects: list[Sequence[Item]] = []
    try:
        while True:
            while not suspects and len(under_way) < at_once and (chunk := next(chunks, None)) is not None:
                future = crew.submit(work, chunk)
                under_way[future] = chunk
                future.add_done_callback(finished.put)
            if not under_way:
                return
            future = finished.get()
            chunk = under_way.pop(future)
            try:
                answers = future.result()
            except Exception:  # noqa: BLE001  # work answers for what it expects; this is the worker's own end
                suspects.append(chunk)
                crew.replace()
            else:
                yield chunk, answers
            if suspects and not under_way:
                yield from _one_by_one(work, suspects, crew, give_up)
    finally:
        for future in under_way:
            future.cancel()


def _one_by_one(
    work: Callable[[Sequence[Item]], Sequence[Answer]],
    suspects: list[Sequence[Item]],
    crew: Crew,
    give_up: Callable[[Item, Exception], Answer],
) -> Iterator[tuple[Sequence[Item], Sequence[Answer]]]:
    """The same for chunks of which one cost a worker; takes them from `suspects`."""
    crew.muster()
    while suspects:
        chunk = suspects.pop()
        for patience in range(_PATIENCE if len(chunk) == 1 else 1, 0, -1):
            try:
                answers = crew.submit(work, chunk).result()
            except Exception as error:  # noqa: BLE001  # as above
                crew.replace()
                if len(chunk) > 1:
                    middle = len(chunk) // 2
                    suspects += (chunk[middle:], chunk[:middle])
                elif patience == 1:
                    yield chunk, [give_up(chunk[0], error)]
            else:
                yield chunk, answers
                break
