"""numpy's .npy: one array of numbers, or, where the array is of objects, a pickle with one dict in it.

Source: numpy, `lib/format.py` (versions 1.0 to 3.0); diffusers, `textual_inversion_flax.py`, which saves a dict with
`jax.numpy.save`.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...embeddings.embedding import Vectors
from ...embeddings.errors import Damaged, NotAnEmbedding, UnrecognisedFormat
from ..container import Container, Opened
from ..payload import Tensor
from ..pickle_machine import load
from ..pickle_numpy import NUMPY_TYPES, ObjectArray
from ..pickle_tree import tree_of
from ..pickle_writer import numbers_of, numpy_code, object_array_pickle
from ..tensor_views import ITEMSIZES, Storage, row_major, tensor_view
from .plain_pickle import LARGEST_FILE, no_storage

if TYPE_CHECKING:
    from ..payload import Draft
    from ..source import Source

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 4096
_HEADER = re.compile(
    rb"\{'descr': '([<>|=])([a-zA-Z][0-9]{0,2})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,18}, ?)*(?:[0-9]{1,18})?)\), \} *\n"
)


def open_npy(source: Source) -> Opened:
    """The array as a tensor; of an array of objects, its one dict."""
    order, code, columns_first, shape, start = _header(source)
    if code == "O":
        return _object(source, shape, start)
    dtype = NUMPY_TYPES.get(code)
    if dtype is None:
        raise UnrecognisedFormat(f"an array of numpy's type {code!r}, which holds no vectors; convert it to float32")
    size = ITEMSIZES[dtype]
    for length in shape:
        size *= length
    if start + size != source.size:
        raise Damaged(f"is {source.size} bytes long, its header describes {start + size}; download it again")
    storage = Storage(dtype, size, lambda begin, length: source.read(start + begin, length), big_endian=order == ">")
    return Opened(tensor_view(storage, dtype, 0, shape, row_major(shape, columns_first=columns_first)))


def save_npy(draft: Draft) -> bytes:
    """The draft's tree as numpy saves a dict; a single tensor as it saves an array of numbers."""
    tree = draft.tree
    if isinstance(tree, (Vectors, Tensor)):
        return _header_of(numpy_code(tree.dtype), tree.shape) + bytes(numbers_of(tree))
    return _header_of("|O", ()) + object_array_pickle(tree)


def _header(source: Source) -> tuple[str, str, bool, tuple[int, ...], int]:
    """Byte order, type, whether columns come first, shape, and where the header ends."""
    version = source.read(0, min(source.size, 8))[6:8]
    width = {b"\1\0": 2, b"\2\0": 4, b"\3\0": 4}.get(bytes(version), 0)
    start = 8 + width + int.from_bytes(source.read(8, width), "little")
    if not width or start > LONGEST_HEADER:
        raise Damaged("a numpy file without numpy's header; download it again")
    found = _HEADER.fullmatch(bytes(source.read(8 + width, start - 8 - width)))
    if found is None:
        raise UnrecognisedFormat("a numpy file of more than one kind of numbers; embeddings have one")
    order, code, columns_first, axes = found.groups()
    shape = tuple(int(axis) for axis in axes.replace(b" ", b"").split(b",") if axis)
    return order.decode(), code.decode(), columns_first == b"True", shape, start


def _object(source: Source, shape: tuple[int, ...], start: int) -> Opened:
    """The one object of an array without axes."""
    if source.size > LARGEST_FILE:
        raise NotAnEmbedding(f"a pickle of {source.size >> 20} MB, embeddings are far smaller; probably a whole model")
    data = bytes(source.read(start, source.size - start))
    array, end = load(data, 0, no_storage)
    if type(array) is not ObjectArray or array.shape != shape or end != len(data):
        raise Damaged("its array is not what its header says; download it again")
    if shape != ():
        raise UnrecognisedFormat(f"an array of {len(array.items)} Python objects, an embedding is saved as one dict")
    return Opened(tree_of(array.items[0], source.size))


def _header_of(code: str, shape: tuple[int, ...]) -> bytes:
    """The header, version 1.0, filled up so that the numbers begin at a multiple of 64."""
    text = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    filled = text + b" " * (-(len(MAGIC) + 4 + len(text) + 1) % 64) + b"\n"
    return MAGIC + b"\1\0" + len(filled).to_bytes(2, "little") + filled


CONTAINERS = (
    Container(
        key="npy",
        title="numpy array",
        suffixes=(".npy",),
        claims=lambda head: head.startswith(MAGIC),
        open=open_npy,
        save=save_npy,
        pickled=True,
        foreign_suffixes=(".safetensors", ".png", ".webp", ".jxl", ".avif"),
    ),
)
