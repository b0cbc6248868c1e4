"""The commands `loanword bundle` and `loanword unbundle`."""

from __future__ import annotations

import os

import click

from ..output import say
from . import options


@click.command()
@click.argument("lora")
@click.argument("embeddings", nargs=-1, required=True, metavar="EMBEDDING...")
@click.option("--out", "-o", required=True, metavar="FILE", help="The new LoRA file.")
@options.overwrite
def bundle(*, lora: str, embeddings: tuple[str, ...], out: str, overwrite: bool) -> None:
    """Put embeddings into a copy of a LoRA, as AUTOMATIC1111, SD.Next and OneTrainer use them (others drop them).

    \b
    Example:
      loanword bundle pixelart.safetensors pixelart-style.pt --out pixelart-bundle.safetensors
    """  # noqa: D301
    from ....converters.batch import find
    from ....converters.bundles import bundle as bundled
    from ....converters.files import read_all

    chosen = [each for found in find(embeddings) for each in read_all(found.source())]
    say(os.fspath(bundled(lora, chosen, out, overwrite=overwrite)))


@click.command()
@click.argument("lora")
@options.target
@options.format
@click.option("--out", "-o", default=".", show_default="here", metavar="FOLDER", help="Where the embeddings go.")
@click.option("--lora-out", metavar="FILE", help="Write the LoRA without its embeddings, too.")
@options.overwrite
def unbundle(
    *, lora: str, target: str | None, format_: str | None, out: str, lora_out: str | None, overwrite: bool
) -> None:
    """Take the embeddings out of a LoRA; the LoRA itself is not changed.

    \b
    Example:
      loanword unbundle pixelart-bundle.safetensors --for comfyui --out embeddings/
    """  # noqa: D301
    from ....converters.bundles import unbundle as unbundled

    for path in unbundled(lora, out, lora_destination=lora_out, format=format_, target=target, overwrite=overwrite):
        say(os.fspath(path))
