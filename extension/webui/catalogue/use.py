"""Who makes an embedding work in prompts: the host itself, loanword, or nobody, and then why and what to do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from ....converters.container import all_containers
from ....converters.format import all_formats
from ....embeddings.errors import one_line, shortened
from ....embeddings.text_encoders import BASE_MODELS, TEXT_ENCODERS
from ..api.answers import Use
from ..prompts.usable import can_be_shown, why_not
from ..settings import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ....embeddings.indexed import IndexedEmbedding, IndexedFile
    from ..hosts.host import Host

ELSEWHERE = "Use it in the program that trained it."


def use_of(file: IndexedFile, embedding: IndexedEmbedding | None, host: Host, loaded: str | None) -> Use:
    """Who makes it work with the base model `loaded`, or with its own where that is None."""
    if embedding is None:
        what, _, advice = shortened(one_line(file.message)).rpartition("; ")
        return Use(None, _sentence(what or advice), _sentence(advice) if what else None)
    never = _dangerous(file, embedding, host) or _never(embedding, host)
    return never or _not_now(embedding, loaded) or _by_someone(file, embedding, host, loaded)


def fits(embedding: IndexedEmbedding, host: Host, loaded: str | None) -> bool:
    """Whether an embedding works with a base model."""
    return loaded is not None and (_never(embedding, host) or _not_now(embedding, loaded)) is None


def _dangerous(file: IndexedFile, embedding: IndexedEmbedding, host: Host) -> Use | None:
    """Why the host is not told of it, though it could use it."""
    if not can_be_shown(file.path):
        why = f"The name of its file is HTML, which the pages of {host.title} would run."
        return Use(None, why, "Rename the file.")
    if len(file.embeddings) > 1 and not can_be_shown(embedding.name):
        return Use(None, f"Its name is HTML, which the pages of {host.title} would run.", "Give it another name.")
    return None


def _never(embedding: IndexedEmbedding, host: Host) -> Use | None:
    """Why the host uses it with no model at all."""
    problem = why_not(_outline(embedding), host.target)
    return Use(None, _sentence(problem), _elsewhere(embedding)) if problem else None


def _not_now(embedding: IndexedEmbedding, loaded: str | None) -> Use | None:
    """Why it does not work with the loaded model."""
    if loaded is None or loaded not in BASE_MODELS or set(embedding.vectors) == set(BASE_MODELS[loaded].encoders):
        return None
    wanted, here = BASE_MODELS.get(embedding.base_model or ""), BASE_MODELS[loaded].title
    if wanted is None:
        return Use(None, f"It has vectors for {_encoders(embedding.vectors)}, which {here} does not use.", ELSEWHERE)
    return Use(
        None,
        f"It is made for {wanted.title}; the loaded checkpoint is {here}.",
        f"Load a checkpoint of {wanted.title}.",
    )


def _by_someone(file: IndexedFile, embedding: IndexedEmbedding, host: Host, loaded: str | None) -> Use:
    alone = len(file.embeddings) == 1
    if alone and host.reads(file.format or "", file.container or "", loaded or embedding.base_model):
        return Use("host", None, None)
    why = _why_not(file, host) if alone else f"{host.title} does not read files with several embeddings."
    if host.option("register") == NOTHING:
        return Use(None, why, f"Let loanword make it work, in the settings, or convert it for {host.title}.")
    return Use("loanword", why, f"Nothing has to be done: loanword reads it for {host.title}.")


def _why_not(file: IndexedFile, host: Host) -> str:
    if file.pickled:
        return f"It is a pickle, which {host.title} would run what is in."
    titles = (all_formats()[file.format or ""].title, all_containers()[file.container or ""].title)
    return f"{host.title} does not read files of this kind: {', '.join(titles)}."


def _elsewhere(embedding: IndexedEmbedding) -> str:
    base = BASE_MODELS.get(embedding.base_model or "")
    special = embedding.layer_vectors or embedding.output_vectors or base is None
    return ELSEWHERE if special or base is None else f"Use it in a program that takes such embeddings of {base.title}."


def _outline(embedding: IndexedEmbedding) -> Any:
    """As much of an embedding as decides which programs can use it."""
    kinds = ("vectors", "output_vectors", "layer_vectors")
    shapes = {kind: {key: Shape(each[:2]) for key, each in getattr(embedding, kind).items()} for kind in kinds}
    return SimpleNamespace(name=embedding.name, **shapes)


class Shape(NamedTuple):
    """Vectors without their numbers."""

    shape: tuple[int, int]


def _encoders(keys: Iterable[str]) -> str:
    return " + ".join(TEXT_ENCODERS[key].title for key in keys)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
