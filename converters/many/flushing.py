"""What was written is brought to the disk while the work goes on, so that little is left to wait for at the end."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from typing_extensions import Self

_OFTEN = 2048
"""Files that are written between two flushes."""


class Flushing:
    """Has the system flushed now and then, beside the work; use as a context manager."""

    def __init__(self) -> None:
        self._aside = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None
        self._unflushed = 0

    def count(self, files: int) -> None:
        """So many more files were written."""
        self._unflushed += files
        if self._unflushed >= _OFTEN and hasattr(os, "sync") and (self._last is None or self._last.done()):
            self._unflushed = 0
            self._last = self._aside.submit(os.sync)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._aside.shutdown()
