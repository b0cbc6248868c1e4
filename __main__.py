"""The command line: thin commands that each call one function of loanword and print what came of it."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .embeddings.errors import CannotWrite, LoanwordError, UnknownName, one_line
from .extension.command_line import choices
from .extension.command_line.choices import OneOf
from .extension.command_line.output import notes, progress, say, summary, table, tracked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .converters.batch import Found, Outcome
    from .converters.writing import Form

    Command = Callable[..., None]

STANDARD_OUTPUT = "-"


class Commands(click.Group):
    """All commands; what loanword refuses becomes a line on standard error, and exit status 1 (unknown names: 2)."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnknownName as error:
            raise click.UsageError(str(error)) from None
        except LoanwordError as error:
            raise click.ClickException(str(error)) from None


_paths = click.argument("paths", nargs=-1, required=True, metavar="PATH...")
_name = click.option("--name", help="The trigger to give to the one embedding that is read.")
_encoder = click.option(
    "--encoder", type=OneOf("encoder", choices.encoders), help="Whose vectors they are, where the file does not say."
)
_target = click.option(
    "--for", "target", type=OneOf("program", choices.programs), help="Write what this program reads."
)
_format = click.option(
    "--to", "format_", type=OneOf("format", choices.formats), help="Write this format; `loanword formats` lists them."
)
_container = click.option(
    "--container", type=OneOf("container", choices.containers), help="Write this kind of file, if the format allows it."
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace files that are there already.")


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


@main.command()
@_paths
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
def inspect(*, paths: tuple[str, ...], as_json: bool) -> None:
    """Say what files are: which embeddings they hold, or what they are instead.

    \b
    Examples:
      loanword inspect EasyNegative.safetensors
      loanword inspect embeddings/ --json > embeddings.json

    Exit status: 0; 1 where a file could not be read at all.
    """  # noqa: D301
    from .converters.batch import find
    from .converters.files import identify
    from .extension.command_line.descriptions import HEADINGS, as_values, rows_of

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


@main.command()
@click.argument("path")
@click.option("--model", metavar="FOLDER", help="A diffusers model, whose words the vectors are compared with.")
@click.option("--among", "folders", multiple=True, metavar="FOLDER", help="Find those in this folder that are like it.")
@click.option("--pictures", metavar="FOLDER", help="Write its pictures there, as SVG.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
@_overwrite
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
    from .converters.files import read_all
    from .extension.command_line import looking
    from .extension.insight.sentences import sentences

    seen = [looking.seen(embedding, model, folders) for embedding in read_all(path)]
    if as_json:
        click.echo(json.dumps([looking.as_values(each) for each in seen], indent=2))
    else:
        for each in seen:
            say(f"{each.name}:")
            for sentence in sentences(each):
                say(f"  {sentence}")
    if pictures is not None:
        for written in looking.draw(seen, pictures, overwrite=overwrite):
            click.echo(f"wrote {one_line(written)}", err=True)


@main.command()
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
    from .converters.indexing import open_library
    from .embeddings.library import COLLISION, DUPLICATE
    from .extension.command_line import scanning

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


@main.command()
@_paths
@_target
@_format
@_container
@click.option("--dtype", type=OneOf("dtype", choices.dtypes), help="Round every number to this type.")
@click.option(
    "--out", "-o", metavar="PLACE", help="A folder, a file, or - for standard output.  [default: beside each original]"
)
@_name
@_encoder
@click.option("--dry-run", "-n", is_flag=True, help="Say what would be written, and write nothing.")
@_overwrite
@click.option("--jobs", "-j", type=click.IntRange(1), metavar="N", help="Work with N processes.")
@click.option("--report", metavar="FILE", help="Write what became of each file into FILE, as JSON lines.")
@click.option(
    "--resume/--no-resume",
    default=None,
    help="Keep a journal in PLACE, and go on from there after an interruption (as --jobs and --report do), or anew.",
)
def convert(
    *,
    paths: tuple[str, ...],
    target: str | None,
    format_: str | None,
    container: str | None,
    dtype: str | None,
    out: str | None,
    name: str | None,
    encoder: str | None,
    dry_run: bool,
    overwrite: bool,
    jobs: int | None,
    report: str | None,
    resume: bool | None,
) -> None:
    """Write embeddings in another form, as .safetensors where nothing else is asked for.

    The folders below a PATH that is a folder are kept below PLACE. The paths of what was written go to standard
    output, all else to standard error.

    \b
    Examples:
      loanword convert badhandv4.pt
      loanword convert embeddings/ --for invokeai --out converted/
      loanword convert "old/**/*.bin" --to kohya --dtype float16 --out new/ --dry-run
      loanword convert - --name style --out - < learned_embeds.bin > style.safetensors
      loanword convert archive/ --out converted/ --jobs 8 --report report.jsonl
      loanword convert s3://bucket/embeddings/ --out s3://bucket/converted/ --jobs 8

    A PATH and PLACE may be URLs (s3://, gs://, hf://, …) where fsspec is installed.

    Exit status: 0; 1 where a file failed; 2 for wrong usage. What is found in a folder and is no embedding, or was
    converted before, is skipped; a file named by itself fails then.
    """  # noqa: D301
    from .converters.batch import Conversion, outcomes
    from .converters.finding import find
    from .converters.writing import Form

    if target and (format_ or container):
        raise click.UsageError("--for decides on format and container itself; leave out --to and --container")
    form = Form(format_, target, container, dtype)
    if jobs or report or resume is not None:
        if name or dry_run:
            raise click.UsageError("--name and --dry-run do not go with --jobs, --report and --resume")
        from .extension.command_line import many

        how = many.How(encoder, overwrite, jobs or 1, report, resume is not False)
        sys.exit(int(many.convert(paths, out, form, how) > 0))
    files = [*find(paths)]
    if name is not None and len(files) != 1:
        raise click.UsageError(f"--name is for one file, these are {len(files)}")
    if out == STANDARD_OUTPUT:
        _to_standard_output(files, form, name, encoder)
        return
    place = _place(out, files)
    conversion = Conversion(place, form, name=name, encoder=encoder, overwrite=overwrite, dry_run=dry_run)
    done: list[Outcome] = []
    for outcome in outcomes(tracked(files), conversion.convert):
        done.append(outcome)
        for path in outcome.paths:
            say(os.fspath(path))
    conversion.finish()
    summary("would be converted" if dry_run else "converted", done)
    sys.exit(int(any(outcome.kind == "failed" for outcome in done)))


@main.command()
@_paths
@_target
@_format
@_container
@_name
@_encoder
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
    from .converters.batch import Outcome, find, outcomes
    from .converters.verification import verify as verified

    def compare(found: Found) -> Outcome:
        result = verified(
            found.source(), format=format_, target=target, container=container, name=name, encoder=encoder
        )
        say(f"{'same' if result.ok else 'LOST'}  {found.path}  as {', '.join(result.files)}")
        return Outcome(found, "done" if result.ok else "failed", reason="; ".join(result.differences))

    done = [*outcomes(tracked([*find(paths)]), compare)]
    summary("the same there and back", done)
    sys.exit(int(any(outcome.kind == "failed" for outcome in done)))


@main.command()
@click.argument("lora")
@click.argument("embeddings", nargs=-1, required=True, metavar="EMBEDDING...")
@click.option("--out", "-o", required=True, metavar="FILE", help="The new LoRA file.")
@_overwrite
def bundle(*, lora: str, embeddings: tuple[str, ...], out: str, overwrite: bool) -> None:
    """Put embeddings into a copy of a LoRA, as AUTOMATIC1111, SD.Next and OneTrainer use them (others drop them).

    \b
    Example:
      loanword bundle pixelart.safetensors pixelart-style.pt --out pixelart-bundle.safetensors
    """  # noqa: D301
    from .converters.batch import find
    from .converters.bundles import bundle as bundled
    from .converters.files import read_all

    chosen = [each for found in find(embeddings) for each in read_all(found.source())]
    say(os.fspath(bundled(lora, chosen, out, overwrite=overwrite)))


@main.command()
@click.argument("lora")
@_target
@_format
@click.option("--out", "-o", default=".", show_default="here", metavar="FOLDER", help="Where the embeddings go.")
@click.option("--lora-out", metavar="FILE", help="Write the LoRA without its embeddings, too.")
@_overwrite
def unbundle(
    *, lora: str, target: str | None, format_: str | None, out: str, lora_out: str | None, overwrite: bool
) -> None:
    """Take the embeddings out of a LoRA; the LoRA itself is not changed.

    \b
    Example:
      loanword unbundle pixelart-bundle.safetensors --for comfyui --out embeddings/
    """  # noqa: D301
    from .converters.bundles import unbundle as unbundled

    for path in unbundled(lora, out, lora_destination=lora_out, format=format_, target=target, overwrite=overwrite):
        say(os.fspath(path))


@main.command()
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
    from .converters.collection import embeddings_in, prompt_names
    from .embeddings.prompt_syntaxes import check_prompt, translate
    from .extension.command_line.prompts import HEADINGS, line_of, rows_of

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


@main.command("comfyui-workflow")
@click.option("--embedding", metavar="NAME", help="The embedding's name, as prompts have it.")
@click.option("--checkpoint", metavar="NAME", help="The checkpoint's file name in ComfyUI.")
@click.option("--node", is_flag=True, help="Use loanword's node in place of CLIP Text Encode.")
@click.option("--api", is_flag=True, help="As ComfyUI's API takes it, not its editor.")
@click.option("--out", "-o", metavar="FILE", help="Write it there.  [default: standard output]")
@_overwrite
def comfyui_workflow(
    *, embedding: str | None, checkpoint: str | None, node: bool, api: bool, out: str | None, overwrite: bool
) -> None:
    """Write a ComfyUI workflow for an embedding of Stable Diffusion 1.5.

    \b
    Example:
      loanword comfyui-workflow --embedding badhandv4 --checkpoint sd15.safetensors --out badhandv4.json
    """  # noqa: D301
    from .extension.comfyui.workflows import CHECKPOINT, EMBEDDING, workflow, write_workflow

    made = workflow(embedding or EMBEDDING, checkpoint or CHECKPOINT, node=node, api=api)
    if out is None:
        click.echo(json.dumps(made, indent=2))
    else:
        write_workflow(made, out, overwrite=overwrite)
        say(out)


@main.command()
def formats() -> None:
    """List the formats: who writes them, what they are kept in, and whether loanword writes them too."""
    from .converters.format import all_formats

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


@main.command()
def programs() -> None:
    """List the programs that `--for` takes, and what is written for each."""
    from .converters.targets import TARGETS

    rows = [
        (row.key, row.title, ", ".join(dict.fromkeys(row.formats.values())), ", ".join(row.formats))
        for row in TARGETS.values()
    ]
    table(("program", "its name", "formats", "base models"), rows)


def _place(out: str | None, files: Sequence[Found]) -> str | None:
    """The destination: a file only where one file was named."""
    from .converters.writing import names_file

    if out is None or not names_file(out):
        return out
    if len(files) != 1 or not files[0].named:
        raise click.UsageError(f"--out {out} is a file; give a folder for what may be many, with a / behind its name")
    return out


def _to_standard_output(files: Sequence[Found], form: Form, name: str | None, encoder: str | None) -> None:
    from .converters.writing import plan

    if len(files) != 1 or not files[0].named:
        raise click.UsageError("--out - is for one file; give a folder")
    if sys.stdout.isatty():
        raise click.UsageError("--out - would write to the terminal; send it into a file or another program")
    _, rendered = plan(files[0].source(), ".", form, name=name, encoder=encoder)
    if len(rendered) != 1:
        names = ", ".join(file.name for file in rendered)
        raise CannotWrite(f"{files[0].path}: makes {len(rendered)} files ({names}), --out - takes one; give a folder")
    sys.stdout.buffer.write(rendered[0].content)


def run() -> None:
    """Run the command line, patterns left as they are: `find` expands them, and knows where they began."""
    main(windows_expand_args=False)


if __name__ == "__main__":
    run()
