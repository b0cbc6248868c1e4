"""The command `loanword prompt`."""

from __future__ import annotations

import sys

import click

from .. import choices
from ..choices import OneOf
from ..output import say, table


@click.command()
@click.argument("text", metavar="PROMPT")
@click.option("--to", "target", type=OneOf("syntax", choices.syntaxes), help="Print the prompt as this program has it.")
@click.option(
    "--from", "source", type=OneOf("syntax", choices.syntaxes), help="Whose prompt it is, if it is not clear."
)
@click.option(
    "--embeddings", "-e", "places", multiple=True, metavar="PATH", help="Files or folders with the known embeddings."
)
def prompt(*, text: str, target: str | None, source: str | None, places: tuple[str, ...]) -> None:
    """Translate a prompt between programs, names and weights; or check which of your embeddings it uses.

    A1111's prompts name embeddings by nothing but their names, so to translate one, say where the embeddings are.

    \b
    Examples:
      loanword prompt "a cat, (EasyNegative:1.2)" --to comfyui -e embeddings/
      loanword prompt "a cat, embedding:EasyNegativ" -e embeddings/

    Exit status: 0; 1 where the prompt names an embedding that is not there.
    """  # noqa: D301
    from ....converters.collection import embeddings_in, prompt_names
    from ....embeddings.prompt_syntaxes import check_prompt, translate
    from ..prompts import HEADINGS, line_of, rows_of

    known = embeddings_in(*places)
    names = prompt_names(known)
    if target is not None:
        say(translate(text, target, names, source=source))
    checked = check_prompt(text, names)
    if target is None and checked.found:
        table(HEADINGS, rows_of(text, checked, known))
    unknown = checked.unknown if places else ()
    for each in unknown:
        click.echo(line_of(each), err=True)
    announced = [each for each in unknown if text[each.start : each.end] != each.name]
    sys.exit(int(bool(announced)))
