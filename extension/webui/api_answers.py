"""What the API answers: the shapes of its JSON. Every text is one line for people, unless it says that it is exact."""

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


@dataclass(frozen=True)
class NearWord:
    """A word of the loaded model's vocabulary that a vector is near to."""

    word: str
    similarity: float


@dataclass(frozen=True)
class EncoderInside:
    """The vectors of one text encoder, seen from inside; None stands for what is not defined."""

    key: str
    title: str
    space: str
    labels: list[str]
    norms: list[float | None]
    usual_norms: list[float | None] | None
    """The norms below which 5, 50 and 95 in 100 words of the vocabulary are."""
    similarity: list[list[float | None]]
    words: list[list[NearWord]] | None
    words_missing: str | None


@dataclass(frozen=True)
class Neighbour:
    """An embedding that is like this one."""

    id: str
    name: str
    similarity: float


@dataclass(frozen=True)
class Picture:
    """A picture that can be asked for, and what it shows in words."""

    key: str
    title: str
    alt: str


@dataclass(frozen=True)
class Inside:
    """What is inside an embedding."""

    encoders: list[EncoderInside]
    neighbours: list[Neighbour]
    text: list[str]
    pictures: list[Picture]


@dataclass(frozen=True)
class Started:
    """The id of a job that was begun."""

    job: str


@dataclass(frozen=True)
class Output:
    """A file that a job wrote; `id` of the embedding in it, where it is in the library."""

    name: str
    id: str | None


@dataclass(frozen=True)
class FileOutcome:
    """What became of a file: `kind` is done, skipped or failed."""

    file: str
    kind: str
    reason: str
    outputs: list[Output]
    warnings: list[str]


@dataclass(frozen=True)
class JobState:
    """How far a job is; `state` is running, done, cancelled or failed."""

    kind: str
    state: str
    done: int
    total: int
    message: str
    outcomes: list[FileOutcome]
    download: bool


@dataclass(frozen=True)
class Lora:
    """A LoRA, and the embeddings that are bundled in it."""

    id: str
    name: str
    file: str
    bundled: list[str]


@dataclass(frozen=True)
class Loras:
    """The LoRAs of the host."""

    items: list[Lora]


@dataclass(frozen=True)
class UploadedEmbedding:
    """An embedding in a file that was sent."""

    name: str
    base_model: Titled | None
    vectors: list[Shape]
    tokens: int
    health: list[Problem]


@dataclass(frozen=True)
class Uploaded:
    """A file that was sent, and what it is."""

    upload: str
    file: str
    kind: str
    message: str
    embeddings: list[UploadedEmbedding]


@dataclass(frozen=True)
class Uploads:
    """The files that were sent at once."""

    items: list[Uploaded]


@dataclass(frozen=True)
class Used:
    """An embedding that a prompt uses."""

    id: str
    name: str
    written: str
    file: str
    base_model: Titled | None
    tokens: int
    fits: bool
    """Whether it works with the loaded model."""


@dataclass(frozen=True)
class UnknownName:
    """What looks like an embedding's name in a prompt but is none, and names that may be meant."""

    written: str
    nearest: list[str]


@dataclass(frozen=True)
class PromptReport:
    """What a prompt uses; `tokens` are all of its tokens, or those of its embeddings while no model is loaded."""

    text: str
    tokens: int
    used: list[Used]
    unknown: list[UnknownName]
    sentences: list[str]


@dataclass(frozen=True)
class Report:
    """What prompts use: the prompt, then the negative one where it was given."""

    prompts: list[PromptReport]


@dataclass(frozen=True)
class Nothing:
    """Done, and nothing to say of it."""


@dataclass(frozen=True)
class ErrorBody:
    """Why a request was refused; `code` is stable."""

    code: str
    message: str


@dataclass(frozen=True)
class Failure:
    """The answer of every refused request."""

    error: ErrorBody
