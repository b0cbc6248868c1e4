"""Keeping the library up to date beside everything else: one scan at a time, and whether one is running."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .sidecar_texts import remember_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....embeddings.library import Library, Scan


@dataclass
class Scanning:
    """Scans of a library. `running` says whether there is one."""

    library: Library
    running: bool = False
    _seen: frozenset[str] = frozenset()
    """The folders that were looked through since the program began."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def see_to(self, folders: Sequence[str]) -> None:
        """Scan in the background, where some of the folders were not looked through yet."""
        if not self._seen.issuperset(folders):
            self.begin(folders)

    def begin(self, folders: Sequence[str]) -> None:
        """Scan in the background, unless something is being scanned already."""
        if not self.running:
            self.running = True
            threading.Thread(target=self._in_background, args=(folders,), name="loanword-scan", daemon=True).start()

    def scan(
        self,
        folders: Sequence[str],
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Scan:
        """Scan, after the scan that is running."""
        with self._lock:
            self.running = True
            self._seen |= frozenset(folders)
            try:
                scan = self.library.scan(folders, progress=progress, cancelled=cancelled)
                remember_all(self.library, folders)
                return scan
            finally:
                self.running = False

    def _in_background(self, folders: Sequence[str]) -> None:
        try:
            self.scan(folders)
        except Exception:  # nobody waits for this thread
            logging.getLogger(__name__).exception("loanword could not look through the embedding folders")
