"""The names that pickles may use, and what each stands for here: a plain value, or a function of ours that makes one.

The pairs of module and name are compared exactly and never imported. Classes arrive as what they hold: an OrderedDict
as a dict, a Parameter as its tensor, a Namespace as a dict, a path as text. A new harmless class is one row.

Source: torch, `_utils.py`, `storage.py`, `nn/modules/container.py`; numpy, `core/multiarray` and `core/numeric`; jax,
`_src/array.py`; CPython's `datetime`, `pathlib`, `argparse`, `types` for what their objects pickle as.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import Damaged, UnsafePickle, one_line, shortened
from .payload import ParameterDict, Tensor
from .tensor_views import ITEMSIZES, Storage, row_major, storage_of, tensor_view

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = tuple[Any, ...]


class TorchDtype(str):
    """torch's name of a number type, where a pickle holds the type itself."""

    __slots__ = ()


class Attributes(dict[str, Any]):
    """What an object that only carries attributes becomes."""


@dataclass(slots=True)
class StorageType:
    """torch's class of a storage; `dtype` is None for one of bytes."""

    dtype: str | None
    itemsize: int


@dataclass(slots=True)
class Named:
    """A name of the table: `call` makes what calling it with arguments would give, `new` an empty instance."""

    call: Callable[[Arguments], Any]
    new: Callable[[], Any] | None = None


@dataclass(slots=True)
class Unbuilt:
    """What waits for its state: `build` makes the value from it; `slot` is its place in the machine's memo."""

    build: Callable[[Any], Any]
    slot: int = -1


@dataclass(slots=True)
class NumpyDtype:
    """numpy's type of numbers; "object" where they are none."""

    dtype: str
    big_endian: bool = False


@dataclass(slots=True)
class ObjectArray:
    """numpy's array of objects; allowed only where a .npy file keeps its one dict in it."""

    shape: tuple[int, ...]
    items: list[Any]


def refused(module: str, name: str) -> UnsafePickle:
    """The error for a name that is not in the table."""
    what = shortened(one_line(f"{module}.{name}"), 120)
    return UnsafePickle(f"its pickle names '{what}'; loanword runs no code from files, ask for a safetensors file")


def with_state(target: Any, state: Any) -> None:
    """Give an object of the table the state that a pickle keeps for it."""
    kind = type(target)
    if type(state) is not dict:
        raise _misused("an object's state")
    if kind is ParameterDict and not target:
        target.update(_parameters(state))
    elif kind is Attributes and not target and all(type(key) is str for key in state):
        target.update(state)
    elif kind is not dict or state.keys() != {"_metadata"}:  # a state dict's version numbers
        raise _misused("an object's state")


def _misused(what: str) -> Damaged:
    return Damaged(f"its pickle has {what} as no program writes it; download it again")


def _parameters(state: dict[str, Any]) -> dict[str, Any]:
    """A ParameterDict's tensors, in its own order where it keeps one."""
    values = state.get("_parameters")
    order = state.get("_keys", values)
    if not isinstance(values, dict) or not isinstance(order, dict) or order.keys() != values.keys():
        raise _misused("a ParameterDict")
    return {key: values[key] for key in order}


def _tensor(arguments: Arguments) -> Tensor:
    """`_rebuild_tensor(storage, offset, size, stride)`; v2 adds requires_grad, hooks and metadata."""
    if len(arguments) != 4:
        if (
            not 6 <= len(arguments) <= 7
            or arguments[5] != {}
            or (len(arguments) == 7 and arguments[6] not in ({}, None))
        ):
            raise _misused("a tensor")
        arguments = arguments[:4]
    storage, offset, size, stride = arguments
    if type(storage) is not Storage or storage.dtype is None or type(size) is not tuple or type(stride) is not tuple:
        raise _misused("a tensor")
    return tensor_view(storage, storage.dtype, offset, size, stride)


