"""The last look at what a pickle described: is it a tree of plain values, and in proportion to its file?"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..embeddings.errors import Damaged
from .payload import Tensor
from .pickle_values import TorchDtype
from .tensor_views import ITEMSIZES

if TYPE_CHECKING:
    from .payload import Tree

MOST_VALUES = 400_000
"""Values of a tree with each occurrence of a shared one counted, 64 characters of text counting as one more."""
DEEPEST = 32
SPARE_BYTES = 64 * 1024 * 1024
"""What all tensors may take beyond twice the file: views can show the same numbers more than once."""

_LEAVES = frozenset((int, float, bool, type(None), TorchDtype))
_HOLDERS = frozenset((list, tuple, set, frozenset))


def tree_of(value: Any, file_size: int) -> Tree:
    """`value`, where it is a tree of plain values; raises Damaged where it is not, or is out of proportion.

    Goes down level by level, so that neither a cycle nor a value that refers to another a billion times over costs
    more than any other.
    """
    level: list[Any] = [value]
    weight = 0
    numbers = 0
    for _ in range(DEEPEST):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str or kind is bytes:
                weight += len(item) >> 6
            elif kind in _LEAVES:
                continue
            elif kind is Tensor:
                size = ITEMSIZES[item.dtype]
                for length in item.shape:
                    size *= length
                numbers += size
            elif isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif kind in _HOLDERS:
                below.extend(item)
            else:
                raise Damaged("its pickle holds a class or a storage where a value belongs; download it again")
            if len(below) > MOST_VALUES:
                break
        weight += len(level) + len(below)
        if weight > MOST_VALUES or numbers > 2 * file_size + SPARE_BYTES:
            raise Damaged("its pickle unfolds to far more than the file holds; no program saves an embedding like that")
        if not below:
            return value
        level = below
    raise Damaged(f"its pickle is nested more than {DEEPEST} deep; no program saves an embedding like that")
