"""Answers that change nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ....converters.format import all_formats
from ....converters.targets import TARGETS
from ....embeddings.dtypes import DTYPES
from ....embeddings.errors import UnknownName
from ....embeddings.health import FINDINGS
from ....embeddings.library_query import SORTS
from ....embeddings.text_encoders import BASE_MODELS
from ...insight.inside import as_values, inside
from ...insight.neighbours import neighbours_of
from ...insight.pictures import picture, pictures_of
from ...insight.sentences import sentences
from ..asgi.answers import Answer
from ..asgi.refusal import Refusal
from ..catalogue.items import base_model_titled, shown
from ..catalogue.previews import find_preview, read_preview
from ..language import words_in
from .answers import HostState, Session, Titled
from .answers_inside import EncoderInside, Inside, NearWord, Neighbour, Picture
from .answers_jobs import FileOutcome, JobState, Output
from .requests import MEDIA_TYPES

if TYPE_CHECKING:
    from ....converters.batch import Outcome
    from ..actions.jobs import Job
    from ..catalogue.folders import Folders
    from .answers import Details, Listing
    from .requests import Empty, ListQuery, PictureQuery
    from .service import Service

SORT_TITLES = {
    "name": "Name",
    "file": "File",
    "modified": "Date",
    "size": "Size",
    "tokens": "Tokens",
    "base-model": "Base model",
    "format": "Format",
    "norm": "Norm",
}


def version() -> str:
    """Loanword's version."""
    package = __name__.removesuffix(".extension.webui.api.reading")
    return importlib.import_module(package).__version__


def session(service: Service, _: Empty) -> Session:
    """What a page or a script needs to begin with; has what was added since the last page found."""
    host = service.host
    loaded = host.base_model()
    folders = service.catalogue.around().folders
    service.scanning.begin(folders.paths)
    state = HostState(host.key, host.title, base_model_titled(loaded), host.model() is not None, [*host.lost])
    return Session(
        token=service.token,
        version=version(),
        host=state,
        programs=[Titled(key, row.title) for key, row in TARGETS.items()],
        formats=[Titled(key, row.title) for key, row in all_formats().items() if row.build is not None],
        dtypes=[*DTYPES],
        base_models=[Titled(key, row.title) for key, row in BASE_MODELS.items()],
        folders=folders.listed(),
        default_program=str(host.option("target")),
        sorts=[Titled(key, SORT_TITLES[key]) for key in SORTS],
        health=[Titled(key, row.title) for key, row in FINDINGS.items()],
    )


def listing(service: Service, query: ListQuery) -> Listing:
    """A page of embeddings."""
    catalogue = service.catalogue
    service.scanning.see_to(catalogue.around().folders.paths)
    return catalogue.page(query, scanning=service.scanning.running)


def details(service: Service, _: Empty, embedding: str) -> Details:
    """An embedding, and everything that its file says of it."""
    return service.catalogue.details(embedding)


def look_inside(service: Service, _: Empty, embedding: str) -> Inside:
    """What is inside an embedding."""
    chosen = service.catalogue.embedding(embedding)
    near = neighbours_of(chosen, service.library, service.catalogue.around().folders.paths)
    seen = inside(chosen, service.host.token_tables(), near)
    values = as_values(seen)
    return Inside(
        encoders=[_encoder(each) for each in values["encoders"]],
        neighbours=[
            Neighbour(service.ids.of("embedding", each.path, each.position), shown(each.name), each.similarity)
            for each in seen.neighbours
        ],
        text=sentences(seen),
        pictures=[Picture(each.key, each.title, each.alt) for each in pictures_of(seen)],
    )


def draw(service: Service, query: PictureQuery, embedding: str, picture_key: str) -> Answer:
    """A picture of what is inside an embedding."""
    seen = inside(service.catalogue.embedding(embedding), service.host.token_tables(), words=0)
    try:
        words = words_in(service.host.language())
        content = picture(seen, picture_key, dark=query.theme == "dark", form=query.form, words=words)
    except UnknownName:
        raise Refusal(404, "there is no such picture of this embedding") from None
    return Answer(content=content, media_type=MEDIA_TYPES[query.form])


def preview(service: Service, _: Empty, embedding: str) -> Answer:
    """The picture that shows what an embedding does."""
    place = find_preview(*service.catalogue.place(embedding))
    found = read_preview(place) if place else None
    if found is None:
        raise Refusal(404, "there is no preview of this embedding")
    return Answer(content=found[0], media_type=found[1])


def job_state(service: Service, _: Empty, job: str) -> JobState:
    """How far a job is."""
    found = service.jobs.get(job)
    state, done = found.state, found.done  # before the outcomes: what has ended has them all
    folders = service.catalogue.around().folders
    outcomes = [_outcome(service, found, each, folders) for each in [*found.outcomes]]
    message = folders.without_paths(found.message)
    download = state != "running" and bool(found.written)
    return JobState(found.kind, state, done, found.total, message, outcomes, download)


def _encoder(values: dict[str, Any]) -> EncoderInside:
    words: Any = values["words"] and [[NearWord(**word) for word in near] for near in values["words"]]
    known: dict[str, Any] = {**values, "words": words}
    return EncoderInside(**known)


def _outcome(service: Service, job: Job, outcome: Outcome, folders: Folders) -> FileOutcome:
    return FileOutcome(
        folders.place_of(outcome.found.path)[1],
        outcome.kind,
        folders.without_paths(outcome.reason),
        [_output(service, job, path, folders) for path in outcome.paths],
        [folders.without_paths(each) for each in outcome.warnings],
    )


def _output(service: Service, job: Job, path: str, folders: Folders) -> Output:
    known = job.wrote and folders.has(path)
    return Output(folders.place_of(path)[1], service.ids.of("embedding", path) if known else None)
