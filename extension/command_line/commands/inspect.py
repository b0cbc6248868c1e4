"""The command `loanword inspect`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ..output import notes, table, tracked
from . import options


@click.command()
@options.paths
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
def inspect(*, paths: tuple[str, ...], as_json: bool) -> None:
    """Say what files are: which embeddings they hold, or what they are instead.

    \b
    Examples:
      loanword inspect EasyNegative.safetensors
      loanword inspect embeddings/ --json > embeddings.json

    Exit status: 0; 1 where a file could not be read at all.
    """  # noqa: D301
    from ....converters.batch import find
    from ....converters.files import identify
    from ..descriptions import HEADINGS, as_values, rows_of

    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    warnings: list[tuple[str, str]] = []
    unreadable = False
    for found in tracked([*find(paths)]):
        identity = identify(found.source())
        unreadable |= identity.kind == "unreadable"
        if as_json:
            values.append(as_values(found.path, identity))
        else:
            rows += rows_of(found.path, identity)
            warnings += [(warning, found.path) for each in identity.embeddings for warning in each.warnings]
    if as_json:
        click.echo(json.dumps(values, indent=2))
    else:
        table(HEADINGS, rows)
        notes("warning", warnings)
    sys.exit(int(unreadable))