def _tensor_v3(arguments: Arguments) -> Tensor:
    """`_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)`."""
    if not 7 <= len(arguments) <= 8 or arguments[5] != {} or (len(arguments) == 8 and arguments[7] not in ({}, None)):
        raise _misused("a tensor")
    storage, offset, size, stride, _, _, dtype = arguments[:7]
    if type(storage) is not Storage or storage.dtype is not None or type(dtype) is not TorchDtype:
        raise _misused("a tensor")
    if type(size) is not tuple or type(stride) is not tuple:
        raise _misused("a tensor")
    return tensor_view(storage, str(dtype).removeprefix("torch."), offset, size, stride)


def _parameter(arguments: Arguments) -> Tensor:
    """`_rebuild_parameter(data, requires_grad, hooks)`, or with attributes, which have to be none."""
    if not 3 <= len(arguments) <= 4 or type(arguments[0]) is not Tensor or any(each != {} for each in arguments[2:]):
        raise _misused("a parameter")
    return arguments[0]


def _device_tensor(arguments: Arguments) -> Tensor:
    """`_rebuild_device_tensor_from_numpy(data, dtype, device, requires_grad)`."""
    if len(arguments) != 4 or type(arguments[0]) is not Tensor or arguments[1] != f"torch.{arguments[0].dtype}":
        raise _misused("a tensor")
    return arguments[0]


def _ordered(arguments: Arguments) -> dict[Any, Any]:
    """`OrderedDict()`."""
    if arguments != ():
        raise _misused("an OrderedDict")
    return {}


def _default_dict(arguments: Arguments) -> dict[Any, Any]:
    """`defaultdict(factory)`: the factory is a class of the table, and never asked."""
    if len(arguments) > 1 or (arguments and type(arguments[0]) not in (Named, type(None))):
        raise _misused("a defaultdict")
    return {}


def _attributes(arguments: Arguments) -> Attributes:
    if arguments != ():
        raise _misused("a namespace")
    return Attributes()


def _one(kind: type, of: type | tuple[type, ...]) -> Callable[[Arguments], Any]:
    """A function that makes a `kind` of one collection, or of nothing."""

    def call(arguments: Arguments) -> Any:
        if arguments == ():
            return kind()
        if len(arguments) != 1 or not isinstance(arguments[0], of):
            raise _misused(f"a {kind.__name__}")
        if kind is not tuple and kind is not bytes and not all(type(item) in (str, int, bool) for item in arguments[0]):
            raise _misused(f"a {kind.__name__}")
        return kind(arguments[0])

    return call


def _encoded(arguments: Arguments) -> bytes:
    """`_codecs.encode(text, 'latin1')`, how protocol 2 keeps bytes."""
    if len(arguments) == 2 and type(arguments[0]) is str and arguments[1] in ("latin1", "latin-1"):
        try:
            return arguments[0].encode("latin1")
        except UnicodeEncodeError:
            raise _misused("bytes") from None
    raise UnsafePickle("its pickle asks for a codec that keeps no bytes; loanword runs no code from files")


def _byte_array(arguments: Arguments) -> bytes:
    if len(arguments) == 1 and type(arguments[0]) is bytes:
        return arguments[0]
    return _encoded(arguments) if arguments else b""


def _device(arguments: Arguments) -> str:
    """`torch.device('cuda', 0)` as "cuda:0"."""
    if not 1 <= len(arguments) <= 2 or type(arguments[0]) is not str or type(arguments[-1]) not in (str, int):
        raise _misused("a device")
    return ":".join(str(each) for each in arguments)


def _path(arguments: Arguments) -> str:
    if not all(type(part) is str for part in arguments):
        raise _misused("a path")
    return "/".join(arguments)


def _moment(arguments: Arguments) -> str:
    """`datetime(ten bytes)` or `date(four bytes)`, as text."""
    if len(arguments) != 1 or type(arguments[0]) is not bytes or len(arguments[0]) not in (4, 10):
        raise _misused("a date")
    year, month, day, *time = struct.unpack(">HBB" if len(arguments[0]) == 4 else ">HBBBBB", arguments[0][:7])
    return f"{year:04}-{month & 0x7F:02}-{day:02}" + (f"T{time[0]:02}:{time[1]:02}:{time[2]:02}" if time else "")


