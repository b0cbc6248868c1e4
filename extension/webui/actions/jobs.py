"""Work that takes longer than a request: begun by one, watched and cancelled by others, one piece after the other."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ....embeddings.errors import LoanwordError
from ..asgi.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....converters.batch import Outcome

MOST_WAITING, MOST_KEPT = 8, 100
State = Literal["running", "done", "cancelled", "failed"]


@dataclass
class Job:
    """A piece of work, and how far it is. Only the thread that does it changes it, but for `cancelled`."""

    kind: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    state: State = "running"
    done: int = 0
    total: int = 0
    message: str = ""
    outcomes: list[Outcome] = field(default_factory=list["Outcome"])
    wrote: bool = False
    """Whether the paths of its outcomes are there."""
    cancelled: threading.Event = field(default_factory=threading.Event)

    def add(self, outcome: Outcome) -> None:
        """Note what became of a file."""
        self.outcomes.append(outcome)
        self.done += 1

    def progress(self, done: int, total: int) -> None:
        """Note how far it is."""
        self.done, self.total = done, total

    @property
    def written(self) -> list[str]:
        """The paths of what it wrote."""
        return [path for outcome in self.outcomes for path in outcome.paths] if self.wrote else []


class Jobs:
    """The jobs since the program began, of which the last ones are kept."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._waiting: queue.Queue[tuple[Job, Callable[[Job], None]]] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, kind: str, work: Callable[[Job], None]) -> Job:
        """Have `work` done; raises Refusal (429) where too much is waiting."""
        job = Job(kind)
        with self._lock:
            try:
                self._waiting.put_nowait((job, work))
            except queue.Full:
                raise Refusal(429, "too much is being done already; wait for it to be finished") from None
            self._jobs[job.id] = job
            while len(self._jobs) > MOST_KEPT:
                del self._jobs[next(iter(self._jobs))]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="loanword-jobs", daemon=True)
                self._thread.start()
        return job

    def get(self, name: str) -> Job:
        """The job with an id; raises Refusal."""
        try:
            return self._jobs[name]
        except KeyError:
            raise Refusal(404, "there is no such job; the WebUI may have been started again") from None

    def _work(self) -> None:
        while True:
            _do(*self._waiting.get())


def _do(job: Job, work: Callable[[Job], None]) -> None:
    try:
        if not job.cancelled.is_set():
            work(job)
        job.state = "cancelled" if job.cancelled.is_set() else "done"
    except (LoanwordError, Refusal) as error:
        job.message = error.message if isinstance(error, Refusal) else str(error)
        job.state = "failed"
    except Exception:  # the thread has other jobs to do
        logging.getLogger(__name__).exception("loanword could not finish %s", job.kind)
        job.message = "something went wrong; the console of the WebUI says what"
        job.state = "failed"
