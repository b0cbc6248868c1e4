"""The command `loanword convert`: one file or many, or into a pipe."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from ....embeddings.errors import CannotWrite
from .. import choices
from ..choices import OneOf
from ..output import say, summary, tracked
from . import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....converters.batch import Outcome
    from ....converters.finding import Found
    from ....converters.writing import Form


STANDARD_OUTPUT = "-"


@click.command()
@options.paths
@options.target
@options.format
@options.container
@click.option("--dtype", type=OneOf("dtype", choices.dtypes), help="Round every number to this type.")
@click.option(
    "--out", "-o", metavar="PLACE", help="A folder, a file, or - for standard output.  [default: beside each original]"
)
@options.name
@options.encoder
@click.option("--dry-run", "-n", is_flag=True, help="Say what would be written, and write nothing.")
@options.overwrite
@click.option("--jobs", "-j", type=click.IntRange(1), metavar="N", help="Work with N processes.")
@click.option("--report", metavar="FILE", help="Write what became of each file into FILE, as JSON lines.")
@click.option(
    "--resume/--no-resume",
    default=None,
    help="Keep a journal in PLACE, and go on from there after an interruption (as --jobs and --report do), or anew.",
)
def convert(
    *,
    paths: tuple[str, ...],
    target: str | None,
    format_: str | None,
    container: str | None,
    dtype: str | None,
    out: str | None,
    name: str | None,
    encoder: str | None,
    dry_run: bool,
    overwrite: bool,
    jobs: int | None,
    report: str | None,
    resume: bool | None,
) -> None:
    """Write embeddings in another form, as .safetensors where nothing else is asked for.

    The folders below a PATH that is a folder are kept below PLACE. The paths of what was written go to standard
    output, all else to standard error.

    \b
    Examples:
      loanword convert badhandv4.pt
      loanword convert embeddings/ --for invokeai --out converted/
      loanword convert "old/**/*.bin" --to kohya --dtype float16 --out new/ --dry-run
      loanword convert - --name style --out - < learned_embeds.bin > style.safetensors
      loanword convert archive/ --out converted/ --jobs 8 --report report.jsonl
      loanword convert s3://bucket/embeddings/ --out s3://bucket/converted/ --jobs 8

    A PATH and PLACE may be URLs (s3://, gs://, hf://, …) where fsspec is installed.

    Exit status: 0; 1 where a file failed; 2 for wrong usage. What is found in a folder and is no embedding, or was
    converted before, is skipped; a file named by itself fails then.
    """  # noqa: D301
    from ....converters.batch import Conversion, outcomes
    from ....converters.finding import find
    from ....converters.places import is_archive
    from ....converters.writing import Form

    if target and (format_ or container):
        raise click.UsageError("--for decides on format and container itself; leave out --to and --container")
    form = Form(format_, target, container, dtype)
    if jobs or report or resume is not None or is_archive(out or ""):
        if name or dry_run:
            raise click.UsageError("--name and --dry-run do not go with --jobs, --report, --resume and archives")
        from .. import many

        how = many.How(encoder, overwrite, jobs or 1, report, resume is not False)
        sys.exit(int(many.convert(paths, out, form, how) > 0))
    files = [*find(paths)]
    if name is not None and len(files) != 1:
        raise click.UsageError(f"--name is for one file, these are {len(files)}")
    if out == STANDARD_OUTPUT:
        _to_standard_output(files, form, name, encoder)
        return
    place = _place(out, files)
    conversion = Conversion(place, form, name=name, encoder=encoder, overwrite=overwrite, dry_run=dry_run)
    done: list[Outcome] = []
    for outcome in outcomes(tracked(files), conversion.convert):
        done.append(outcome)
        for path in outcome.paths:
            say(os.fspath(path))
    conversion.finish()
    summary("would be converted" if dry_run else "converted", done)
    sys.exit(int(any(outcome.kind == "failed" for outcome in done)))


def _place(out: str | None, files: Sequence[Found]) -> str | None:
    """The destination: a file only where one file was named."""
    from ....converters.writing import names_file

    if out is None or not names_file(out):
        return out
    if len(files) != 1 or not files[0].named:
        raise click.UsageError(f"--out {out} is a file; give a folder for what may be many, with a / behind its name")
    return out


def _to_standard_output(files: Sequence[Found], form: Form, name: str | None, encoder: str | None) -> None:
    from ....converters.writing import plan

    if len(files) != 1 or not files[0].named:
        raise click.UsageError("--out - is for one file; give a folder")
    if sys.stdout.isatty():
        raise click.UsageError("--out - would write to the terminal; send it into a file or another program")
    _, rendered = plan(files[0].source(), ".", form, name=name, encoder=encoder)
    if len(rendered) != 1:
        names = ", ".join(file.name for file in rendered)
        raise CannotWrite(f"{files[0].path}: makes {len(rendered)} files ({names}), --out - takes one; give a folder")
    sys.stdout.buffer.write(rendered[0].content)
