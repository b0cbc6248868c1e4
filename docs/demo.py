"""Sample files in every format, converted for every program: what was read, written and verified, as a table.

`make demo` runs it. Everything is made here, in `demo-output/`; nothing is downloaded.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import loanword
import samples
from loanword.converters.container import container_named
from loanword.converters.payload import Draft
from loanword.extension.command_line.output import table

if TYPE_CHECKING:
    from collections.abc import Callable

OUT = Path(__file__).resolve().parents[1] / "demo-output"


@dataclass
class Row:
    """What became of the samples of one format."""

    format: str
    files: list[Path]
    embeddings: int = 0
    written: Counter[str] = field(default_factory=Counter[str])
    """Program -> files."""
    changed: list[str] = field(default_factory=list[str])
    """What was not read back as it was written."""
    refused: dict[str, None] = field(default_factory=dict[str, None])
    """Why something was not written."""


def main() -> int:
    """Make, convert and verify; the exit status says whether everything that was written is read back the same."""
    shutil.rmtree(OUT, ignore_errors=True)
    rows = [converted(key) for key in loanword.formats()]
    programs = [*loanword.TARGETS]
    table(
        ("format", "files", "read", *programs, "verified"),
        [
            (
                row.format,
                str(len(row.files)),
                str(row.embeddings),
                *(str(row.written[program] or "-") for program in programs),
                "DIFFERS" if row.changed else "same",
            )
            for row in rows
        ],
    )
    files, written = sum(len(row.files) for row in rows), sum(row.written.total() for row in rows)
    print(f"\n{files} sample files of {len(rows)} formats, {written} files for {len(programs)} programs, in {OUT}")
    print("\nNot written, because")
    for reason in {reason: None for row in rows for reason in row.refused}:
        print(f"  {reason}")
    for change in [change for row in rows for change in row.changed]:
        print(f"\nDIFFERS: {change}")
    return int(any(row.changed for row in rows))


def converted(key: str) -> Row:
    """The samples of a format, read, and each embedding written for every program that takes it."""
    row = Row(key, sample_files(key))
    for path in row.files:
        for embedding in loanword.read_all(path, name="a name" if key == "bare-tensor" else None):
            row.embeddings += 1
            for program in loanword.TARGETS:
                write(embedding, program, path, row)
    return row


def sample_files(key: str) -> list[Path]:
    """The samples of a format in every container that it is kept in, each file in a folder of its own."""
    paths: list[Path] = []
    for sample in samples.PAYLOADS:
        for name, save in names_of(sample) if sample.format == key else ():
            try:
                content = save(Draft(sample.payload.tree, sample.payload.metadata))
            except loanword.CannotWrite:  # this one is kept in fewer containers than its format can be
                continue
            folder = OUT / "samples" / key / f"{len(paths) + 1}"
            folder.mkdir(parents=True)
            (folder / name).write_bytes(content)
            for sibling, text in sample.payload.source.siblings.items():
                (folder / sibling).write_bytes(text)
            paths.append(folder / name)
    return paths


def names_of(sample: samples.Sample) -> list[tuple[str, Callable[[Draft], bytes]]]:
    """A file name for each container that can be saved; what goes with other files has its own name only."""
    name = PurePath(sample.payload.source.path or "")
    saved = [row for row in map(container_named, loanword.formats()[sample.format].containers) if row.save]
    own = [row for row in saved if name.suffix in row.suffixes] or saved[:1]
    if sample.payload.source.siblings:
        return [(name.name, row.save) for row in own[:1]]
    return [(name.name if row in own else name.stem + row.suffixes[0], row.save) for row in saved]


def write(embedding: loanword.Embedding, program: str, source: Path, row: Row) -> None:
    """Write an embedding for a program, read it back and compare."""
    try:
        folder = OUT / program / source.parent.relative_to(OUT / "samples")
        paths = loanword.write(embedding, folder, target=program)
    except loanword.CannotWrite as error:
        row.refused[str(error).partition(": ")[2].rpartition(", and ")[2]] = None
        return
    row.written[program] += len(paths)
    found = [each for path in paths for each in loanword.read_all(path)]
    for kind in ("vectors", "output_vectors"):
        back = {key: vectors for each in found for key, vectors in getattr(each, kind).items()}
        if back != dict(getattr(embedding, kind)):
            row.changed.append(f"{source} for {program}: {kind}")


if __name__ == "__main__":
    sys.exit(main())
