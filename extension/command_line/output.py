"""What the command line prints: tables and lines on standard output, the bar and the summary on standard error.

Where nobody watches (pipes, files) there is no bar, no colour and no control character. All text from files goes
through `one_line`.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ...embeddings.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from typing import TypeVar

    from rich.progress import Progress

    from ...converters.batch import Outcome

    Item = TypeVar("Item")

_MOST_NAMED = 5
"""Of files that were left out for the same reason, this many are named."""

_OTHERS = ("identical", "skipped", "failed")
"""What can become of a file that is not done, in the order in which it is told."""

_PARTICULARS = re.compile(r" \([^()]*\)")
"""What differs between files that are skipped for the same reason, such as a LoRA's first key."""


def say(text: str) -> None:
    """A line on standard output."""
    click.echo(one_line(text))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output: fitted to a terminal, plain columns elsewhere."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(headings, cells)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in (headings, *cells):
        padded = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(padded.rstrip())


def _rich_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    shown = Table(*(Column(heading, overflow="fold") for heading in headings), box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        shown.add_row(*map(Text, row))
    Console().print(shown)


def tracked(items: Sequence[Item]) -> Iterator[Item]:
    """The items, with a bar that shows how far their work is; what is said meanwhile appears above it."""
    if len(items) < 2 or not sys.stderr.isatty():
        yield from items
        return
    with _bar() as bar:
        yield from bar.track(items)


@contextmanager
def progress() -> Generator[Callable[[int, int], None] | None]:
    """What may be told how much of how much work is done, to show it in a bar; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    with _bar() as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())


class Tally:
    """What became of any number of files: how many of each, and of those that were left out some by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._notes = {label: Notes(label) for label in ("skipped", "failed", "warning")}

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.counts[outcome.kind] += 1
        if outcome.kind == "skipped":
            self._notes["skipped"].add(_PARTICULARS.sub("", outcome.reason), outcome.found.path)
        elif outcome.kind == "failed":
            self._notes["failed"].add(outcome.reason, outcome.found.path)
        for warning in outcome.warnings:
            self._notes["warning"].add(warning, outcome.found.path)

    def show(self, verb: str) -> None:
        """Say it on standard error: how many were done, and of the others which and why."""
        others = "".join(f", {self.counts[kind]} {kind}" for kind in _OTHERS if self.counts[kind])
        if self.counts.total() > 1 or others:
            click.echo(f"{self.counts['done']} {verb}{others}", err=True)
        for each in self._notes.values():
            each.show()


class Notes:
    """Reasons, each with the number of files it holds for and the names of the first."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._files: dict[str, list[str]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, reason: str, path: str) -> None:
        """Note that `reason` holds for a file."""
        named = self._files.setdefault(reason, [])
        if len(named) < _MOST_NAMED:
            named.append(path)
        self._counts[reason] += 1

    def show(self) -> None:
        """Say each reason once, and below it the files it holds for, on standard error."""
        for reason, paths in self._files.items():
            click.echo(f"{self._label}: {one_line(reason)}", err=True)
            for path in paths:
                click.echo(f"    {one_line(path)}", err=True)
            if self._counts[reason] > len(paths):
                click.echo(f"    and {self._counts[reason] - len(paths)} more", err=True)


def summary(verb: str, outcomes: Iterable[Outcome]) -> None:
    """What became of the files, on standard error."""
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)
    tally.show(verb)


def notes(label: str, reasons: Iterable[tuple[str, str]]) -> None:
    """Each reason once, and below it the files it holds for, on standard error."""
    noted = Notes(label)
    for reason, path in reasons:
        noted.add(reason, path)
    noted.show()
