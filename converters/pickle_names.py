"""The names that pickles may use, and what each stands for here: a plain value, or a function of ours that makes one.

Pairs of module and name are compared exactly and never imported. Classes arrive as what they hold: an OrderedDict as
a dict, a Namespace as a dict, a path and a date as text. A new harmless class is one row.

Source: CPython, `collections`, `argparse`, `types`, `datetime`, `pathlib` and `_codecs`, for what they pickle as.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import UnsafePickle, one_line, shortened
from . import pickle_numpy, pickle_torch
from .payload import ParameterDict
from .pickle_values import Attributes, Named, misused, only_named

if TYPE_CHECKING:
    from .pickle_values import Arguments, Rows


def refused(module: str, name: str) -> UnsafePickle:
    """The error for a name that is not in the table."""
    what = shortened(one_line(f"{module}.{name}"), 120)
    return UnsafePickle(f"its pickle names '{what}'; loanword runs no code from files, ask for a safetensors file")


def with_state(target: Any, state: Any) -> None:
    """Give an object of the table the state that a pickle keeps for it."""
    kind = type(target)
    if type(state) is not dict:
        raise misused("an object's state")
    if kind is ParameterDict and not target:
        target.update(pickle_torch.parameters_of(state))
    elif kind is Attributes and not target and all(type(key) is str for key in state):
        target.update(state)
    elif kind is not dict or state.keys() != {"_metadata"}:  # the version numbers of a module's state
        raise misused("an object's state")


def _ordered_dict(arguments: Arguments) -> dict[Any, Any]:
    """`OrderedDict()`, its items to follow."""
    if arguments:
        raise misused("an OrderedDict")
    return {}


def _default_dict(arguments: Arguments) -> dict[Any, Any]:
    """`defaultdict(factory)`, its items to follow: the factory is a class of the table, and never asked."""
    if len(arguments) > 1 or not all(type(factory) is Named or factory is None for factory in arguments):
        raise misused("a defaultdict")
    return {}


def _counter(arguments: Arguments) -> dict[Any, Any]:
    """`Counter({…})`."""
    if len(arguments) != 1 or type(arguments[0]) is not dict:
        raise misused("a Counter")
    return arguments[0]


def _attributes(arguments: Arguments) -> Attributes:
    """`SimpleNamespace()`, its attributes to follow."""
    if arguments:
        raise misused("a namespace")
    return Attributes()


def _set(arguments: Arguments) -> frozenset[Any]:
    """`set([…])`, of text and numbers."""
    items = arguments[0] if len(arguments) == 1 else [] if not arguments else None
    if type(items) is not list or not all(type(item) in (str, int, bool) for item in items):
        raise misused("a set")
    return frozenset(items)


def _tuple(arguments: Arguments) -> tuple[Any, ...]:
    """`tuple((…,))`, as Paddle keeps a name with its array."""
    if len(arguments) != 1 or type(arguments[0]) not in (tuple, list):
        raise misused("a tuple")
    return tuple(arguments[0])


def _bytes(arguments: Arguments) -> bytes:
    """`bytes()`, `bytearray(b'…')` and, of protocol 2, `bytearray('…', 'latin-1')`."""
    if len(arguments) == 2:
        return _encoded(arguments)
    if len(arguments) > 1 or not all(type(content) is bytes for content in arguments):
        raise misused("a bytes object")
    return b"".join(arguments)


def _encoded(arguments: Arguments) -> bytes:
    """`_codecs.encode('…', 'latin1')`, how protocol 2 keeps bytes."""
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] not in ("latin1", "latin-1"):
        raise UnsafePickle("its pickle asks for a codec that keeps no bytes; loanword runs no code from files")
    try:
        return arguments[0].encode("latin1")
    except UnicodeEncodeError:
        raise misused("a bytes object") from None


def _path(arguments: Arguments) -> str:
    """`PosixPath('out', 'cat.pt')`."""
    if not all(type(part) is str for part in arguments):
        raise misused("a path")
    return "/".join(arguments)


def _moment(arguments: Arguments) -> str:
    """`datetime(ten bytes)` or `date(four bytes)`."""
    if len(arguments) != 1 or type(arguments[0]) is not bytes or len(arguments[0]) not in (4, 10):
        raise misused("a date")
    year, month, day, *time = struct.unpack(">HBB" if len(arguments[0]) == 4 else ">HBBBBB", arguments[0][:7])
    return f"{year:04}-{month & 0x7F:02}-{day:02}" + (f"T{time[0]:02}:{time[1]:02}:{time[2]:02}" if time else "")


_NAMESPACE = Named(_attributes, Attributes)

NAMES: Rows = {
    **pickle_torch.ROWS,
    **pickle_numpy.ROWS,
    ("collections", "OrderedDict"): Named(_ordered_dict),
    ("collections", "defaultdict"): Named(_default_dict),
    ("collections", "Counter"): Named(_counter),
    ("argparse", "Namespace"): _NAMESPACE,
    ("types", "SimpleNamespace"): _NAMESPACE,
    ("datetime", "datetime"): Named(_moment),
    ("datetime", "date"): Named(_moment),
    ("_codecs", "encode"): Named(_encoded),
}
_BUILTINS = {
    **dict.fromkeys(("set", "frozenset"), Named(_set)),
    **dict.fromkeys(("bytes", "bytearray"), Named(_bytes)),
    **dict.fromkeys(("list", "dict", "int", "float", "str", "bool"), Named(only_named)),
    "tuple": Named(_tuple),
}
_PATHS = dict.fromkeys(("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"), Named(_path))
for _module, _rows in (
    *(("builtins", _BUILTINS), ("__builtin__", _BUILTINS)),
    *(("pathlib", _PATHS), ("pathlib._local", _PATHS)),
):
    NAMES.update({(_module, _name): found for _name, found in _rows.items()})

BY_LINES = {f"{module}\n{name}\n".encode(): found for (module, name), found in NAMES.items()}
"""The same table by what follows a GLOBAL instruction."""
