"""The command `loanword verify`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..output import say, summary, tracked
from . import options

if TYPE_CHECKING:
    from ....converters.finding import Found


@click.command()
@options.paths
@options.target
@options.format
@options.container
@options.name
@options.encoder
def verify(
    *,
    paths: tuple[str, ...],
    target: str | None,
    format_: str | None,
    container: str | None,
    name: str | None,
    encoder: str | None,
) -> None:
    """Convert files there and back in memory, and say whether every byte and every fact survived.

    \b
    Examples:
      loanword verify embeddings/
      loanword verify style.pt --for comfyui

    Exit status: 0; 1 where something was lost or a file failed; 2 for wrong usage.
    """  # noqa: D301
    from ....converters.batch import Outcome, find, outcomes
    from ....converters.verification import verify as verified

    def compare(found: Found) -> Outcome:
        result = verified(
            found.source(), format=format_, target=target, container=container, name=name, encoder=encoder
        )
        say(f"{'same' if result.ok else 'LOST'}  {found.path}  as {', '.join(result.files)}")
        return Outcome(found, "done" if result.ok else "failed", reason="; ".join(result.differences))

    done = [*outcomes(tracked([*find(paths)]), compare)]
    summary("the same there and back", done)
    sys.exit(int(any(outcome.kind == "failed" for outcome in done)))
