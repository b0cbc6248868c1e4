"""The command `loanword comfyui-workflow`."""

from __future__ import annotations

import json

import click

from ..output import say
from . import options


@click.command("comfyui-workflow")
@click.option("--embedding", metavar="NAME", help="The embedding's name, as prompts have it.")
@click.option("--checkpoint", metavar="NAME", help="The checkpoint's file name in ComfyUI.")
@click.option("--node", is_flag=True, help="Use loanword's node in place of CLIP Text Encode.")
@click.option("--api", is_flag=True, help="As ComfyUI's API takes it, not its editor.")
@click.option("--out", "-o", metavar="FILE", help="Write it there.  [default: standard output]")
@options.overwrite
def comfyui_workflow(
    *, embedding: str | None, checkpoint: str | None, node: bool, api: bool, out: str | None, overwrite: bool
) -> None:
    """Write a ComfyUI workflow for an embedding of Stable Diffusion 1.5.

    \b
    Example:
      loanword comfyui-workflow --embedding badhandv4 --checkpoint sd15.safetensors --out badhandv4.json
    """  # noqa: D301
    from ...comfyui.workflows import CHECKPOINT, EMBEDDING, workflow, write_workflow

    made = workflow(embedding or EMBEDDING, checkpoint or CHECKPOINT, node=node, api=api)
    if out is None:
        click.echo(json.dumps(made, indent=2))
    else:
        write_workflow(made, out, overwrite=overwrite)
        say(out)
