"""What torch's names in pickles stand for: tensors, parameters, storages, and the plain values beside them.

Source: torch 1.6 to 2.13, `_utils.py`, `storage.py`, `nn/modules/container.py`; torch 0.1 for the tensor classes.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .payload import ParameterDict, Tensor
from .pickle_values import Named, StorageType, TorchDtype, misused, only_named
from .tensor_views import ITEMSIZES, Storage, tensor_view

if TYPE_CHECKING:
    from .pickle_values import Arguments, Rows

STORAGES = {
    "float64": "Double",
    "float32": "Float",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
    "complex128": "ComplexDouble",
    "complex64": "ComplexFloat",
}
"""The number types that torch has a storage class for; of others the tensor says the type, its storage is of bytes."""


def parameters_of(state: dict[Any, Any]) -> dict[Any, Any]:
    """A ParameterDict's tensors from its state, in its own order where it keeps one (torch 1.12 and later)."""
    values = state.get("_parameters")
    order = state.get("_keys", values)
    if type(values) is not dict or type(order) is not dict or order.keys() != values.keys():
        raise misused("a ParameterDict")
    return {key: values[key] for key in order}


def _tensor(arguments: Arguments) -> Tensor:
    """`_rebuild_tensor(storage, offset, size, stride)`; v2 adds requires_grad, hooks and metadata."""
    if len(arguments) != 4:
        if not 6 <= len(arguments) <= 7 or not _nothing(arguments[5:]):
            raise misused("a tensor")
        arguments = arguments[:4]
    storage, offset, size, stride = arguments
    if type(storage) is not Storage or storage.dtype is None or type(size) is not tuple or type(stride) is not tuple:
        raise misused("a tensor")
    return tensor_view(storage, storage.dtype, offset, size, stride)


def _tensor_v3(arguments: Arguments) -> Tensor:
    """`_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)`."""
    if not 7 <= len(arguments) <= 8 or not _nothing((arguments[5], *arguments[7:])):
        raise misused("a tensor")
    storage, offset, size, stride, _, _, dtype = arguments[:7]
    if type(storage) is not Storage or storage.dtype is not None or type(dtype) is not TorchDtype:
        raise misused("a tensor")
    if type(size) is not tuple or type(stride) is not tuple:
        raise misused("a tensor")
    return tensor_view(storage, dtype.removeprefix("torch."), offset, size, stride)


def _parameter(arguments: Arguments) -> Tensor:
    """`_rebuild_parameter(data, requires_grad, hooks)`; another function adds attributes, which have to be none."""
    if not 3 <= len(arguments) <= 4 or type(arguments[0]) is not Tensor or not _nothing(arguments[2:]):
        raise misused("a parameter")
    return arguments[0]


def _device_tensor(arguments: Arguments) -> Tensor:
    """`_rebuild_device_tensor_from_numpy(data, dtype, device, requires_grad)`."""
    if len(arguments) != 4 or type(arguments[0]) is not Tensor or arguments[1] != f"torch.{arguments[0].dtype}":
        raise misused("a tensor")
    return arguments[0]


def _size(arguments: Arguments) -> tuple[Any, ...]:
    """`Size((2, 768))`."""
    if len(arguments) != 1 or type(arguments[0]) is not tuple:
        raise misused("a size")
    return arguments[0]


def _device(arguments: Arguments) -> str:
    """`device('cuda', 0)` as "cuda:0"."""
    if not 1 <= len(arguments) <= 2 or type(arguments[0]) is not str or type(arguments[-1]) not in (str, int):
        raise misused("a device")
    return ":".join(str(each) for each in arguments)


def _nothing(extras: Arguments) -> bool:
    """Whether hooks, metadata and attributes, which could change what a tensor means, are all empty."""
    return all(extra is None or (type(extra) is dict and not extra) for extra in extras)


PARAMETER_DICT = Named(only_named, ParameterDict)

ROWS: Rows = {
    ("torch._utils", "_rebuild_tensor"): Named(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Named(_tensor),
    ("torch._utils", "_rebuild_tensor_v3"): Named(_tensor_v3),
    ("torch._utils", "_rebuild_parameter"): Named(_parameter),
    ("torch._utils", "_rebuild_parameter_with_state"): Named(_parameter),
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): Named(_device_tensor),
    ("torch.nn.modules.container", "ParameterDict"): PARAMETER_DICT,
    ("torch", "Size"): Named(_size),
    ("torch", "device"): Named(_device),
    ("torch.storage", "UntypedStorage"): StorageType(None, 1),
    ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"): "ModelCheckpoint",
    **{("torch", dtype): TorchDtype(f"torch.{dtype}") for dtype in ITEMSIZES},
    **{("torch", f"{name}Storage"): StorageType(dtype, ITEMSIZES[dtype]) for dtype, name in STORAGES.items()},
    **{("torch", f"{name}Tensor"): Named(only_named) for name in STORAGES.values()},
}
