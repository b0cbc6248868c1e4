"""Many files at once, by any number of workers; the same result whatever the order in which they finish."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ...embeddings.dtypes import dtype_named
from ...embeddings.errors import CannotWrite, UnknownName, one_line, shortened
from ...embeddings.text_encoders import TEXT_ENCODERS
from ..atomic import flush
from ..container import container_named
from ..format import format_named
from ..indexing import cache_folder
from ..places import is_archive, is_url, same_key, scheme_of
from ..targets import target_named
from ..writing import CONCEPT_FOLDER, Form, names_file
from .archive import Archive
from .crew import Crew
from .dispatch import carry_out
from .flushing import Flushing
from .intake import chunks, held, kept_apart, named
from .journal import NAME, Journal
from .report import Totals, check_report, told, write_report
from .settlement import settle
from .work import Order, convert_chunk, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from ..batch import Outcome
    from .parcels import Made, Taken

_CHUNKS_A_WORKER = 2
"""Under way at a time: one in work, one waiting."""


def convert_many(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    destination: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002  # the word that users know
    target: str | None = None,
    container: str | None = None,
    dtype: str | None = None,
    encoder: str | None = None,
    overwrite: bool = False,
    executor: Executor | None = None,
    jobs: int | None = None,
    report: str | os.PathLike[str] | None = None,
    journal: str | os.PathLike[str] | None = None,
    resume: bool = True,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[Outcome], None] | None = None,
) -> Totals:
    """Convert files, folders, patterns and URLs into a folder, a path or a URL, as `convert` does one file.

    `sources` may be an iterator of any length. The work is done by `executor`, any concurrent.futures.Executor, or by
    `jobs` processes of this machine (by default one for each processor; 0: in this process); for an `executor`, `jobs`
    says how many workers it has. What became of each file goes, when all is done, into `report`, a file of JSON lines
    (`facts.COLUMNS`), and to `tell`; `progress` is told meanwhile how many files are done, and how many were found.

    For a destination such as `zip://folder/::all.zip` a new archive is packed when all is done.

    An interrupted run is taken up by the same call: its journal lies in the destination, or at `journal`, for a URL by
    default in the user's cache folder. `resume=False` begins anew. Of several files that would become the same one,
    the first has it: first in `sources`, then by its path. Raises UnknownName, and CannotWrite where the journal or
    the report cannot be written, or the journal is of a run with other settings.
    """
    order = Order(os.fspath(destination), Form(format, target, container, dtype), encoder, overwrite)
    _check(order)
    archive = Archive(order.destination, resume=resume) if is_archive(order.destination) else None
    if archive is not None:
        order = replace(order, destination=archive.folder, named=order.destination)
    if report is not None:
        check_report(report)
    given = named(sources)
    if overwrite:
        given = kept_apart(given, order.destination)
    place = os.fspath(journal) if journal is not None else _journal_for(order.destination)
    opened = Journal(place, _settings(order), resume=resume)
    finished = False
    try:
        if archive is not None and not resume:
            archive.begin_anew()
        with opened.refusals(), Crew(executor, _jobs(jobs, order.destination)) as crew:
            _run(opened, order, given, crew, progress)
            if archive is not None:
                archive.pack()
            totals = write_report(opened.facts(), report, order.as_named)
            if tell is not None:
                for outcome in told(opened.rows(), order.as_named):
                    tell(outcome)
        finished = True
    finally:
        opened.close(finished=finished)
    if archive is not None:
        archive.remove_folder()
    return totals


def _run(
    journal: Journal, order: Order, sources: Iterable[str], crew: Crew, progress: Callable[[int, int], None] | None
) -> None:
    """Convert what is not converted yet, and settle who has which place."""
    if not journal.begun:
        journal.begin(held(order.destination))
    elif not is_url(order.destination):
        journal.forget_unless(_is_whole)
    order = replace(order, fresh=journal.fresh)
    with Flushing() as flushing:
        waiting = chunks(journal, order.destination, sources)
        at_once = _CHUNKS_A_WORKER * max(1, crew.jobs)
        work = functools.partial(convert_chunk, order)
        done = 0
        for chunk, made in carry_out(work, waiting, crew, at_once=at_once, give_up=_given_up):
            journal.record(made)
            done += len(chunk)
            if not is_url(order.destination):
                flushing.count(len(made))
            if progress is not None:
                progress(done, journal.taken)
    crew.dismiss()
    settle(journal, order)
    flush(place for place in journal.places() if os.path.exists(place))


def _check(order: Order) -> None:
    """Raise UnknownName and CannotWrite for what would make every single file fail."""
    form = order.form
    if form.target is not None:
        if form.format is not None or form.container is not None:
            raise CannotWrite("a target program decides on format and container itself; give only one of them")
        target_named(form.target)
    if form.format is not None:
        format_named(form.format)
    if form.container not in (None, CONCEPT_FOLDER):
        container_named(form.container)
    if form.dtype is not None:
        dtype_named(form.dtype)
    if order.encoder is not None and order.encoder not in TEXT_ENCODERS:
        raise UnknownName(f"no text encoder is called {order.encoder!r}; there are {', '.join(TEXT_ENCODERS)}")
    if names_file(order.destination):
        raise CannotWrite(f"{order.destination}: has the name of a file; many files go into a folder")


def _jobs(jobs: int | None, destination: str) -> int:
    """How many workers; what is in this process's memory only this process can write."""
    if scheme_of(destination) == "memory":
        return 0
    return jobs if jobs is not None else os.cpu_count() or 1


def _is_whole(place: str, size: int) -> bool:
    """Whether a result is there as it was written; an empty file, all that a power failure left of it, is removed."""
    try:
        found = os.lstat(place).st_size
        if found == 0:
            os.unlink(place)
    except OSError:
        return False
    return found == size


def _settings(order: Order) -> str:
    """What has to be the same for a run to be gone on with, as text."""
    return json.dumps(asdict(replace(order, destination=same_key(order.destination).rstrip("/"))))


def _journal_for(destination: str) -> str:
    if not is_url(destination):
        return os.path.join(destination, NAME)
    digest = hashlib.sha256(destination.rstrip("/").encode()).hexdigest()[:16]
    return os.path.join(cache_folder(), "loanword", "journals", f"{digest}.sqlite")


def _given_up(taken: Taken, error: Exception) -> Made:
    said = shortened(one_line(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"), 120)
    reason = f"cost every worker that read it its life ({said}); please report this file"
    return refused(taken, "failed", "worker-lost", reason)
