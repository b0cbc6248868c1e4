"""Sources that want the same place: the first of them has it, whoever was faster; of the others nothing is kept.

Workers know nothing of one another, so a later source may have been written where an earlier one belongs. That is put
right when all are done, from the sources themselves; doing it again does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.errors import LoanwordError
from ..atomic import is_there, remove
from ..places import joined
from ..writing import plan
from .parcels import found_of
from .work import convert_chunk, holds

if TYPE_CHECKING:
    from ..finding import Found
    from .journal import Journal
    from .work import Order


def settle(journal: Journal, order: Order) -> None:
    """Give every contested place its owner's file; those that get nothing come first."""
    for contested in journal.contested():
        if contested.loses:
            _retract(journal, order, found_of(contested.taken))
        else:
            journal.correct(convert_chunk(order, [contested.taken]))


def _retract(journal: Journal, order: Order, loser: Found) -> None:
    """Remove what was written of a source that gets nothing, but never what was there before the run."""
    try:
        folder, files = plan(loser.source(), order.folder_for(loser), order.form, encoder=order.encoder)
        for file in files:
            place = joined(folder, file.name)
            if not journal.was_there(place) and is_there(place) and holds(place, file.content):
                remove(place)
    except LoanwordError:  # what cannot be read any more cannot be told from a stranger's, and stays
        return
