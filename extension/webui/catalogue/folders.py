"""The folders that the tab shows, and the ids that they have there."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....embeddings.errors import one_line, shortened
from ..api.answers import Folder, Place
from ..asgi.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..api.opaque_ids import OpaqueIds
    from ..hosts.host import Host


@dataclass(frozen=True)
class Folders:
    """The folders of a host with their labels, the main one first."""

    ids: OpaqueIds
    labels: dict[str, str]
    hidden: tuple[str, ...] = ()
    """Other folders that messages can name."""

    @classmethod
    def of(cls, host: Host, ids: OpaqueIds, hidden: Iterable[str] = ()) -> Folders:
        """The host's folders, and those of the settings."""
        paths = [os.path.abspath(path) for path in (*host.embedding_folders(), *host.extra_folders())]
        distinct = [path for path in dict.fromkeys(paths) if os.path.isdir(path)]
        names = Counter(os.path.basename(path) for path in distinct)
        others = (*map(os.path.abspath, host.lora_folders()), *hidden)
        return cls(ids, {path: _label(path, names) for path in distinct}, others)

    @property
    def paths(self) -> list[str]:
        return list(self.labels)

    def listed(self) -> list[Folder]:
        """All of them, for the tab."""
        return [
            Folder(self.ids.of("folder", path), label, os.access(path, os.W_OK)) for path, label in self.labels.items()
        ]

    def place_of(self, path: str) -> tuple[Place, str]:
        """The innermost of the folders that a file is in, and the file's name seen from there, to be shown."""
        folder = self._innermost(path) or os.path.dirname(path)
        place = Place(self.ids.of("folder", folder), self.labels.get(folder, one_line(os.path.basename(folder))))
        return place, one_line(os.path.relpath(path, folder))

    def below(self, path: str) -> str:
        """The folders between a file and the one of these that it is in; empty where there are none."""
        folder = os.path.dirname(path)
        relative = os.path.relpath(folder, self._innermost(path) or folder)
        return "" if relative == os.curdir else relative

    def has(self, path: str) -> bool:
        """Whether a file is in one of these folders."""
        return self._innermost(path) is not None

    def _innermost(self, path: str) -> str | None:
        inside = [folder for folder in self.labels if path.startswith(os.path.join(folder, ""))]
        return max(inside, key=len, default=None)

    def without_paths(self, text: str) -> str:
        """A message for people elsewhere: names of files as they are seen from these folders."""
        for path in sorted((*self.labels, *self.hidden), key=len, reverse=True):
            text = text.replace(os.path.join(one_line(path), ""), "").replace(os.path.join(path, ""), "")
        return shortened(one_line(text))

    def path_of(self, name: str) -> str:
        """The folder with an id; raises Refusal where it is none of these any more."""
        path = self.ids.get("folder", name).path
        if path not in self.labels:
            raise Refusal(404, "there is no such folder any more")
        return path


def _label(path: str, names: Counter[str]) -> str:
    """The folder's name, with its parent's where two are called the same."""
    name, parent = os.path.basename(path), os.path.basename(os.path.dirname(path))
    return one_line(f"{parent}/{name}" if names[name] > 1 else name)
