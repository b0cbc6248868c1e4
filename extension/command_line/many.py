"""`loanword convert` for collections: several processes, a journal and a report."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from .output import Tally, progress, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...converters.batch import Outcome
    from ...converters.writing import Form

STANDARD = "-"


@dataclass(frozen=True)
class How:
    """What the options say of the work itself."""

    encoder: str | None
    overwrite: bool
    jobs: int
    report: str | None
    resume: bool


def convert(paths: Sequence[str], out: str | None, form: Form, how: How) -> int:
    """Convert everything, say what came of it, and return how many files failed."""
    from ...converters.many.conversion import convert_many

    if out is None or STANDARD in (out, *paths):
        raise click.UsageError("--jobs, --report and --resume are for files and folders, and need --out FOLDER")
    tally = Tally()

    def tell(outcome: Outcome) -> None:
        tally.add(outcome)
        if outcome.kind == "done":
            for path in outcome.paths:
                say(os.fspath(path))

    with progress() as told:
        totals = convert_many(
            paths,
            out,
            format=form.format,
            target=form.target,
            container=form.container,
            dtype=form.dtype,
            encoder=how.encoder,
            overwrite=how.overwrite,
            jobs=how.jobs,
            report=how.report,
            resume=how.resume,
            progress=told,
            tell=tell,
        )
    tally.show("converted")
    if totals.duplicates:
        where = f"{how.report or 'a report (--report)'} says which"
        click.echo(f"{totals.duplicates} have the same vectors as an earlier file; {where}", err=True)
    return totals.failed
