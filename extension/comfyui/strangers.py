"""Files that no name stands for: which one ComfyUI would open, and whether it may.

ComfyUI's reader makes something of anything: of a broken file numbers at random, of a small one that unfolds to
gigabytes an end of the program. It gets what loanword could read through to its end without knowing what it means.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...converters.files import opened_payload
from ...embeddings.errors import MalformedEmbedding, UnrecognisedFormat
from .shelf import GUESSED_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


UNKNOWN = frozenset((MalformedEmbedding.code, UnrecognisedFormat.code))
"""What loanword says of files whose content it does not know."""


def path_of(name: str, folders: Iterable[str]) -> str | None:
    """The path of the file that ComfyUI would open for `name`, listed or not."""
    for folder in _with_subfolders(folders):
        path = os.path.abspath(os.path.join(folder, name))
        if path.startswith(os.path.join(folder, "")):
            found = next((path + suffix for suffix in GUESSED_SUFFIXES if os.path.isfile(path + suffix)), None)
            if found is not None:
                return found
    return None


def left_to_comfyui(path: str, kind: str, width: int, theirs: Callable[[], Any]) -> Any:
    """What ComfyUI's own reader makes of a file of which loanword says `kind`; None where it is no use."""
    if kind not in UNKNOWN:
        return None
    try:
        with opened_payload(path):
            pass
        found = theirs()
        fits = found.ndim in (1, 2) and found.numel() and found.shape[-1] == width
    except Exception:  # noqa: BLE001  # nothing has been promised of what such a file does to that reader
        return None
    return found if fits else None


def _with_subfolders(folders: Iterable[str]) -> Iterator[str]:
    """The folders and all below them, links followed, none twice."""
    seen: set[tuple[int, int]] = set()
    for top in folders:
        for folder, below, _ in os.walk(os.path.abspath(top), followlinks=True):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                below.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            yield folder
