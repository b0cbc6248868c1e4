"""ComfyUI's list of model folders, `extra_model_paths.yaml`: the folders of embeddings in it.

Source: ComfyUI `utils/extra_config.py` (`load_extra_path_config`), `folder_paths.py` (`add_model_folder_path`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..embeddings.errors import Damaged, Unreadable, UnrecognisedFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    Section: TypeAlias = "dict[Any, Any]"

KIND = "embeddings"
LARGEST = 1 << 20
"""Bytes; real ones have two thousand."""


def embedding_folders(path: str) -> list[str]:
    """The folders that the YAML file lists for embeddings and that exist, each once, defaults first.

    Raises Unreadable, Damaged or UnrecognisedFormat, or Unreadable where PyYAML is not installed.
    """
    folders: list[str] = []
    for section in _sections(path):
        base = _base_of(section, path)
        for line in _lines(section.get(KIND)):
            folder = os.path.normpath(os.path.join(base, line))
            if section.get("is_default"):
                folders = [folder, *(each for each in folders if each != folder)]
            elif folder not in folders:
                folders.append(folder)
    return [folder for folder in folders if os.path.isdir(folder)]


def _sections(path: str) -> Iterator[Section]:
    """The programs of the file, each with its base path and its folders by kind."""
    content = _parsed(_text(path), path)
    if content is None:
        return
    if not isinstance(content, dict):
        raise UnrecognisedFormat(
            f"a YAML file with a {type(content).__name__}, ComfyUI's lists of model folders have a section for each "
            "program; see its extra_model_paths.yaml.example",
            path,
        )
    for section in cast("Section", content).values():
        if isinstance(section, dict):
            yield cast("Section", section)


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(getattr(error, "strerror", None) or "not a path of a file", path) from None
    if len(content) > LARGEST:
        raise UnrecognisedFormat(f"more than {LARGEST} bytes, which is no list of folders", path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Damaged("not text in UTF-8, which YAML files are; save it as UTF-8", path) from None


def _parsed(text: str, path: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise Unreadable("PyYAML is needed to read it, and is not installed; pip install PyYAML", path) from None
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, error.problem or "it cannot be read"
        where = f"{problem} in line {mark.line + 1}" if mark else problem
        raise Damaged(f"no YAML: {where}; correct it, or leave it out", path) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Damaged(f"no YAML ({type(error).__name__}); correct it, or leave it out", path) from None


def _base_of(section: Section, path: str) -> str:
    """The folder that relative ones are below: the section's base path, or the folder of the file."""
    beside = os.path.dirname(os.path.abspath(path))
    base = section.get("base_path")
    return os.path.join(beside, os.path.expandvars(os.path.expanduser(base))) if isinstance(base, str) else beside


def _lines(folders: object) -> Iterator[str]:
    """The folders of one kind: one a line, or a list."""
    several = cast("list[object]", folders) if isinstance(folders, list) else [folders]
    for each in several:
        if isinstance(each, str):
            yield from filter(None, map(str.strip, each.split("\n")))