def _only_named(_: Arguments) -> Any:
    """The table has it as a name alone."""
    raise _misused("a class")


def _numpy_dtype(arguments: Arguments) -> Unbuilt:
    """`numpy.dtype('f4', False, True)`, whose byte order follows as its state."""
    if not 1 <= len(arguments) <= 3 or type(arguments[0]) is not str or arguments[0] not in NUMPY_TYPES:
        if arguments and type(arguments[0]) is TorchDtype:  # ml_dtypes, under their class
            return Unbuilt(partial(_dtype_with_order, arguments[0].removeprefix("torch.")))
        raise _misused("a numpy dtype")
    return Unbuilt(partial(_dtype_with_order, NUMPY_TYPES[arguments[0]]))


def _dtype_with_order(dtype: str, state: Any) -> NumpyDtype:
    """State: version, byte order, then what only structured types have."""
    if type(state) is not tuple or len(state) not in (8, 9) or state[1] not in ("<", ">", "|", "="):
        raise _misused("a numpy dtype")
    if state[2:5] != (None, None, None):
        raise _misused("a numpy dtype")
    return NumpyDtype(dtype, state[1] == ">")


def _numpy_array(arguments: Arguments) -> Unbuilt:
    """`_reconstruct(numpy.ndarray, (0,), b'b')`: an empty array, whose content follows as its state."""
    if len(arguments) != 3 or arguments[0] is not _NDARRAY or arguments[1] != (0,) or arguments[2] not in (b"b", "b"):
        raise _misused("a numpy array")
    return Unbuilt(_array_with_content)


def _array_with_content(state: Any) -> Tensor | ObjectArray:
    """State: version, shape, dtype, whether columns come first, bytes."""
    if (
        type(state) is not tuple
        or len(state) != 5
        or type(state[2]) is not NumpyDtype
        or type(state[3]) not in (bool, int)
    ):
        raise _misused("a numpy array")
    _, shape, kind, columns_first, content = state
    return _array(content, kind, shape, columns_first=bool(columns_first))


def _numpy_buffer(arguments: Arguments) -> Tensor | ObjectArray:
    """`_frombuffer(bytes, dtype, shape, order)`, how protocol 5 keeps arrays."""
    if len(arguments) != 4 or type(arguments[1]) is not NumpyDtype or arguments[3] not in ("C", "F"):
        raise _misused("a numpy array")
    return _array(arguments[0], arguments[1], arguments[2], columns_first=arguments[3] == "F")


def _array(content: Any, kind: NumpyDtype, shape: Any, *, columns_first: bool) -> Tensor | ObjectArray:
    if type(shape) is not tuple or any(type(length) is not int or length < 0 for length in shape):
        raise _misused("a numpy array")
    count = 1
    for length in shape:
        count *= length
    if kind.dtype == "object":
        if type(content) is not list or len(content) != count:
            raise _misused("a numpy array")
        return ObjectArray(shape, content)
    if type(content) is not bytes or len(content) != count * ITEMSIZES[kind.dtype]:
        raise _misused("a numpy array")
    storage = storage_of(content, kind.dtype, big_endian=kind.big_endian)
    return tensor_view(storage, kind.dtype, 0, shape, row_major(shape, columns_first=columns_first))


def _numpy_scalar(arguments: Arguments) -> Any:
    """`scalar(dtype, bytes)` as Python's number."""
    if len(arguments) != 2 or type(arguments[0]) is not NumpyDtype or type(arguments[1]) is not bytes:
        raise _misused("a numpy number")
    layout = _SCALARS.get(arguments[0].dtype)
    if layout is None or struct.calcsize(f"={layout}") != len(arguments[1]):
        raise _misused("a numpy number")
    return struct.unpack((">" if arguments[0].big_endian else "<") + layout, arguments[1])[0]


