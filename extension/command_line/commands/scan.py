"""The command `loanword scan`."""

from __future__ import annotations

import json
import os
import sys

import click

from ..output import notes, progress, table


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
def scan(*, folders: tuple[str, ...], as_json: bool) -> None:
    """Take stock of folders: what is in them, what is wrong with it, and which files are the same.

    What was found is remembered, for the WebUI and ComfyUI too; only files that are new or changed are read again.

    \b
    Examples:
      loanword scan embeddings/
      loanword scan embeddings/ ComfyUI/models/embeddings/ --json > library.json

    Exit status: 0; 1 where a folder or file could not be read at all.
    """  # noqa: D301
    from ....converters.indexing import open_library
    from ....embeddings.library import COLLISION, DUPLICATE
    from .. import scanning

    places = [folder if os.path.lexists(folder) else os.path.expanduser(folder) for folder in folders]
    with open_library() as library:
        with progress() as told:
            found = library.scan(places, progress=told)
        files = [*library.files(places)]
        alike = {DUPLICATE: library.duplicates(places), COLLISION: library.collisions(places)}
    if as_json:
        click.echo(json.dumps(scanning.as_values(found, files, *alike.values()), indent=2))
    else:
        table(scanning.HEADINGS, scanning.rows_of(files))
        click.echo(scanning.line_of(found), err=True)
        scanning.tell(scanning.problems(files))
        for finding, groups in alike.items():
            scanning.tell(scanning.alike(finding, groups))
    notes("unreadable", (("cannot be listed; name a folder that is there", folder) for folder in found.unlistable))
    sys.exit(int(bool(found.unlistable) or any(file.kind == "unreadable" for file in files)))
