"""What goes to the workers and comes back: tuples, since millions are pickled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..finding import Found


class Taken(NamedTuple):
    """A source that was taken up, with its number in the journal."""

    number: int
    found: Found


class Made(NamedTuple):
    """A file that a source becomes; with an empty `place`, none."""

    key: str
    """The same for every spelling of the place."""
    place: str
    size: int
    fingerprint: str
    """The same for all files with the same vectors."""
    facts: str
    """What the report says of it that nothing can change any more, as JSON."""


class Result(NamedTuple):
    """What came of a source.

    `state` is "written"; "same", where all it becomes was there already; "taken", where something else was; "skipped"
    or "failed", with the reason.
    """

    state: str
    code: str
    reason: str
    made: tuple[Made, ...]
