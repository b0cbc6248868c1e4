"""Numbers as they lie in a file, and the tensors that look at them by offset, size and stride, as torch's do.

Every place is checked against its storage when a tensor is made; numbers are read, and copied, only when it is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from ..embeddings.errors import Damaged, Unreadable
from .payload import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..embeddings.dtypes import Buffer

ITEMSIZES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "complex128": 16,
    "complex64": 8,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
}
"""torch's names of number types, and the bytes that one number takes."""

MOST_AXES = 32
LARGEST_SCATTER = 64 * 1024 * 1024
"""Bytes of a storage that may be read to collect numbers that do not lie side by side."""
_COMPLEX = ("complex64", "complex128")


@dataclass(slots=True)
class Storage:
    """A run of numbers in a file; `read(start, length)` gives bytes of it. `dtype` is None where the tensor says it."""

    dtype: str | None
    nbytes: int
    read: Callable[[int, int], Buffer]
    big_endian: bool = False


def storage_of(data: bytes, dtype: str, *, big_endian: bool = False) -> Storage:
    """A storage in memory."""
    view = memoryview(data)
    return Storage(dtype, len(data), lambda start, length: view[start : start + length], big_endian)


def row_major(shape: tuple[int, ...], *, columns_first: bool = False) -> tuple[int, ...]:
    """The strides of an array whose numbers lie side by side, row after row or column after column."""
    strides: list[int] = []
    step = 1
    for length in shape if columns_first else reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(strides if columns_first else reversed(strides))


def tensor_view(
    storage: Storage, dtype: str, offset: object, size: tuple[object, ...], stride: tuple[object, ...]
) -> Tensor:
    """The tensor of `dtype` at `offset` in `storage`, all counted in numbers; raises Damaged where it does not fit."""
    itemsize = ITEMSIZES[dtype]
    if type(offset) is not int or offset < 0 or len(size) != len(stride) or len(size) > MOST_AXES:
        raise Damaged("a tensor in it has no shape or place that tensors have; download it again")
    last = offset
    dense = 1
    contiguous = True
    for length, step in zip(reversed(size), reversed(stride), strict=True):
        if type(length) is not int or type(step) is not int or length < 0 or step < 0:
            raise Damaged("a tensor in it has no shape or place that tensors have; download it again")
        if length != 1:
            contiguous = contiguous and step == dense
            dense *= length
            last += (length - 1) * step
    shape, steps = cast("tuple[tuple[int, ...], tuple[int, ...]]", (size, stride))
    if dense == 0:
        return Tensor(dtype, shape, bytes)
    if (last + 1) * itemsize > storage.nbytes:
        raise Damaged(
            f"a tensor in it needs {last + 1} numbers, its place has {storage.nbytes // itemsize}; download it again"
        )
    if contiguous and not storage.big_endian:
        return Tensor(dtype, shape, partial(storage.read, offset * itemsize, dense * itemsize))
    return Tensor(dtype, shape, partial(_collected, storage, dtype, (offset, last), shape, steps))


def _collected(
    storage: Storage, dtype: str, ends: tuple[int, int], shape: tuple[int, ...], stride: tuple[int, ...]
) -> bytes:
    """The numbers of a tensor that do not lie side by side, or not in little-endian order, as they should."""
    import numpy as np

    itemsize = ITEMSIZES[dtype]
    first, last = ends
    span = (last + 1 - first) * itemsize
    if span > LARGEST_SCATTER:
        raise Unreadable(f"a tensor in it lies scattered over {span >> 20} MB; save it again as a copy (`.clone()`)")
    data = storage.read(first * itemsize, span)
    steps = tuple(step * itemsize for step in stride)
    numbers = np.ndarray(shape, dtype=f"V{itemsize}", buffer=data, strides=steps).tobytes()
    if not storage.big_endian:
        return numbers
    part = itemsize // 2 if dtype in _COMPLEX else itemsize
    return np.frombuffer(numbers, f">u{part}").astype(f"<u{part}").tobytes()
