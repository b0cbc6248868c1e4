"""What can be done to the embeddings of the library, as jobs. Originals stay; what is written is new files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ....converters.batch import Conversion, Found, Outcome, outcomes
from ....converters.format import format_named
from ....converters.targets import target_named
from ....converters.writing import Form
from ....embeddings.dtypes import dtype_named
from ....embeddings.errors import UnknownName
from ....embeddings.names import prompt_problem, safe_filename
from ..api.answers_jobs import Started
from ..asgi.refusal import Refusal
from ..catalogue.items import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..api.requests import ConvertBody, Empty, MakeSafeBody, RenameBody, SplitBody
    from ..api.service import Service
    from .jobs import Job

SAFE = Form(container="safetensors")
"""What every program reads without running anything: the usual format for the embedding."""
NO_PICKLE = "is no pickle, so nothing in it can run"


def refresh(service: Service, _: Empty) -> Started:
    """Look through all folders again, and have the host do so."""

    def work(job: Job) -> None:
        service.scanning.scan(service.catalogue.around().folders.paths, job.progress, job.cancelled.is_set)
        service.host.refresh()

    return Started(service.jobs.start("refresh", work).id)


def convert(service: Service, body: ConvertBody) -> Started:
    """Convert what was chosen, or all that a query finds."""
    if (body.ids is None) == (body.query is None):
        raise Refusal(422, "say which embeddings: ids, or a query for all that it finds")
    form = form_of(body.program, body.format, body.dtype)
    conversion = Conversion(folder_of(service, body.folder), form, overwrite=body.overwrite, dry_run=body.dry_run)
    if body.query is None:
        return started(service, "convert", service.catalogue.chosen(body.ids or ()), conversion)
    return _begun(service, "convert", service.catalogue.finder(body.query), conversion)


def make_safe(service: Service, body: MakeSafeBody) -> Started:
    """Write pickles anew as safetensors."""
    conversion = Conversion(folder_of(service, body.folder), SAFE)
    return started(service, "make-safe", service.catalogue.chosen(body.ids), conversion, partial(_if_pickle, service))


def rename(service: Service, body: RenameBody) -> Started:
    """Write an embedding anew under another trigger, which is also what the file is called."""
    if problem := prompt_problem(body.name):
        raise Refusal(422, f"the new trigger {problem}; choose another")
    if (stem := safe_filename(body.name)) != body.name:
        raise Refusal(422, f"'{shown(body.name)}' cannot be the name of a file, which prompts call it by; '{stem}' can")
    (found,) = service.catalogue.chosen([body.id])
    form = Form(container="safetensors", stem=stem)
    conversion = Conversion(folder_of(service, body.folder), form, name=body.name)
    return started(service, "rename", [found], conversion)


def split(service: Service, body: SplitBody) -> Started:
    """Write the embeddings of a file as a file each."""
    ref = service.ids.get("embedding", body.id)
    file = service.library.file(ref.path)
    if file is None or len(file.embeddings) < 2:
        raise Refusal(422, "this file holds a single embedding")
    conversion = Conversion(folder_of(service, body.folder), SAFE)
    return started(service, "split", [Found(ref.path)], conversion)


def form_of(program: str | None, format_key: str | None, dtype: str | None) -> Form:
    """What is to be written; raises Refusal for names that are not known."""
    if (program is None) == (format_key is None):
        raise Refusal(422, "say what for: a program, or a format")
    try:
        if program is not None:
            target_named(program)
        if format_key is not None:
            format_named(format_key)
        if dtype is not None:
            dtype_named(dtype)
    except UnknownName as error:
        raise Refusal(422, shown(str(error))) from None
    return Form(format=format_key, target=program, dtype=dtype)


def folder_of(service: Service, name: str | None) -> str | None:
    """The folder with an id; None, which is beside the original, for none."""
    return None if name is None else service.catalogue.around().folders.path_of(name)


def started(
    service: Service,
    kind: str,
    found: Sequence[Found],
    conversion: Conversion,
    work: Callable[[Conversion, Found], Outcome] = Conversion.convert,
) -> Started:
    """Begin a job that converts files one by one, and has the library know what it wrote."""
    if not found:
        raise _nothing_chosen()
    return _begun(service, kind, lambda: found, conversion, work)


def _begun(
    service: Service,
    kind: str,
    find: Callable[[], Sequence[Found]],
    conversion: Conversion,
    work: Callable[[Conversion, Found], Outcome] = Conversion.convert,
) -> Started:
    """The same with files that the job finds: that takes a while where there are many."""

    def run(job: Job) -> None:
        found = find()
        if not found:
            raise _nothing_chosen()
        job.total = len(found)
        job.wrote = not conversion.dry_run
        try:
            for outcome in outcomes(found, partial(work, conversion)):
                job.add(outcome)
                if job.cancelled.is_set():
                    break
        finally:
            conversion.finish()
            take_in(service, job)

    return Started(service.jobs.start(kind, run).id)


def take_in(service: Service, job: Job) -> None:
    """Have the library know the files that a job wrote into its folders."""
    folders = service.catalogue.around().folders
    if any(map(folders.has, job.written)):
        service.scanning.scan(folders.paths)


def _nothing_chosen() -> Refusal:
    return Refusal(422, "nothing was chosen")


def _if_pickle(service: Service, conversion: Conversion, found: Found) -> Outcome:
    file = service.library.file(found.path)
    if file is not None and file.kind == "embedding" and not file.pickled:
        return Outcome(found, "skipped", reason=NO_PICKLE)
    return conversion.convert(found)
