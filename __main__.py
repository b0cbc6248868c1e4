"""The command line: thin commands, which are in `extension/command_line/commands/`, and what they share."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from . import __version__
from .embeddings.errors import LoanwordError, UnknownName
from .extension.command_line.commands.bundles import bundle, unbundle
from .extension.command_line.commands.comfyui_workflow import comfyui_workflow
from .extension.command_line.commands.convert import convert
from .extension.command_line.commands.inspect import inspect
from .extension.command_line.commands.lists import formats, programs
from .extension.command_line.commands.look import look
from .extension.command_line.commands.prompt import prompt
from .extension.command_line.commands.scan import scan
from .extension.command_line.commands.verify import verify


class Commands(click.Group):
    """All commands; what loanword refuses becomes a line on standard error, and exit status 1 (unknown names: 2)."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnknownName as error:
            raise click.UsageError(str(error)) from None
        except LoanwordError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loanword", message="%(prog)s %(version)s")
def main() -> None:
    """Read textual-inversion embeddings of every program, and write them for every other.

    A PATH is a file, a folder, a pattern such as "embeddings/**/*.pt", or - for standard input. Originals are never
    changed.

    \b
    Examples:
      loanword inspect embeddings/
      loanword convert badhandv4.pt --for comfyui --out ComfyUI/models/embeddings/
      loanword verify embeddings/ --for diffusers
    """  # noqa: D301  # click keeps the lines of a paragraph that begins with a backspace
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


for _command in (inspect, look, scan, convert, verify, bundle, unbundle, prompt, comfyui_workflow, formats, programs):
    main.add_command(_command)


def run() -> None:
    """Run the command line, patterns left as they are: `find` expands them, and knows where they began."""
    main(windows_expand_args=False)


if __name__ == "__main__":
    run()
