"""Writes trees as pickles that torch, numpy and Paddle read: protocol 2 or 3, the same bytes for the same tree.

Source: what torch 1.6 to 2.13, numpy 1.26 and 2, and PaddleNLP's savers make Python's pickler write.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..embeddings.embedding import Vectors
from ..embeddings.errors import CannotWrite, shortened
from .payload import ParameterDict, Tensor
from .pickle_numpy import NUMPY_TYPES
from .pickle_torch import STORAGES
from .tensor_views import ITEMSIZES, row_major

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..embeddings.dtypes import Buffer

NUMPY_CODES = {
    dtype: ("|" if ITEMSIZES[dtype] == 1 else "<") + code
    for code, dtype in NUMPY_TYPES.items()
    if not dtype.startswith("complex")
}
DEEPEST = 30

_STOP = b"."
_ORDERED = b"ccollections\nOrderedDict\n)R"


@dataclass(frozen=True, slots=True)
class Written:
    """A pickle and the storages it names: key, bytes a number takes, the numbers."""

    pickle: bytes
    storages: tuple[tuple[str, int, Buffer], ...]


def torch_pickle(tree: Any, *, legacy: bool = False) -> Written:
    """The pickle of a tree whose tensors lie outside of it, each in a storage of its own."""
    storages: list[tuple[str, int, Buffer]] = []

    def tensor(leaf: Vectors | Tensor) -> bytes:
        data = numbers_of(leaf)
        key = str(len(storages))
        typed = leaf.dtype in STORAGES
        if legacy and not typed:
            raise CannotWrite(f"torch's files of before 1.6 hold no {leaf.dtype}; choose safetensors or float32")
        itemsize = ITEMSIZES[leaf.dtype] if typed else 1
        storages.append((key, itemsize, data))
        kind = _name("torch", f"{STORAGES[leaf.dtype]}Storage") if typed else _name("torch.storage", "UntypedStorage")
        identity = [_text("storage"), kind, _text(key), _text("cpu"), _integer(len(data) // itemsize)]
        parts = [
            _tuple(identity + [b"N"] * legacy) + b"Q",
            _integer(0),
            _tuple(map(_integer, leaf.shape)),
            _tuple(map(_integer, row_major(leaf.shape))),
            b"\x89",
            _ORDERED,
        ]
        if typed:
            return _name("torch._utils", "_rebuild_tensor_v2") + _tuple(parts) + b"R"
        return _name("torch._utils", "_rebuild_tensor_v3") + _tuple([*parts, _name("torch", leaf.dtype)]) + b"R"

    return Written(b"\x80\x02" + _value(tree, tensor) + _STOP, tuple(storages))


def numpy_pickle(tree: Any) -> bytes:
    """The pickle of a tree whose tensors are numpy arrays in it; protocol 3, so that bytes stay bytes."""
    return b"\x80\x03" + _value(tree, _numpy_array) + _STOP


def object_array_pickle(tree: Any) -> bytes:
    """The pickle of a numpy array without axes whose one element is the tree."""
    dtype = _numpy_dtype("O8", "|", 63)
    state = [_integer(1), b")", dtype, b"\x89", b"](" + _value(tree, _numpy_array) + b"e"]
    return b"\x80\x03" + _EMPTY_ARRAY + _tuple(state) + b"b" + _STOP


def plain_pickle(value: Any) -> bytes:
    """The pickle of a tree without tensors."""
    return torch_pickle(value).pickle


def numpy_code(dtype: str) -> str:
    """The name numpy has for a number type, with its byte order."""
    if dtype not in NUMPY_CODES:
        raise CannotWrite(f"numpy has no {dtype}; choose float32 or float16")
    return NUMPY_CODES[dtype]


def numbers_of(leaf: Vectors | Tensor) -> Buffer:
    """A leaf's numbers, as many as its shape says."""
    data = leaf.data if isinstance(leaf, Vectors) else leaf.fetch()
    expected = ITEMSIZES[leaf.dtype]
    for length in leaf.shape:
        expected *= length
    if len(data) != expected:
        raise CannotWrite(f"{len(data)} bytes do not fill {leaf.dtype} of shape {leaf.shape}")
    return data


