"""What the API answers of work that is done, of files that take part in it, and of requests that are refused."""

from __future__ import annotations

from dataclasses import dataclass

from .answers import Problem, Shape, Titled  # noqa: TC001  # read at run time, to describe the API


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
