"""Folders: which of their files hold embeddings, and which files beside an embedding say more about it.

Source: Hugging Face's sd-concepts-library; diffusers, `examples/textual_inversion` (`_2` is the half for SDXL's second
text encoder) and `examples/advanced_diffusion_training`; NeTI, `training/coach.py`; replicate's cog-sdxl, `train.py`;
OneTrainer, `modules/modelSaver/mixin`; A1111, `modules/textual_inversion/textual_inversion.py`, `train_embedding`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..embeddings.errors import CannotWrite, NotAnEmbedding, Unreadable, shortened
from .source import siblings_of

if TYPE_CHECKING:
    from ..embeddings.embedding import Embedding

TOKEN_FILE, KIND_FILE = "token_identifier.txt", "type_of_concept.txt"
WORDS_FILE = "special_params.json"
MODEL_FILE = "model_index.json"
MOST_FILES = 10_000
"""A folder with more is a library of embeddings, which is read file by file."""
LARGEST_TEXT = 64 * 1024
LARGEST_HALF = 8 * 1024 * 1024

_COMPANIONS = (
    (
        re.compile(r"learned_embeds(?P<when>-[a-z0-9-]+)?(?P<suffix>\.(?:bin|safetensors|pt))"),
        {TOKEN_FILE: LARGEST_TEXT, KIND_FILE: LARGEST_TEXT}
        | {"learned_embeds_2{when}{suffix}": LARGEST_HALF, "mapper{when}.pt": LARGEST_HALF},
    ),
    (re.compile(r".+\.pti|(?:.+_emb|embeddings)\.safetensors"), {WORDS_FILE: LARGEST_TEXT}),
)
"""File name of an embedding -> names of what may lie beside it, each with the most bytes that are read of it."""


@dataclass(frozen=True)
class Layout:
    """A folder as some program leaves it: where its embeddings are, and a file or folder that must be there too."""

    members: str
    """Pattern of the embeddings' file names; `step` is the training step, of which only the last one counts."""
    within: str = ""
    """Pattern of the names of the subfolders they are in; empty for the folder itself."""
    beside: str = ""
    """Pattern of a name without which it is another folder."""
    models: str = ""
    """Name of the model beside them that they belong to, from the parts of `within`."""


LAYOUTS = (
    Layout(r"learned_embeds(?:-(?:steps?-)?(?P<step>[0-9]{1,9})|-final)?\.(?P<suffix>safetensors|bin|pt)"),
    Layout(r"(?:embeddings|checkpoint-(?P<step>[0-9]{1,9}))\.(?P<suffix>safetensors|pti)"),
    Layout(r"(?P<name>.+)-(?P<step>[0-9]{1,9})\.pt", beside=r".+\.pt\.optim"),
    Layout(
        r"(?P<name>.+)-(?P<step>[0-9]{1,9})\.pt",
        within="embeddings",
        beside=r"image_embeddings|images|textual_inversion_loss\.csv",
    ),
    Layout(r".+\.safetensors", within="embeddings?|additional_embeddings", beside=r"meta\.json"),
    Layout(r".+\.safetensors", within=r"(?P<lora>.+)_embeddings", models="{lora}.safetensors"),
)
_PICTURES = Layout(r"(?P<name>.+)-(?P<step>[0-9]{1,9})\.png", within="image_embeddings")
_ANY = Layout(r"[^.].*\.(?:pt|bin|safetensors|pti)")
_NEVER = re.compile(
    r"learned_embeds_2.*|mapper.*\.pt|(?:pytorch_lora_weights|lora|unet)\.safetensors|optimizer\.(?:pt|bin)"
)
"""Halves of embeddings, and models that lie beside them."""
_PREFERENCE = ("safetensors", "pti", "bin", "pt")


def companions_of(path: str) -> dict[str, bytes]:
    """The files beside `path` that belong to it by its name, with their content; looks for none at usual names."""
    limits = companion_names(os.path.basename(path))
    return {
        companion: content
        for limit in set(limits.values())
        for companion, content in siblings_of(path, _belonging(path, limits, limit), limit).items()
    }


