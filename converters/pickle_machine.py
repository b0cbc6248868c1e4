"""A machine that reads pickles and runs nothing: instructions make plain values, and names stand for rows of a table.

Nothing that a file names is imported, called, instantiated or given attributes. What a name stands for is looked up
in `pickle_names.py`; a name that is not there is refused, as is every instruction that no embedding needs. Lengths
are compared with the bytes that are left before anything is made.

Source: CPython, `Lib/pickletools.py`, for the instructions; torch, `serialization.py`, for those that occur.
"""

# What a file holds has any type until it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import struct
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import Damaged, FileError, UnsafePickle
from .pickle_names import BY_LINES, NAMES, refused, with_state
from .pickle_values import Named, Unbuilt

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_PICKLE = 4 * 1024 * 1024
"""Bytes of a pickle whose numbers lie outside of it."""
MOST_INSTRUCTIONS = 400_000
LONGEST_NAME = 1000

_U4 = struct.Struct("<I").unpack_from
_U8 = struct.Struct("<Q").unpack_from
_I4 = struct.Struct("<i").unpack_from
_F8 = struct.Struct(">d").unpack_from
_LARGEST_KEY = 1 << 63
_END_OF_FRAME = b"\xfe"
"""No instruction of pickle's: set behind a frame, so that none that begins in the frame can end outside of it."""
_CUT = "its pickle is cut short or contradicts itself; download it again"


def load(data: bytes, start: int, persistent: Callable[[object], object]) -> tuple[Any, int]:
    """What the pickle at `start` describes, and where it ends. `persistent` gives what a persistent id stands for.

    The value may still contain what is not allowed in a tree: see `pickle_tree.tree_of`.
    """
    try:
        return _run(data, start, persistent)
    except (IndexError, KeyError, struct.error, UnicodeDecodeError):
        raise Damaged(_CUT) from None


