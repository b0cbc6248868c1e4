"""What one worker does: it converts a chunk of files, and says of each what came of it.

A chunk goes to another process, or another machine, and comes back: everything here can be pickled. Doing a chunk
again does no harm: what a worker finds to be there already, as it would write it, is left and counts as written.
"""

from __future__ import annotations

import functools
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...embeddings.errors import LoanwordError, Unreadable, one_line
from ...embeddings.indexed import fingerprint
from ..atomic import AlreadyThere, is_there
from ..batch import reason_of, refusal
from ..places import is_url, joined, same_key
from ..source import open_source
from ..writing import keep_originals, plan, put
from .facts import facts_of
from .parcels import found_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..finding import Found
    from ..writing import Form, Rendered
    from .parcels import Made, Taken

_REQUESTS_AT_ONCE = 16
"""Files behind URLs that a worker has in hand at a time: it waits for the network most of the time."""


@dataclass(frozen=True)
class Order:
    """What is wanted of every file."""

    destination: str
    form: Form
    encoder: str | None = None
    overwrite: bool = False
    fresh: bool = False
    """Whether the destination held nothing before, so that looking before writing is mostly in vain."""
    named: str | None = None
    """The destination as it was named, where results only lie elsewhere until all are there."""

    def folder_for(self, found: Found) -> str:
        """Where the results go: the destination, with the folders below the one that was named."""
        return joined(self.destination, found.below, "")

    def as_named(self, place: str) -> str:
        """The place of a result, as the report has it."""
        if self.named is None:
            return place
        return joined(self.named, os.path.relpath(place, self.destination))


def convert_chunk(order: Order, chunk: Sequence[Taken]) -> list[Made]:
    """Convert the files of a chunk."""
    if is_url(order.destination) or any(is_url(path) for _, path, *_ in chunk):
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
            every = threads.map(functools.partial(_converted, order), chunk)
            return [made for each in every for made in each]
    return [made for taken in chunk for made in _converted(order, taken)]


def _converted(order: Order, taken: Taken) -> list[Made]:
    """Convert one file; what loanword refuses is told, too."""
    found = found_of(taken)
    try:
        folder, files = plan(found.source(), order.folder_for(found), order.form, encoder=order.encoder)
        state = _put(files, folder, order)
        return [_made(order, taken, part, state, file) for part, file in enumerate(files, start=1)]
    except LoanwordError as error:
        return [refused(taken, refusal(error, named=found.named), error.code, reason_of(error))]


def refused(taken: Taken, state: str, code: str, reason: str) -> Made:
    """What is told of a source of which nothing was written."""
    return (taken[0], 1, state, code, one_line(reason), "", "", 0, "", facts_of(found_of(taken)))


def _put(files: Sequence[Rendered], folder: str, order: Order) -> str:
    """Write the files where nothing else is, and say how that went: "written", "same" or "taken"."""
    if order.overwrite:
        keep_originals(files, folder)
    elif not order.fresh and any(is_there(joined(folder, file.name)) for file in files):
        return _completed(files, folder)
    try:
        put(files, folder, overwrite=order.overwrite, durable=False, looked=True)
    except AlreadyThere:
        return _completed(files, folder)
    return "written"


def _completed(files: Sequence[Rendered], folder: str) -> str:
    """The same where something is there: it may be what a worker wrote before it died."""
    missing = [file for file in files if not is_there(joined(folder, file.name))]
    if any(not holds(joined(folder, file.name), file.content) for file in files if file not in missing):
        return "taken"
    try:
        put(missing, folder, overwrite=False, durable=False, looked=True)
    except AlreadyThere:
        return "taken"
    return "written" if missing else "same"


def holds(place: str, content: bytes) -> bool:
    """Whether the file that is there has exactly this content."""
    try:
        with open_source(place) as there:
            return there.size == len(content) and bytes(there.read(0, there.size)) == content
    except Unreadable:
        return False


def _made(order: Order, taken: Taken, part: int, state: str, file: Rendered) -> Made:
    found, fingerprint = found_of(taken), _fingerprint(file)
    place = joined(order.folder_for(found), file.name)
    facts = facts_of(found, part, file, order.as_named(place), fingerprint)
    return (taken[0], part, state, "", "", same_key(place), place, len(file.content), fingerprint, facts)


def _fingerprint(file: Rendered) -> str:
    prints = [fingerprint(each) for each in file.embeddings]
    if len(prints) < 2:
        return "".join(prints)
    return hashlib.sha256(" ".join(prints).encode()).hexdigest()[: len(prints[0])]
