"""Which of a file's embeddings a host can use, and the names that its prompts get for them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....embeddings.embedding import Embedding

NAMED_BY_FILE = frozenset((".pt", ".bin", ".safetensors"))
"""Suffixes of the files that WebUIs call by their stems, whatever is in them."""
_ACTIVE = re.compile('[<"].*=', re.DOTALL)
"""A tag with an attribute, or an attribute behind the end of another."""
_PICTURES = frozenset((".png", ".webp", ".avif", ".jxl"))
READ_BY_HOSTS = {
    "a1111": ("sd1", "sd2"),
    "kohya": ("sd1", "sd2"),
    "diffusers": ("sd1", "sd2"),
    "diffusers-1d": ("sd1", "sd2"),
    "star-key": ("sd1", "sd2"),
    "comfyui": ("sdxl",),
}
"""Formats that A1111's reader and its kin read where a file has one embedding, and of which base models."""
CONTAINERS_OF_HOSTS = frozenset(("safetensors", "torch-zip", "torch-legacy", "png", "webp", "avif", "jxl"))
LONGEST_NAME = 200
"""Letters; no file name is longer."""
LEFT_TO_HOSTS = "safetensors"
"""The container that stays with the host's reader.

It may refuse pickles that newer programs write, or run what is in them, and it is slow at pictures.
"""


@dataclass(frozen=True)
class Named:
    """An embedding under one of its names. `taken_over`: the host itself would use that name, so it always gets it."""

    name: str
    embedding: Embedding
    taken_over: bool


def width_of(embedding: Embedding) -> int:
    """What a host compares with its model: the widths of all encoders together."""
    return sum(vectors.shape[1] for vectors in embedding.vectors.values())


def left_to_host(found: Sequence[Embedding], file_name: str) -> bool:
    """Whether the host's own reader does for a file with these embeddings; it goes by the suffix."""
    origin = found[0].provenance
    named_so = file_name.lower().endswith(f".{LEFT_TO_HOSTS}")
    alone = len(found) == 1 and origin.container == LEFT_TO_HOSTS and named_so
    return alone and found[0].base_model in READ_BY_HOSTS.get(origin.format or "", ())


def named(found: Sequence[Embedding], file_name: str) -> list[Named]:
    """Each embedding under its own name, and one alone under the file's, which is what WebUIs call it.

    Names that no prompt can hold are left out: a host's tokenizer takes minutes for a name of a million letters.
    """
    return [each for each in _named(found, file_name) if can_be_said(each.name)]


def can_be_said(name: str) -> bool:
    """Whether a prompt can hold a name, and a host's page show it."""
    return len(name) <= LONGEST_NAME and name.isprintable() and bool(name.strip()) and can_be_shown(name)


def can_be_shown(text: str) -> bool:
    """Whether a host's pages can show a path or a name: they take it for HTML, and run scripts that are in it.

    Source: A1111 1.10.1 and Forge `modules/ui_extra_networks.py`, `search_terms` in `create_item_html`, `data_path` and
    `action_list_item_label` in `create_tree_file_item_html`.
    """
    return _ACTIVE.search(text) is None


def _named(found: Sequence[Embedding], file_name: str) -> list[Named]:
    from ....embeddings.names import is_generic

    stem, suffix = os.path.splitext(file_name)
    suffix = suffix.lower()
    host_names_it = suffix in NAMED_BY_FILE
    if len(found) > 1:
        return [Named(each.name, each, taken_over=False) for each in found]
    (only,) = found
    if suffix in _PICTURES or stem == only.name or (is_generic(stem) and not host_names_it):
        return [Named(only.name, only, taken_over=True)]
    return [Named(stem, only, taken_over=host_names_it), Named(only.name, only, taken_over=False)]


def why_not(embedding: Embedding, target: str) -> str | None:
    """Why the host, a key of TARGETS, can use it with no model, in a sentence; None where it can with some."""
    from ....converters.targets import TARGETS
    from ....embeddings.errors import CannotWrite

    try:
        TARGETS[target].format_for(embedding)
    except CannotWrite as error:
        return str(error).rpartition(": ")[2]
    return None
