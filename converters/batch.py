"""Many files at once: which there are below what was named, where each result goes, and what became of it.

A file that was named has to be converted. One that was only found in a folder may be something else: then it is
skipped, and only a damaged or unsafe one counts as failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..embeddings.errors import FileError, LoanwordError, NotAnEmbedding, UnrecognisedFormat, one_line
from .atomic import flush, is_there
from .finding import Found, find
from .places import folder_of, joined, same_key
from .writing import keep_originals, plan, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .writing import Form

__all__ = ["Conversion", "Found", "Outcome", "find", "outcomes"]

_SOMETHING_ELSE = (NotAnEmbedding, UnrecognisedFormat)


@dataclass(frozen=True)
class Outcome:
    """What became of a file: the paths of what was written, or the reason why nothing was."""

    found: Found
    kind: Literal["done", "identical", "skipped", "failed"]
    paths: tuple[str, ...] = ()
    reason: str = ""
    """One line, without the file's own path."""
    warnings: tuple[str, ...] = ()


@dataclass
class Conversion:
    """A run over many files; knows what it wrote, so that no two files of one run end up in the same place."""

    destination: str | None
    """A folder, or a file where one is converted; None puts results beside their originals."""
    form: Form
    name: str | None = None
    encoder: str | None = None
    overwrite: bool = False
    dry_run: bool = False
    written: list[str] = field(default_factory=list[str])
    origins: dict[str, str] = field(default_factory=dict[str, str])
    """What became of which file, by place."""

    def convert(self, found: Found) -> Outcome:
        """Convert one file; raises what reading and rendering it raise."""
        folder, files = plan(
            found.source(), self._place_of(found), self.form, name=self.name, encoder=self.encoder, only=found.only
        )
        paths = tuple(joined(folder, file.name) for file in files)
        if problem := self._taken(found, paths):
            return problem
        if self.overwrite:
            keep_originals(files, folder)
        if not self.dry_run:
            self.written += put(files, folder, overwrite=self.overwrite, durable=False, looked=True)
        warnings = tuple(dict.fromkeys(each for file in files for one in file.embeddings for each in one.warnings))
        return Outcome(found, "done", paths, warnings=warnings)

    def finish(self) -> None:
        """Have everything that was written brought to the disk."""
        if self.written:
            flush(self.written)

    def _place_of(self, found: Found) -> str:
        """Where the result goes: the destination, with the folders below the one that was named."""
        if self.destination is None:
            return joined(folder_of(found.path), "")
        return joined(self.destination, found.below, "") if found.below else self.destination

    def _taken(self, found: Found, paths: tuple[str, ...]) -> Outcome | None:
        """Why `found` cannot have its places, if it cannot; from now on they are its own."""
        for path in paths:
            if (other := self.origins.setdefault(same_key(path), found.path)) != found.path:
                return Outcome(found, "failed", reason=f"{other} becomes {path} too; rename one of them")
        if not self.overwrite and any(map(is_there, paths)):
            kind = "failed" if found.named else "skipped"
            return Outcome(found, kind, reason="what it becomes is already there; overwriting replaces it")
        return None


def outcomes(files: Iterable[Found], work: Callable[[Found], Outcome]) -> Iterator[Outcome]:
    """What became of each file; what loanword refuses is an outcome too."""
    for found in files:
        try:
            yield work(found)
        except LoanwordError as error:
            yield Outcome(found, refusal(error, named=found.named), reason=reason_of(error))


def refusal(error: LoanwordError, *, named: bool) -> Literal["skipped", "failed"]:
    """What an error makes of a file: something else than an embedding is skipped, unless it was named."""
    return "skipped" if isinstance(error, _SOMETHING_ELSE) and not named else "failed"


def reason_of(error: LoanwordError) -> str:
    """The error's line without the file's own path."""
    reason = str(error)
    if isinstance(error, FileError) and error.path:
        reason = reason.removeprefix(f"{one_line(error.path)}: ")
    return reason