def _run(data: bytes, start: int, persistent: Callable[[object], object]) -> tuple[Any, int]:  # noqa: PLR0915
    """The loop over the instructions, in one piece for speed: the frequent ones first.

    What makes a value is usually followed by BINPUT, which keeps it in the memo; that is done in the same round. Every
    pickler numbers what it keeps from 0 on, so the memo is a list.
    """
    if data[start] != 0x80 or not 2 <= data[start + 1] <= 5:
        raise Damaged("its pickle is of a protocol that torch does not write; download it again")
    position = start + 2
    whole = data
    memo: list[Any] = []
    stack: list[Any] = []
    marked: list[list[Any]] = []
    for _ in repeat(None, MOST_INSTRUCTIONS):
        code = data[position]
        position += 1
        if code == 0x58:  # BINUNICODE
            begin = position + 4
            position = begin + _U4(data, position)[0]
            try:
                value = data[begin:position].decode()
            except UnicodeDecodeError:
                value = data[begin:position].decode("utf-8", "surrogatepass")
        elif code == 0x4B:  # BININT1
            stack.append(data[position])
            position += 1
            continue
        elif code == 0x4D:  # BININT2
            stack.append(data[position] | data[position + 1] << 8)
            position += 2
            continue
        elif code == 0x28:  # MARK
            marked.append(stack)
            stack = []
            continue
        elif code == 0x68:  # BINGET
            stack.append(memo[data[position]])
            position += 1
            continue
        elif code == 0x63:  # GLOBAL
            begin = position
            position = data.find(b"\n", data.find(b"\n", begin) + 1) + 1
            value = BY_LINES.get(data[begin:position])
            if value is None:
                raise _refused_lines(data, begin)
        elif code == 0x74:  # TUPLE
            value = tuple(stack)
            stack = marked.pop()
        elif code == 0x86:  # TUPLE2
            value = stack.pop()
            value = (stack.pop(), value)
        elif code == 0x7D:  # EMPTY_DICT
            value = {}
        elif code == 0x29:  # EMPTY_TUPLE
            stack.append(())
            continue
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
            continue
        elif code == 0x52:  # REDUCE
            arguments = stack.pop()
            value = _called(stack.pop(), arguments, memo)
        elif code == 0x73:  # SETITEM
            value = stack.pop()
            key = stack.pop()
            target = stack[-1]
            if type(key) is str and type(target) is dict and key not in target:
                target[key] = value
            else:
                _set_items(target, [key, value])
            continue
        elif code == 0x75:  # SETITEMS
            items = stack
            stack = marked.pop()
            _set_items(stack[-1], items)
            continue
        elif code == 0x51:  # BINPERSID
            value = persistent(stack.pop())
        elif code == 0x94:  # MEMOIZE
            memo.append(stack[-1])
            continue
        elif code == 0x72 or code == 0x71:  # noqa: PLR1714  # LONG_BINPUT, BINPUT
            index = data[position] if code == 0x71 else _U4(data, position)[0]
            if index != len(memo):
                raise Damaged(_CUT)
            memo.append(stack[-1])
            position += 1 if code == 0x71 else 4
            continue
        elif code == 0x6A:  # LONG_BINGET
            stack.append(memo[_U4(data, position)[0]])
            position += 4
            continue
        elif code in _COLLECTIONS:
            value = _COLLECTIONS[code]()
        elif code in _OPERANDS:
            value, position = _OPERANDS[code](data, position)
        elif code == 0x2E:  # STOP
            if len(stack) != 1 or marked or (data is not whole and position != len(data) - 1):
                raise Damaged(_CUT)
            return stack[0], position
        elif code == 0x62:  # BUILD
            value = _built(stack.pop(), stack.pop(), memo)
        elif code == 0x81:  # NEWOBJ
            arguments = stack.pop()
            value = _new(stack.pop(), arguments)
        elif code == 0x85:  # TUPLE1
            value = (stack.pop(),)
        elif code == 0x87:  # TUPLE3
            third = stack.pop()
            value = stack.pop()
            value = (stack.pop(), value, third)
        elif code == 0x61:  # APPEND
            value = stack.pop()
            _add(stack[-1], [value])
            continue
        elif code == 0x65 or code == 0x90:  # noqa: PLR1714  # APPENDS, ADDITEMS
            items = stack
            stack = marked.pop()
            _add(stack[-1], items)
            continue
        elif code == 0x91:  # FROZENSET
            _check_keys(stack)
            value = frozenset(stack)
            stack = marked.pop()
        elif code == 0x93:  # STACK_GLOBAL
            name = stack.pop()
            value = _named(stack.pop(), name)
        elif code == 0x95:  # FRAME
            begin = position + 8
            end = begin + _U8(data, position)[0]
            if data is not whole or end > len(whole):
                raise Damaged(_CUT)
            data = whole[:end] + _END_OF_FRAME
            position = begin
            continue
        elif code == _END_OF_FRAME[0] and position == len(data) and data is not whole:
            data = whole
            position -= 1
            continue
        elif code in REFUSED:
            raise UnsafePickle(f"its pickle has the instruction {REFUSED[code]}, which no embedding needs; get another")
        else:
            raise Damaged(_CUT)
        stack.append(value)
        if data[position] == 0x71:  # BINPUT
            if data[position + 1] != len(memo):
                raise Damaged(_CUT)
            memo.append(value)
            position += 2
    raise Damaged(f"its pickle has more than {MOST_INSTRUCTIONS} instructions; no embedding needs as many")


def _text(data: bytes, begin: int, length: int) -> tuple[str, int]:
    """The text at `begin`, and where it ends."""
    end = begin + length
    raw = data[begin:end]
    if len(raw) != length:
        raise Damaged(_CUT)
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogatepass"), end


def _bytes(data: bytes, begin: int, length: int) -> tuple[bytes, int]:
    """The bytes at `begin`, and where they end."""
    end = begin + length
    if end > len(data):
        raise Damaged(_CUT)
    return data[begin:end], end


def _long(data: bytes, position: int) -> tuple[int, int]:
    raw, end = _bytes(data, position + 1, data[position])
    return int.from_bytes(raw, "little", signed=True), end


def _python2_text(data: bytes, position: int) -> tuple[str, int]:
    raw, end = _bytes(data, position + 1, data[position])
    return raw.decode(), end


def _called(named: Any, arguments: Any, memo: list[Any]) -> Any:
    """What calling a name of the table stands for."""
    if type(named) is not Named or type(arguments) is not tuple:
        raise Damaged(_CUT)
    value = named.call(arguments)
    if type(value) is Unbuilt:
        value.slot = len(memo)
    return value


