"""The command `loanword look`."""

from __future__ import annotations

import json

import click

from ....embeddings.errors import one_line, shortened
from ..output import say
from . import options


@click.command()
@click.argument("path")
@click.option("--model", metavar="FOLDER", help="A diffusers model, whose words the vectors are compared with.")
@click.option("--among", "folders", multiple=True, metavar="FOLDER", help="Find those in this folder that are like it.")
@click.option("--pictures", metavar="FOLDER", help="Write its pictures there, as SVG.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
@options.overwrite
def look(
    *, path: str, model: str | None, folders: tuple[str, ...], pictures: str | None, as_json: bool, overwrite: bool
) -> None:
    """Look inside a file: how long its vectors are, how alike, and which words and embeddings they are near.

    \b
    Examples:
      loanword look badhandv4.pt --among embeddings/
      loanword look badhandv4.pt --model my-sdxl-model --pictures pictures/

    Exit status: 0; 1 where a file cannot be read or written.
    """  # noqa: D301
    from ....converters.files import read_all
    from ...insight.sentences import sentences
    from .. import looking
    from ..descriptions import LONGEST_NAME

    seen = [looking.seen(embedding, model, folders) for embedding in read_all(path)]
    if as_json:
        click.echo(json.dumps([looking.as_values(each) for each in seen], indent=2))
    else:
        for each in seen:
            say(f"{shortened(each.name, LONGEST_NAME)}:")
            for sentence in sentences(each):
                say(f"  {sentence}")
    if pictures is not None:
        for written in looking.draw(seen, pictures, overwrite=overwrite):
            click.echo(f"wrote {one_line(written)}", err=True)