def _jax_array(arguments: Arguments) -> Any:
    """`_reconstruct_array(numpy's function, its arguments, the array's state, jax's own state)`."""
    if len(arguments) != 4 or type(arguments[0]) is not Named or type(arguments[1]) is not tuple:
        raise _misused("a jax array")
    array = arguments[0].call(arguments[1])
    if type(array) is not Unbuilt:
        raise _misused("a jax array")
    return array.build(arguments[2])


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
    "O8": "object",
    "O": "object",
    "bfloat16": "bfloat16",
}
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
_STORAGES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexDouble": "complex128",
    "ComplexFloat": "complex64",
}
PARAMETER_DICT = Named(_only_named, ParameterDict)
_NDARRAY = Named(_only_named)
_NAMESPACE = Named(_attributes, Attributes)
_PATH = Named(_path)

_SINGLE: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): Named(_ordered),
    ("collections", "defaultdict"): Named(_default_dict),
    ("torch._utils", "_rebuild_tensor"): Named(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Named(_tensor),
    ("torch._utils", "_rebuild_tensor_v3"): Named(_tensor_v3),
    ("torch._utils", "_rebuild_parameter"): Named(_parameter),
    ("torch._utils", "_rebuild_parameter_with_state"): Named(_parameter),
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): Named(_device_tensor),
    ("torch.nn.modules.container", "ParameterDict"): PARAMETER_DICT,
    ("torch", "Size"): Named(_one(tuple, tuple)),
    ("torch", "device"): Named(_device),
    ("torch.storage", "UntypedStorage"): StorageType(None, 1),
    ("_codecs", "encode"): Named(_encoded),
    ("numpy", "dtype"): Named(_numpy_dtype),
    ("numpy", "ndarray"): _NDARRAY,
    ("ml_dtypes", "bfloat16"): TorchDtype("torch.bfloat16"),
    ("jax._src.array", "_reconstruct_array"): Named(_jax_array),
    ("argparse", "Namespace"): _NAMESPACE,
    ("types", "SimpleNamespace"): _NAMESPACE,
    ("datetime", "datetime"): Named(_moment),
    ("datetime", "date"): Named(_moment),
    ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"): "ModelCheckpoint",
}
_DTYPES = {("torch", name): TorchDtype(f"torch.{name}") for name in ITEMSIZES}
_STORAGE_TYPES = {
    ("torch", f"{name}Storage"): StorageType(dtype, ITEMSIZES[dtype]) for name, dtype in _STORAGES.items()
}
_TENSOR_TYPES = {("torch", f"{name}Tensor"): Named(_only_named) for name in _STORAGES}
_NUMPY = {
    (f"numpy.{core}.{module}", name): Named(call)
    for core in ("core", "_core")
    for module, name, call in (
        ("multiarray", "_reconstruct", _numpy_array),
        ("multiarray", "scalar", _numpy_scalar),
        ("numeric", "_frombuffer", _numpy_buffer),
    )
}
_BUILTINS = {
    (module, name): Named(call)
    for module in ("builtins", "__builtin__")
    for name, call in (
        ("set", _one(frozenset, list)),
        ("frozenset", _one(frozenset, list)),
        ("tuple", _one(tuple, (tuple, list))),
        ("bytes", _one(bytes, bytes)),
        ("bytearray", _byte_array),
        *((factory, _only_named) for factory in ("list", "dict", "int", "float", "str", "bool")),
    )
}
_PATHS = {
    (module, f"{pure}{system}Path"): _PATH
    for module in ("pathlib", "pathlib._local")
    for pure in ("", "Pure")
    for system in ("Posix", "Windows")
}
NAMES: dict[tuple[str, str], Any] = {
    **_SINGLE,
    **_DTYPES,
    **_STORAGE_TYPES,
    **_TENSOR_TYPES,
    **_NUMPY,
    **_BUILTINS,
    **_PATHS,
}
BY_LINES = {f"{module}\n{name}\n".encode(): found for (module, name), found in NAMES.items()}
"""The same table by what follows a GLOBAL instruction."""