def _new(named: Any, arguments: Any) -> Any:
    """An empty instance of a name of the table."""
    if type(named) is not Named or named.new is None or arguments != ():
        raise Damaged(_CUT)
    return named.new()


def _built(state: Any, target: Any, memo: list[Any]) -> Any:
    """`target` with its state; where that makes another value of it, the memo has that value from now on."""
    if type(target) is not Unbuilt:
        with_state(target, state)
        return target
    value = target.build(state)
    if target.slot < len(memo) and memo[target.slot] is target:
        memo[target.slot] = value
    return value


def _named(module: Any, name: Any) -> Any:
    if type(name) is not str or type(module) is not str:
        raise Damaged(_CUT)
    if (module, name) not in NAMES:
        raise refused(module, name)
    return NAMES[module, name]


def _refused_lines(data: bytes, position: int) -> FileError:
    """The error for what follows a GLOBAL instruction and is not in the table."""
    lines = data[position : position + LONGEST_NAME].split(b"\n", 2)
    if len(lines) < 3 and position + LONGEST_NAME > len(data):
        return Damaged(_CUT)
    module, name, *_ = (*(line.decode(errors="replace") for line in lines), "")
    return refused(module, name)


def _set_items(target: Any, items: list[Any]) -> None:
    """Put keys and values, one after another in `items`, into a dict that has none of the keys yet."""
    if type(target) is not dict or len(items) % 2:
        raise Damaged(_CUT)
    keys = items[::2]
    _check_keys(keys)
    before = len(target)
    target.update(zip(keys, items[1::2], strict=True))
    if len(target) != before + len(keys):
        raise Damaged("its pickle gives the same key twice; programs would differ in which one they take")


def _add(target: Any, items: list[Any]) -> None:
    """Add items to a list or a set."""
    if type(target) is list:
        target.extend(items)
    elif type(target) is set:
        _check_keys(items)
        target.update(items)
    else:
        raise Damaged(_CUT)


def _check_keys(keys: list[Any]) -> None:
    """Raise Damaged where a key is anything that takes long to hash, or that a tree has no place for."""
    for key in keys:
        kind = type(key)
        if kind is str or kind is bytes or kind is bool:
            continue
        if kind is not int or not -_LARGEST_KEY <= key < _LARGEST_KEY:
            raise Damaged("its pickle has a key that is neither text nor a number; download it again")


_CONSTANTS: dict[int, Any] = {0x4E: None, 0x88: True, 0x89: False}
_COLLECTIONS: dict[int, type] = {0x5D: list, 0x8F: set}
_OPERANDS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    0x4A: lambda data, position: (_I4(data, position)[0], position + 4),  # BININT
    0x47: lambda data, position: (_F8(data, position)[0], position + 8),  # BINFLOAT
    0x8A: _long,  # LONG1
    0x8C: lambda data, position: _text(data, position + 1, data[position]),  # SHORT_BINUNICODE
    0x8D: lambda data, position: _text(data, position + 8, _U8(data, position)[0]),  # BINUNICODE8
    0x43: lambda data, position: _bytes(data, position + 1, data[position]),  # SHORT_BINBYTES
    0x42: lambda data, position: _bytes(data, position + 4, _U4(data, position)[0]),  # BINBYTES
    0x8E: lambda data, position: _bytes(data, position + 8, _U8(data, position)[0]),  # BINBYTES8
    0x96: lambda data, position: _bytes(data, position + 8, _U8(data, position)[0]),  # BYTEARRAY8
    0x55: _python2_text,  # SHORT_BINSTRING
}
REFUSED = {
    0x30: "POP",
    0x31: "POP_MARK",
    0x32: "DUP",
    0x46: "FLOAT",
    0x49: "INT",
    0x4C: "LONG",
    0x50: "PERSID",
    0x53: "STRING",
    0x54: "BINSTRING",
    0x56: "UNICODE",
    0x64: "DICT",
    0x67: "GET",
    0x69: "INST",
    0x6C: "LIST",
    0x6F: "OBJ",
    0x70: "PUT",
    0x80: "PROTO",
    0x82: "EXT1",
    0x83: "EXT2",
    0x84: "EXT4",
    0x8B: "LONG4",
    0x92: "NEWOBJ_EX",
    0x97: "NEXT_BUFFER",
    0x98: "READONLY_BUFFER",
}
