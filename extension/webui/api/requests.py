"""What the API can be asked: the parameters of addresses and the bodies of posts."""

from __future__ import annotations

from dataclasses import dataclass, field

from ....embeddings.library_query import SORTS
from ..asgi.fields import between, one_of

MOST_ITEMS = 500
"""On a page of the list."""
MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
"""Of a picture, by its form."""


@dataclass(frozen=True)
class Empty:
    """No parameters, or an empty object."""


@dataclass(frozen=True)
class ListQuery:
    """Which embeddings are wanted, in which order. Lists have commas; no value means all."""

    q: str = ""
    """Words that must all occur in names, aliases, file names, metadata, descriptions, notes or tags."""
    base_model: list[str] = field(default_factory=list[str])
    """Keys, `unknown`, and `current` for that of the loaded model."""
    format: list[str] = field(default_factory=list[str])
    folder: list[str] = field(default_factory=list[str])
    health: list[str] = field(default_factory=list[str])
    kind: list[str] = field(default_factory=list[str])
    sort: str = one_of("name", SORTS)
    order: str = one_of("asc", ("asc", "desc"))
    offset: int = 0
    limit: int = between(60, 1, MOST_ITEMS)


@dataclass(frozen=True)
class PictureQuery:
    """For which kind of page a picture is."""

    theme: str = one_of("light", ("light", "dark"))
    form: str = one_of("svg", MEDIA_TYPES)


@dataclass(frozen=True)
class ConvertBody:
    """What to convert: ids, or all that a query finds; for a program, or into a format; into which folder."""

    ids: list[str] | None = None
    query: ListQuery | None = None
    program: str | None = None
    format: str | None = None
    dtype: str | None = None
    folder: str | None = None
    """None puts results beside their originals."""
    dry_run: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class MakeSafeBody:
    """Pickles to write anew as safetensors."""

    ids: list[str]
    folder: str | None = None


@dataclass(frozen=True)
class RenameBody:
    """An embedding to write anew under another trigger."""

    id: str
    name: str
    folder: str | None = None


@dataclass(frozen=True)
class SplitBody:
    """A file with several embeddings, by the id of one of them, to write as a file each."""

    id: str
    folder: str | None = None


@dataclass(frozen=True)
class BundleBody:
    """Embeddings to put into a new LoRA file called `name`, made of an existing one."""

    lora: str
    ids: list[str]
    name: str


@dataclass(frozen=True)
class UnbundleBody:
    """A LoRA to take the embeddings out of."""

    lora: str
    folder: str | None = None
    program: str | None = None


@dataclass(frozen=True)
class UploadConvertBody:
    """What to make of a file that was sent; without a folder the result is only downloaded."""

    program: str | None = None
    format: str | None = None
    dtype: str | None = None
    folder: str | None = None


@dataclass(frozen=True)
class SidecarBody:
    """What a user writes about an embedding. What is not given stays; "", [] and 0 take it away."""

    id: str
    description: str | None = None
    notes: str | None = None
    tags: list[str] | None = None
    preferred_weight: float | None = None


@dataclass(frozen=True)
class PreviewBody:
    """An embedding whose preview becomes the last generated image; `overwrite` replaces one that there is."""

    id: str
    overwrite: bool = False


@dataclass(frozen=True)
class ReportBody:
    """Prompts to look for embeddings in."""

    prompt: str
    negative_prompt: str | None = None
