"""Arguments and options that several commands have."""

from __future__ import annotations

import click

from .. import choices
from ..choices import OneOf

paths = click.argument("paths", nargs=-1, required=True, metavar="PATH...")
name = click.option("--name", help="The trigger to give to the one embedding that is read.")
encoder = click.option(
    "--encoder", type=OneOf("encoder", choices.encoders), help="Whose vectors they are, where the file does not say."
)
target = click.option("--for", "target", type=OneOf("program", choices.programs), help="Write what this program reads.")
format = click.option(  # noqa: A001  # the word that users know
    "--to", "format_", type=OneOf("format", choices.formats), help="Write this format; `loanword formats` lists them."
)
container = click.option(
    "--container", type=OneOf("container", choices.containers), help="Write this kind of file, if the format allows it."
)
overwrite = click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
