"""What users write about an embedding: description, notes, tags, weight, in the files where WebUIs keep them.

Other extensions use the same files, so everything that is not known here stays as it is, in its order. Where a file
holds several embeddings, each has an entry of its own below a key of loanword's, and the file's is what they share.

Source: A1111 1.10.1, `modules/ui_extra_networks_user_metadata.py` (`write_user_metadata`: `<stem>.json`, "description",
"notes"), `extensions-builtin/Lora/ui_edit_user_metadata.py` ("preferred weight", 0 for none) and
`modules/ui_extra_networks.py` (`find_description`: `<stem>.txt`, `<stem>.description.txt`).
"""

from __future__ import annotations

import json
import math
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ....converters.atomic import write_atomic
from ....converters.source import open_source
from ....converters.writing import check_same
from ....embeddings.errors import CannotWrite, FileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....embeddings.indexed import IndexedFile

LARGEST = 1024 * 1024
LONGEST_TEXT = 20_000
OWN_KEY = "loanword"
_TEXT_SUFFIXES = (".txt", ".description.txt")
SUFFIXES = (".json", *_TEXT_SUFFIXES)
"""What the names of an embedding's sidecars end in, in place of its own suffix."""
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Sidecar:
    """What a user wrote about an embedding."""

    description: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    preferred_weight: float | None = None


def sidecar_name(file: IndexedFile, position: int) -> str | None:
    """The name under which an embedding's notes are kept in those of its file; None where it is alone there."""
    return file.embeddings[position].name if len(file.embeddings) > 1 else None


def read_sidecar(path: str, name: str | None = None) -> Sidecar:
    """What is written about the embedding in the file `path`, called `name` where there are several in it."""
    stem = os.path.splitext(path)[0]
    tree = _read(f"{stem}.json") or {}
    entry = {**tree, **_own_entry(tree, name)}
    description = _text(entry.get("description"))
    return Sidecar(
        description or _described(stem),
        _text(entry.get("notes")),
        tuple(_texts(entry.get("tags"))),
        _weight(entry.get("preferred weight")),
    )


def write_sidecar(path: str, changes: Mapping[str, Any], name: str | None = None) -> None:
    """Change some fields of what is written about an embedding; raises CannotWrite.

    `changes` has the fields of Sidecar. A file of that name that is no WebUI's stays as it is.
    """
    place = f"{os.path.splitext(path)[0]}.json"
    entry = {key.replace("_", " "): list(value) if key == "tags" else value for key, value in changes.items()}
    with _ONE_AT_A_TIME:
        tree = _read(place)
        if tree is None:
            raise CannotWrite(f"{os.path.basename(place)} is there, but is not what WebUIs keep notes in; move it away")
        if name is None:
            tree.update(entry)
        else:
            own = _mapping(_mapping(tree, OWN_KEY), "embeddings")
            own[name] = {**_dict(own.get(name)), **entry}
        content = json.dumps(tree, indent=4, ensure_ascii=False).encode(errors="backslashreplace")
        write_atomic(place, content, overwrite=True, check=lambda written: check_same(content, written))


def _read(place: str) -> dict[str, Any] | None:
    """The object in a JSON file; empty where there is no file, None where it is something else."""
    if not os.path.lexists(place):
        return {}
    try:
        with open_source(place) as source:
            tree = (
                json.loads(bytes(source.read(0, source.size)).decode("utf-8-sig")) if source.size <= LARGEST else None
            )
    except (FileError, ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", tree) if isinstance(tree, dict) else None


def _described(stem: str) -> str:
    """The description in a text file of its own."""
    for suffix in _TEXT_SUFFIXES:
        if os.path.lexists(stem + suffix):
            try:
                with open_source(stem + suffix) as source:
                    return bytes(source.read(0, min(source.size, LONGEST_TEXT))).decode(errors="replace")
            except FileError:
                continue
    return ""


def _own_entry(tree: Mapping[str, Any], name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    return _dict(_dict(_dict(tree.get(OWN_KEY)).get("embeddings")).get(name))


def _mapping(tree: dict[str, Any], key: str) -> dict[str, Any]:
    """The object below `key`, made where there is none."""
    tree[key] = _dict(tree.get(key))
    return tree[key]


def _dict(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    """Tags: a list, or words with commas."""
    if isinstance(value, str):
        value = value.split(",")
    texts = cast("list[object]", value) if isinstance(value, list) else []
    return [each.strip()[:200] for each in texts[:200] if isinstance(each, str) and each.strip()]


def _weight(value: object) -> float | None:
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
    return number if number and math.isfinite(number) else None