def _value(value: Any, tensor: Callable[[Any], bytes], depth: int = 0) -> bytes:
    """The instructions that make `value`; `tensor` gives those that make a tensor."""
    if depth > DEEPEST:
        raise CannotWrite(f"a tree nested more than {DEEPEST} deep is no embedding")
    if isinstance(value, (Vectors, Tensor)):
        return tensor(value)
    if type(value) is ParameterDict:
        return _parameter_dict(value, tensor, depth)
    if isinstance(value, dict):
        return _dict({key: _value(item, tensor, depth + 1) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        items = [_value(item, tensor, depth + 1) for item in value]
        return _tuple(items) if isinstance(value, tuple) else b"](" + b"".join(items) + b"e"
    return _leaf(value)


def _leaf(value: Any) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return _text(value)
    raise CannotWrite(f"a pickle of loanword's holds no {type(value).__name__}; leave it out")


def _dict(items: Mapping[Any, bytes]) -> bytes:
    return b"}(" + b"".join(_leaf(key) + item for key, item in items.items()) + b"u"


def _ordered(items: Mapping[str, bytes]) -> bytes:
    return _ORDERED + (b"(" + b"".join(_text(key) + item for key, item in items.items()) + b"u" if items else b"")


def _parameter_dict(value: ParameterDict, tensor: Callable[[Any], bytes], depth: int) -> bytes:
    """What torch.nn.ParameterDict keeps, as torch 1.6 to 2.13 all take it."""
    parameters = {
        key: _name("torch._utils", "_rebuild_parameter")
        + _tuple([_value(item, tensor, depth + 1), b"\x88", _ORDERED])
        + b"R"
        for key, item in value.items()
    }
    hooks = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks")
    state = {
        "training": b"\x88",
        "_parameters": _ordered(parameters),
        "_buffers": _ORDERED,
        "_non_persistent_buffers_set": _name("__builtin__", "set") + _tuple([b"]"]) + b"R",
        "_is_full_backward_hook": b"N",
        **dict.fromkeys((*hooks, "_load_state_dict_pre_hooks", "_modules"), _ORDERED),
        "_keys": _dict(dict.fromkeys(value, b"N")),
    }
    return _name("torch.nn.modules.container", "ParameterDict") + b")\x81" + _dict(state) + b"b"


def _numpy_array(leaf: Vectors | Tensor) -> bytes:
    code = numpy_code(leaf.dtype)
    data = bytes(numbers_of(leaf))
    content = b"B" + struct.pack("<I", len(data)) + data
    state = [_integer(1), _tuple(map(_integer, leaf.shape)), _numpy_dtype(code[1:], code[0], 0), b"\x89", content]
    return _EMPTY_ARRAY + _tuple(state) + b"b"


def _numpy_dtype(code: str, order: str, flags: int) -> bytes:
    state = [_integer(3), _text(order), b"N", b"N", b"N", _integer(-1), _integer(-1), _integer(flags)]
    return _name("numpy", "dtype") + _tuple([_text(code), b"\x89", b"\x88"]) + b"R" + _tuple(state) + b"b"


def _text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def _integer(number: int) -> bytes:
    if 0 <= number < 1 << 8:
        return b"K" + bytes([number])
    if 0 <= number < 1 << 16:
        return b"M" + struct.pack("<H", number)
    if -(1 << 31) <= number < 1 << 31:
        return b"J" + struct.pack("<i", number)
    raw = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    if len(raw) > 255:
        raise CannotWrite(f"the number {shortened(hex(number), 40)} is too long for any embedding")
    return b"\x8a" + bytes([len(raw)]) + raw


def _tuple(items: Any) -> bytes:
    items = tuple(items)
    if len(items) > 3:
        return b"(" + b"".join(items) + b"t"
    return b"".join(items) + (b")", b"\x85", b"\x86", b"\x87")[len(items)]


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


_EMPTY_ARRAY = (
    _name("numpy.core.multiarray", "_reconstruct")
    + _tuple([_name("numpy", "ndarray"), _tuple([_integer(0)]), b"C\x01b"])
    + b"R"
)
