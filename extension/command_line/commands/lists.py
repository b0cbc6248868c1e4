"""The commands that list what there is: `loanword formats` and `loanword programs`."""

from __future__ import annotations

import click

from ..output import table


@click.command()
def formats() -> None:
    """List the formats: who writes them, what they are kept in, and whether loanword writes them too."""
    from ....converters.format import all_formats

    rows = [
        (
            row.key,
            row.title,
            ", ".join(row.written_by),
            ", ".join(row.containers),
            "read and written" if row.build else "read",
        )
        for row in all_formats().values()
    ]
    table(("format", "what it is", "written by", "containers", "here"), rows)


@click.command()
def programs() -> None:
    """List the programs that `--for` takes, and what is written for each."""
    from ....converters.targets import TARGETS

    rows = [
        (row.key, row.title, ", ".join(dict.fromkeys(row.formats.values())), ", ".join(row.formats))
        for row in TARGETS.values()
    ]
    table(("program", "its name", "formats", "base models"), rows)