def companion_names(name: str) -> dict[str, int]:
    """The names of what may lie beside a file called `name` and belongs to it, each with the most bytes read of it."""
    for pattern, companions in _COMPANIONS:
        if found := pattern.fullmatch(name):
            parts = found.groupdict("")
            return {companion.format(**parts): limit for companion, limit in companions.items()}
    return {}


def members_of(folder: str) -> list[str]:
    """The paths of the files in `folder` that hold its embeddings, in order.

    Of snapshots of one training only the last counts, of halves the first. Raises NotAnEmbedding where there are none.
    """
    names = _names(folder)
    members: set[str] = set()
    explained = {name for name in names if _NEVER.fullmatch(name)}
    for layout in LAYOUTS:
        if not layout.beside or any(re.fullmatch(layout.beside, name) for name in names):
            members |= _members(folder, names, layout, explained)
    if not members and MODEL_FILE in names:
        raise NotAnEmbedding(f"a whole diffusers model ({MODEL_FILE}), not an embedding; load it as a pipeline")
    members |= _members(folder, [name for name in names if name not in explained], _ANY, explained)
    members = members or _members(folder, names, _PICTURES, explained)
    if not members:
        raise NotAnEmbedding("a folder without any embedding file; name a folder that has one, or the file itself")
    return sorted(members)


def concept_files(embedding: Embedding) -> dict[str, str]:
    """Names and texts of the files that lie beside the `learned_embeds` of an sd-concepts-library folder."""
    if not embedding.name.isprintable():
        raise CannotWrite(f"the name {shortened(repr(embedding.name), 80)} does not fit into a line; rename it")
    kind = embedding.provenance.metadata.get("type_of_concept")
    return {TOKEN_FILE: embedding.name, **({KIND_FILE: kind} if kind else {})}


def _belonging(path: str, limits: dict[str, int], limit: int) -> list[str]:
    """The companions with this limit, without links that lead anywhere else than the file itself does.

    A link lets a stranger's folder name any file of the reader's. In Hugging Face's cache every file is a link, all
    of them into one folder.
    """
    folder = os.path.dirname(path)
    chosen = [name for name, most in limits.items() if most == limit]
    return [name for name in chosen if _target_folder(os.path.join(folder, name)) in ("", _target_folder(path))]


def _target_folder(path: str) -> str:
    """The folder that a link leads into, as written in the link; empty for what is no link."""
    try:
        return os.path.dirname(os.readlink(path)) or os.curdir
    except (OSError, ValueError):
        return ""


def _names(folder: str) -> list[str]:
    """What is in the folder, in the order of names."""
    names: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) > MOST_FILES:
                    raise NotAnEmbedding(f"a folder of more than {MOST_FILES} files; name those that should be read")
    except OSError as error:
        raise Unreadable(f"cannot be listed ({(error.strerror or str(error)).lower()}); allow it") from None
    return sorted(names)


def _members(folder: str, names: list[str], layout: Layout, explained: set[str]) -> set[str]:
    """The paths of the layout's embeddings; `explained` gets the names of what need not be looked at again."""
    if not layout.within:
        return _latest(folder, names, layout, explained)
    found: set[str] = set()
    for name in names:
        inner = os.path.join(folder, name)
        named = re.fullmatch(layout.within, name)
        if named and os.path.isdir(inner) and not os.path.islink(inner):
            explained.add(layout.models.format(**named.groupdict()))
            found |= _latest(inner, _names(inner), layout, set())
    return found


def _latest(folder: str, names: list[str], layout: Layout, explained: set[str]) -> set[str]:
    """The paths of the members; of those that are snapshots or copies of one another only the best.

    Without a step in its name a snapshot is the final one. The same snapshot may be there as safetensors and pickle.
    """
    best: dict[str, tuple[int, int, str]] = {}
    for name in names:
        found = re.fullmatch(layout.members, name)
        path = os.path.join(folder, name)
        if found is None or not os.path.isfile(path):
            continue
        explained.add(name)
        parts = found.groupdict()
        concept = parts.get("name", "") if "step" in parts else name
        last = 10**9 if parts.get("step") is None else int(parts["step"])
        rank = (last, -_PREFERENCE.index(parts.get("suffix", _PREFERENCE[0])), path)
        best[concept] = max(best.get(concept, rank), rank)
    return {path for _, _, path in best.values()}
