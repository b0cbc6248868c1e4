"""What numpy's and jax's names in pickles stand for: arrays become tensors, numpy's numbers Python's.

Source: numpy 1.24 to 2.4, `core/multiarray` and `core/numeric` (`_core` since 2.0); jax, `_src/array.py`; ml_dtypes.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .pickle_values import Named, TorchDtype, Unbuilt, misused, only_named
from .tensor_views import ITEMSIZES, row_major, storage_of, tensor_view

if TYPE_CHECKING:
    from .payload import Tensor
    from .pickle_values import Arguments, Rows

NUMPY_TYPES = {
    "f8": "float64",
    "f4": "float32",
    "f2": "float16",
    "c16": "complex128",
    "c8": "complex64",
    "i8": "int64",
    "i4": "int32",
    "i2": "int16",
    "i1": "int8",
    "u8": "uint64",
    "u4": "uint32",
    "u2": "uint16",
    "u1": "uint8",
    "b1": "bool",
}
"""numpy's codes, without byte order -> torch's names."""
_SCALARS = {
    "float64": "d",
    "float32": "f",
    "float16": "e",
    "int64": "q",
    "int32": "i",
    "int16": "h",
    "int8": "b",
    "uint64": "Q",
    "uint32": "I",
    "uint16": "H",
    "uint8": "B",
    "bool": "?",
}


@dataclass(slots=True)
class NumpyDtype:
    """numpy's type of numbers; None where they are objects."""

    dtype: str | None
    big_endian: bool = False


@dataclass(slots=True)
class ObjectArray:
    """numpy's array of objects; allowed only where a .npy file keeps its one dict in it."""

    shape: tuple[int, ...]
    items: list[Any]


def _dtype(arguments: Arguments) -> Unbuilt:
    """`numpy.dtype('f4', False, True)`, whose byte order follows as its state; of ml_dtypes' types it is the class."""
    code = arguments[0] if 1 <= len(arguments) <= 3 else None
    if type(code) is TorchDtype:
        return Unbuilt(partial(_with_order, code.removeprefix("torch.")))
    if type(code) is not str or (code not in NUMPY_TYPES and code not in ("O", "O8")):
        raise misused("a numpy dtype")
    return Unbuilt(partial(_with_order, NUMPY_TYPES.get(code)))


def _with_order(dtype: str | None, state: Any) -> NumpyDtype:
    """State: version, byte order, then what only structured types have."""
    if type(state) is not tuple or len(state) not in (8, 9) or state[1] not in ("<", ">", "|", "="):
        raise misused("a numpy dtype")
    if any(part is not None for part in state[2:5]):
        raise misused("a numpy dtype")
    return NumpyDtype(dtype, state[1] == ">")


def _reconstructed(arguments: Arguments) -> Unbuilt:
    """`_reconstruct(numpy.ndarray, (0,), b'b')`: an empty array, whose content follows as its state."""
    if len(arguments) != 3 or arguments[0] is not _NDARRAY or arguments[1] != (0,) or arguments[2] not in (b"b", "b"):
        raise misused("a numpy array")
    return Unbuilt(_with_content)


def _with_content(state: Any) -> Tensor | ObjectArray:
    """State: version, shape, dtype, whether columns come first, bytes."""
    if type(state) is not tuple or len(state) != 5 or type(state[3]) not in (bool, int):
        raise misused("a numpy array")
    return _array(state[4], state[2], state[1], columns_first=bool(state[3]))


def _from_buffer(arguments: Arguments) -> Tensor | ObjectArray:
    """`_frombuffer(bytes, dtype, shape, order)`, how protocol 5 keeps arrays."""
    if len(arguments) != 4 or arguments[3] not in ("C", "F"):
        raise misused("a numpy array")
    return _array(*arguments[:3], columns_first=arguments[3] == "F")


def _array(content: Any, kind: Any, shape: Any, *, columns_first: bool) -> Tensor | ObjectArray:
    if type(kind) is not NumpyDtype or type(shape) is not tuple:
        raise misused("a numpy array")
    count = 1
    for length in shape:
        if type(length) is not int or length < 0:
            raise misused("a numpy array")
        count *= length
    if kind.dtype is None:
        if type(content) is not list or len(content) != count:
            raise misused("a numpy array")
        return ObjectArray(shape, content)
    if type(content) is not bytes or len(content) != count * ITEMSIZES[kind.dtype]:
        raise misused("a numpy array")
    storage = storage_of(content, kind.dtype, big_endian=kind.big_endian)
    return tensor_view(storage, kind.dtype, 0, shape, row_major(shape, columns_first=columns_first))


def _scalar(arguments: Arguments) -> Any:
    """`scalar(dtype, bytes)` as Python's number."""
    if len(arguments) != 2 or type(arguments[0]) is not NumpyDtype or type(arguments[1]) is not bytes:
        raise misused("a numpy number")
    layout = _SCALARS.get(arguments[0].dtype or "")
    if layout is None or struct.calcsize(f"={layout}") != len(arguments[1]):
        raise misused("a numpy number")
    return struct.unpack((">" if arguments[0].big_endian else "<") + layout, arguments[1])[0]


def _jax_array(arguments: Arguments) -> Any:
    """`_reconstruct_array(numpy's function, its arguments, the array's state, jax's own state)`."""
    if len(arguments) != 4 or arguments[0] is not _RECONSTRUCT or type(arguments[1]) is not tuple:
        raise misused("a jax array")
    return _reconstructed(arguments[1]).build(arguments[2])


_NDARRAY = Named(only_named)
_RECONSTRUCT = Named(_reconstructed)

ROWS: Rows = {
    ("numpy", "dtype"): Named(_dtype),
    ("numpy", "ndarray"): _NDARRAY,
    ("jax._src.array", "_reconstruct_array"): Named(_jax_array),
}
for _core in ("core", "_core"):
    ROWS[f"numpy.{_core}.multiarray", "_reconstruct"] = _RECONSTRUCT
    ROWS[f"numpy.{_core}.multiarray", "scalar"] = Named(_scalar)
    ROWS[f"numpy.{_core}.numeric", "_frombuffer"] = Named(_from_buffer)
for _name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
    ROWS["ml_dtypes", _name] = TorchDtype(f"torch.{_name}")
