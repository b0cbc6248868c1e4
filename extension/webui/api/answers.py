"""What the API answers of embeddings: the shapes of its JSON. Every text is one line for people, unless it is exact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Titled:
    """A key, and what people call it."""

    key: str
    title: str


@dataclass(frozen=True)
class Place:
    """A folder, by an opaque id."""

    id: str
    label: str


@dataclass(frozen=True)
class Folder(Place):
    """A folder that results can be put into where it is `writable`."""

    writable: bool


@dataclass(frozen=True)
class HostState:
    """The WebUI; `lines` are the features that its internals do not allow."""

    key: str
    title: str
    base_model: Titled | None
    model_loaded: bool
    lines: list[str]


@dataclass(frozen=True)
class Session:
    """What a page or a script needs to begin with."""

    token: str
    version: str
    host: HostState
    programs: list[Titled]
    formats: list[Titled]
    dtypes: list[str]
    base_models: list[Titled]
    folders: list[Folder]
    default_program: str
    sorts: list[Titled]
    health: list[Titled]


@dataclass(frozen=True)
class Shape:
    """Vectors for one text encoder, or one layer: how many, how wide, of which dtype, in which space."""

    encoder: str
    title: str
    count: int
    width: int
    dtype: str
    space: str
    """One of input, output, layer."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with an embedding."""

    key: str
    sentence: str


@dataclass(frozen=True)
class Use:
    """Who makes an embedding work in prompts with the loaded model, or with one of its own where none is loaded."""

    by: str | None
    """One of host, loanword; None where nobody does."""
    why: str | None
    """Why the host does not, in a sentence."""
    remedy: str | None


@dataclass(frozen=True)
class Item:
    """An embedding, or a file that holds none."""

    id: str
    name: str
    trigger: str
    """Exactly what is typed into a prompt of the host; empty where it cannot be typed."""
    aliases: list[str]
    kind: str
    message: str
    base_model: Titled | None
    vectors: list[Shape]
    tokens: int
    format: Titled | None
    container: Titled | None
    pickle: bool
    size: int
    modified: float
    """Seconds since 1970."""
    folder: Place
    file: str
    health: list[Problem]
    use: Use
    preview: bool
    description: str
    notes: str
    tags: list[str]
    preferred_weight: float | None


@dataclass(frozen=True)
class Twin:
    """Another embedding."""

    id: str
    name: str
    file: str


@dataclass(frozen=True)
class Details(Item):
    """An embedding, and everything that its file says of it."""

    step: int | None
    checkpoint_name: str | None
    checkpoint_hash: str | None
    metadata: dict[str, str]
    sha256: str | None
    original_sha256: str | None
    warnings: list[str]
    siblings: list[Twin]
    """The others in the same file."""
    duplicates: list[Twin]
    """Those with the same vectors."""


@dataclass(frozen=True)
class Listing:
    """A page of embeddings, and how many there are for each value of each filter."""

    total: int
    offset: int
    items: list[Item]
    facets: dict[str, dict[str, int]]
    scanning: bool
