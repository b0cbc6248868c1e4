"""Who does the work: the caller's executor, a pool of processes, or this process itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from ...embeddings.errors import CannotWrite

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self


class Crew:
    """An executor that is replaced when its workers died, where it is not the caller's; use as a context manager."""

    def __init__(self, executor: Executor | None, jobs: int) -> None:
        """Use `executor`; without one, `jobs` processes, and for 0 of them this one."""
        self._hired = executor
        self.jobs = jobs
        self._executor = executor
        self._leaving: threading.Thread | None = None

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have `work` called by a worker; raises CannotWrite where the caller's executor does not work any more."""
        self._executor = self._executor or self._recruited()
        try:
            return self._executor.submit(work, *arguments)
        except RuntimeError as error:  # broken, or shut down
            if self._hired is not None:
                raise CannotWrite(f"the executor takes no more work ({error}); call again with another one") from None
            self.replace()
            return self.submit(work, *arguments)

    def muster(self) -> None:
        """Raise CannotWrite where no worker of our own can even be started."""
        if self._hired is None:
            try:
                self.submit(os.getpid).result()
            except BrokenExecutor:
                raise CannotWrite(
                    'its processes cannot be started; call it below `if __name__ == "__main__":`, or with jobs=0'
                ) from None

    def replace(self) -> None:
        """Go on with new workers: some have died, and take no more work."""
        if self._executor is not self._hired and self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def _recruited(self) -> Executor:
        if self.jobs == 0:
            return Here()
        spawned = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.jobs, mp_context=spawned, initializer=_settle_in)

    def dismiss(self) -> None:
        """Let the workers go while other things are done: there is no more work for them."""
        if self._hired is None and self._executor is not None:
            self._leaving = threading.Thread(target=self._executor.shutdown)
            self._leaving.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leaving is not None:
            self._leaving.join()
        elif self._hired is None and self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


class Here(Executor):
    """Does the work at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn`, and return the finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # as every executor does
            future.set_exception(error)
        return future


def _settle_in() -> None:
    """A worker leaves interrupts to its parent, and goes when that is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_go_with_parent, daemon=True).start()


def _go_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
