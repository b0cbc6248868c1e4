"""What the nodes' lists offer, and what a choice stands for.

A workflow can come from anyone: what it names is looked up among what is there, and never used as a path.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from ...embeddings.errors import UnknownName
from ...embeddings.prompts import fold, nearest
from .places import shown
from .serving import shelf
from .shelf import Entry, label_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .shelf import Contents


def embeddings_by_label(contents: Contents) -> dict[str, Entry]:
    """Every embedding under a label of its own: its name, with its file where another has that name too."""
    entries = [
        Entry(label_of(embedding, file.path), file.path, (position,))
        for file in contents.files
        for position, embedding in enumerate(file.embeddings)
    ]
    counts = Counter(fold(entry.name) for entry in entries)
    labels: dict[str, Entry] = {}
    for entry in entries:
        label = entry.name if counts[fold(entry.name)] == 1 else f"{entry.name} ({shown(entry.path)})"
        free = (f"{label} ({number})" for number in itertools.count(2))
        labels[label if label not in labels else next(each for each in free if each not in labels)] = entry
    return dict(sorted(labels.items(), key=lambda each: each[0].casefold()))


def embedding_labels() -> list[str]:
    """The labels of all embeddings in ComfyUI's folders."""
    return list(embeddings_by_label(shelf().refresh()))


def embedding_chosen(label: str) -> Entry:
    """The embedding with this label, or this name; raises UnknownName."""
    found = _chosen(label, shelf().contents)
    if found is not None and os.path.exists(found.path):
        return found
    contents = shelf().refresh()
    found = _chosen(label, contents)
    if found is None:
        raise UnknownName(f"no embedding is called {label!r}{_instead(label, list(embeddings_by_label(contents)))}")
    return found


def _chosen(label: str, contents: Contents) -> Entry | None:
    return embeddings_by_label(contents).get(label) or shelf().named(label)


def state_of(entries: Iterable[Entry]) -> str:
    """What tells whether the files of embeddings are still the same."""
    states: list[tuple[Entry, int]] = []
    for entry in entries:
        with contextlib.suppress(OSError):
            states.append((entry, os.stat(entry.path).st_mtime_ns))
    return repr(states)


def state_of_chosen(embedding: str, **_: Any) -> str:
    """The same for the embedding that a node's list has chosen."""
    try:
        return state_of([embedding_chosen(embedding)])
    except UnknownName as error:
        return str(error)


def lora_names() -> list[str]:
    """The LoRAs that ComfyUI lists."""
    paths: Any = importlib.import_module("folder_paths")
    return list(paths.get_filename_list("loras"))


def lora_chosen(name: str) -> str:
    """The path of a LoRA that ComfyUI lists; raises UnknownName."""
    paths: Any = importlib.import_module("folder_paths")
    found = paths.get_full_path("loras", name) if name in lora_names() else None
    if found is None:
        raise UnknownName(f"no LoRA is called {name!r}{_instead(name, lora_names())}")
    return found


def _instead(name: str, names: list[str]) -> str:
    close = nearest(name, names)
    return f"; there is {', '.join(close)}" if close else ""
