"""Makes every file that loanword reads work in a host's prompts, for as long as the WebUI runs its scripts."""

from __future__ import annotations

import contextlib
import importlib
import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from ..hosts.databases import forget_times
from .folder_changes import FolderChanges
from .loading import ANY_WIDTH, Loading
from .lora_bundles import LoraBundles
from .opening import take_over_opening
from .patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..hosts.databases import DatabaseKind
    from ..hosts.host import Host


class Registration:
    """What loanword adds to a host's databases, from `start` to `stop`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.loading = Loading(host)
        self._bundles = LoraBundles(host, self.loading)
        self._started = False
        self._patches = Patches()
        self._folders: weakref.WeakKeyDictionary[Any, FolderChanges] = weakref.WeakKeyDictionary()

    def start(self) -> list[str]:
        """Take part in the loading of every database; returns a sentence for each kind that is not as expected."""
        lost: list[str] = []
        self._started = True
        for kind in self.host.database_kinds:
            try:
                database = importlib.import_module(kind.module).EmbeddingDatabase
                if kind.opens_all_at_once:
                    take_over_opening(kind, self.loading, self._patches)
                else:
                    self._patches.wrap(database, "load_from_file", partial(self.loading.load, kind))
                self._patches.wrap(database, "load_textual_inversion_embeddings", partial(self._load, kind))
            except (ImportError, AttributeError) as error:
                lost.append(f"embeddings that {self.host.title} cannot read stay unread in {kind.module} ({error})")
        return lost

    def stop(self) -> None:
        """Have the host as it was; what is registered stays until the host loads its folders again."""
        self._bundles.take_out()
        self._patches.undo()
        self._started = False

    def before_generation(self) -> None:
        """Have the databases that generation uses read again where their folders changed, or the model did.

        reForge fills its database only at the first generation: where it was never filled, it is now.
        """
        for database in self.host.live_databases() if self._started else ():
            if database not in self._folders or self._is_stale(database):
                database.load_textual_inversion_embeddings()

    def use_loras(self, names: Iterable[str]) -> None:
        """Have the embeddings inside the LoRAs called `names`, which a prompt uses, and no others."""
        if self._started:
            self._bundles.use(names)

    def _load(self, kind: DatabaseKind, original: Callable[..., Any], database: Any, *args: Any, **kwargs: Any) -> Any:
        """Take the place of `database.load_textual_inversion_embeddings`."""
        for folder in self.host.extra_folders():
            if folder not in database.embedding_dirs and os.path.isdir(folder):
                database.add_embedding_dir(folder)
        if not kind.lists_only and self._is_stale(database):
            forget_times(database)
        result = original(database, *args, **kwargs)
        changes = self._folders.setdefault(database, FolderChanges())
        changes.remember(database.embedding_dirs)
        if kind.lists_only:
            self.host.remember_page(database)
            self._follow()
        return result

    def _is_stale(self, database: Any) -> bool:
        changes = self._folders.get(database)
        return (changes is not None and changes.any()) or _is_of_another_model(database, self.host)

    def _follow(self) -> None:
        """Refresh what generation uses after a page was, unless a generation is using it: that one does it itself."""
        with self.host.unless_generating() as idle:
            if idle:
                self.before_generation()


def _is_of_another_model(database: Any, host: Host) -> bool:
    """Whether a model of another width was brought back from memory, which hosts do without saying so."""
    if not hasattr(database, "get_expected_shape") or database.expected_shape == ANY_WIDTH or host.model() is None:
        return False
    with contextlib.suppress(Exception):  # whatever the model's own code raises, it is not embeddings that are wrong
        return database.expected_shape != database.get_expected_shape()
    return False
