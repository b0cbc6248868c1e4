"""What goes to the workers and comes back: plain tuples, since millions are pickled."""

from __future__ import annotations

from typing import TypeAlias

from ..finding import Found

Taken: TypeAlias = "tuple[int, str, str, bool, int | None]"
"""A source that was taken up: its number in the journal, and `path`, `below`, `named` and `size` as in Found."""

Made: TypeAlias = "tuple[int, int, str, str, str, str, str, int, str, str]"
"""A file that a source becomes, or one row that says that it becomes none; as the journal keeps it.

number: of the source
part: 1 for its first file, 2 for the second, …
state: of the source, so the same in each of its rows: "written"; "same", where all it becomes was there already;
    "taken", where something else was; "skipped" or "failed"
code, reason: why, of what was skipped or failed
key: the same for every spelling of the place
place: of the file; empty for none
size: in bytes
fingerprint: the same for all files with the same vectors
facts: what the report says of it that nothing can change any more, as JSON
"""


def found_of(taken: Taken) -> Found:
    """The source that was taken up."""
    _, path, below, named, size = taken
    return Found(path, below, named, size=size)
