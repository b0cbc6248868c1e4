"""What the API answers of the inside of embeddings, and of prompts."""

from __future__ import annotations

from dataclasses import dataclass

from .answers import Titled  # noqa: TC001  # read at run time, to describe the API


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
