"""JSON with tensors in it, as A1111 hides it in pictures: each tensor is `{"TORCHTENSOR": [[0.25, …], …]}`.

Its reader turns floating-point lists into float64 and integers into int64. Numbers that are all float32 values, as
nearly every embedding's are, become float32 here. loanword adds `"dtype"` beside the list where that is something
else; A1111 does not look at it.

Source: A1111 1.10.1, `modules/textual_inversion/image_embedding.py`, `EmbeddingEncoder` and `EmbeddingDecoder`.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

from ..embeddings.dtypes import DTYPES, decode, encode
from ..embeddings.embedding import Vectors
from ..embeddings.errors import CannotWrite, Damaged
from .payload import Tensor

if TYPE_CHECKING:
    from .payload import Tree

TENSOR, DTYPE = "TORCHTENSOR", "dtype"
LARGEST = 16 * 1024 * 1024
"""Bytes of JSON; 75 vectors of the widest encoder are 10 MB."""
MOST_VALUES = 1_000_000
DEEPEST = 8
_LONGEST_NUMBER = 40
_ANY_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_DAMAGE = "the text of the embedding in this picture is damaged"


def parse(text: bytes) -> Tree:
    """The tree that `text` says; raises Damaged where it is not such JSON, or larger than any embedding's."""
    _check_size(text)
    try:
        tree = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except Damaged:
        raise
    except (ValueError, RecursionError):
        raise Damaged(f"{_DAMAGE}: it is not JSON; get the picture again") from None
    if not isinstance(tree, dict):
        raise Damaged(f"{_DAMAGE}: it describes no embedding; get the picture again")
    return tree  # pyright: ignore[reportUnknownVariableType]


def write(tree: Tree) -> bytes:
    """`tree`, whose leaves may be Vectors and Tensors, as A1111 writes it; raises CannotWrite for NaN and infinity."""
    try:
        return json.dumps(tree, default=_described, allow_nan=False).encode()
    except ValueError:
        raise CannotWrite("holds NaN or infinite numbers, which pictures cannot; choose another format") from None
    except TypeError:
        raise CannotWrite("holds something that JSON cannot, so pictures cannot; choose another format") from None


def _check_size(text: bytes) -> None:
    """Refuse, before parsing, what would take much memory, time or stack to parse."""
    if len(text) > LARGEST:
        raise Damaged(f"{_DAMAGE}: it is over {LARGEST >> 20} MB long, which no embedding is")
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
    if plain.count(b'"') > MOST_VALUES or plain.count(b",") > MOST_VALUES:
        raise Damaged(f"{_DAMAGE}: it holds over {MOST_VALUES} values, which no embedding does")
    outside = re.sub(rb'"[^"]*"', b"", plain)
    if b"0" * _LONGEST_NUMBER in outside.translate(_ANY_DIGIT):
        raise Damaged(f"{_DAMAGE}: it holds a number of over {_LONGEST_NUMBER} digits; get the picture again")
    brackets = outside.translate(None, _BUT_BRACKETS)
    for _ in range(DEEPEST):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        raise Damaged(f"{_DAMAGE}: its brackets do not match or are over {DEEPEST} deep; get the picture again")


def _object(pairs: list[tuple[str, Any]]) -> Tree:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise Damaged(f"{_DAMAGE}: it names something twice; programs would differ in reading it")
    return _tensor(entries[TENSOR], entries.get(DTYPE)) if TENSOR in entries else entries


def _refuse_constant(constant: str) -> NoReturn:
    raise Damaged(f"{_DAMAGE}: it holds {constant}, which is no number; nothing can be done with it")


def _tensor(rows: Any, dtype: Any) -> Tensor:
    """The tensor of nested lists of numbers, all of one length at each depth."""
    shape: list[int] = []
    values: list[Any] = [rows]
    while values and type(values[0]) is list:
        length = len(values[0])  # pyright: ignore[reportUnknownArgumentType]
        if not all(type(each) is list and len(each) == length for each in values):
            raise Damaged(f"{_DAMAGE}: the rows of a tensor differ in length; get the picture again")
        shape.append(length)
        values = list(chain.from_iterable(values))
    kinds = set(map(type, values))
    if not kinds <= {int, float}:
        raise Damaged(f"{_DAMAGE}: a tensor holds something other than numbers; get the picture again")
    name, data = _whole(values) if kinds == {int} else _fractional(values, dtype)
    return Tensor(name, tuple(shape), lambda: data)


def _whole(values: list[int]) -> tuple[str, bytes]:
    import numpy as np

    if not all(-(2**63) <= value < 2**63 for value in values):
        raise Damaged(f"{_DAMAGE}: a tensor holds numbers beyond 64 bits; get the picture again")
    return "int64", np.array(values, dtype="<i8").tobytes()


def _fractional(values: list[float], dtype: Any) -> tuple[str, bytes]:
    """The numbers in the dtype that is stated if it holds them all, else in float32 if that does, else in float64."""
    import numpy as np

    numbers = np.array(values, dtype="<f8")
    if not np.isfinite(numbers).all():
        raise Damaged(f"{_DAMAGE}: it holds a number too large to be one; nothing can be done with it")
    for name in (dtype, "float32"):
        if type(name) is str and name in DTYPES:
            data = encode(numbers, name)
            if np.array_equal(decode(data, name).astype("<f8"), numbers):
                return name, data
    return "float64", numbers.tobytes()


def _described(leaf: object) -> dict[str, Any]:
    """What stands for a tensor; raises TypeError for what is none, as json wants it."""
    if not isinstance(leaf, (Vectors, Tensor)) or leaf.dtype not in DTYPES:
        raise TypeError
    numbers = decode(leaf.data if isinstance(leaf, Vectors) else leaf.fetch(), leaf.dtype)
    described: dict[str, Any] = {TENSOR: numbers.reshape(leaf.shape).tolist()}
    return described if leaf.dtype == "float32" else {**described, DTYPE: leaf.dtype}
