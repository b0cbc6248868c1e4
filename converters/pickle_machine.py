"""A machine that reads pickles and runs nothing: instructions make plain values, and names stand for rows of a table.

Nothing that a file names is imported, called, instantiated or given attributes. What a name stands for is looked up
in `pickle_names.py`; a name that is not there is refused, as is every instruction that no embedding needs. Lengths
are compared with the bytes that are left before anything is made.

Source: CPython, `Lib/pickletools.py`, for the instructions; torch, `serialization.py`, for those that occur.
"""

from __future__ import annotations

import struct
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import Damaged, FileError, UnsafePickle
from .payload import Tensor
from .pickle_names import BY_LINES, NAMES, Named, TorchDtype, Unbuilt, refused, with_state
from .tensor_views import ITEMSIZES

if TYPE_CHECKING:
    from collections.abc import Callable

    from .payload import Tree

LARGEST_PICKLE = 4 * 1024 * 1024
"""Bytes of a pickle whose numbers lie outside of it."""
MOST_INSTRUCTIONS = 400_000
MOST_VALUES = 400_000
"""Values of a tree with each occurrence of a shared one counted, 64 characters of text counting as one more."""
DEEPEST = 32
HIGHEST_MEMO = 1 << 20
LONGEST_NAME = 1000
SPARE_BYTES = 64 * 1024 * 1024

_U4 = struct.Struct("<I").unpack_from
_I4 = struct.Struct("<i").unpack_from
_U8 = struct.Struct("<Q").unpack_from
_F8 = struct.Struct(">d").unpack_from
_LARGEST_KEY = 1 << 63
_CUT = "its pickle is cut short or contradicts itself; download it again"


def load(data: bytes, start: int, persistent: Callable[[object], object]) -> tuple[Any, int]:
    """What the pickle at `start` describes, and where it ends. `persistent` gives what a persistent id stands for.

    The value may still contain what is not allowed in a tree: see `tree_of`.
    """
    try:
        return _run(data, start, persistent)
    except (IndexError, KeyError, struct.error, UnicodeDecodeError):
        raise Damaged(_CUT) from None


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
            elif kind in _COLLECTIONS:
                below.extend(item)
            else:
                raise Damaged("its pickle holds a class or a storage where a value belongs; download it again")
            if len(below) > MOST_VALUES:
                break
        weight += len(level) + len(below)
        if weight > MOST_VALUES or numbers > 2 * file_size + SPARE_BYTES:
            raise Damaged(
                "its pickle unfolds to far more than the file holds; it cannot come from a program that saves"
            )
        if not below:
            return value
        level = below
    raise Damaged(f"its pickle is nested more than {DEEPEST} deep; no program saves an embedding like that")


_LEAVES = frozenset((int, float, bool, type(None), TorchDtype))
_COLLECTIONS = frozenset((list, tuple, set, frozenset))


def _run(data: bytes, start: int, persistent: Callable[[object], object]) -> tuple[Any, int]:  # noqa: PLR0915
    """The loop over the instructions, the most frequent first."""
    if data[start] != 0x80 or not 2 <= data[start + 1] <= 5:
        raise Damaged("its pickle is of a protocol that torch does not write; download it again")
    position = start + 2
    size = len(data)
    frame_end = 0
    memo: dict[int, Any] = {}
    stack: list[Any] = []
    push = stack.append
    pop = stack.pop
    marked: list[list[Any]] = []
    for _ in repeat(None, MOST_INSTRUCTIONS):
        code = data[position]
        position += 1
        if code == 0x71:  # BINPUT
            index = data[position]
            if index in memo:
                raise Damaged(_CUT)
            memo[index] = stack[-1]
            position += 1
        elif code == 0x58 or code == 0x8C or code == 0x8D:  # noqa: PLR1714  # BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            if code == 0x58:
                length = _U4(data, position)[0]
                position += 4
            elif code == 0x8C:
                length = data[position]
                position += 1
            else:
                length = _U8(data, position)[0]
                position += 8
            end = position + length
            if end > size:
                raise Damaged(_CUT)
            push(data[position:end].decode("utf-8", "surrogatepass"))
            position = end
        elif code == 0x68:  # BINGET
            push(memo[data[position]])
            position += 1
        elif code == 0x28:  # MARK
            marked.append(stack)
            stack = []
            push = stack.append
            pop = stack.pop
        elif code == 0x4B:  # BININT1
            push(data[position])
            position += 1
        elif code == 0x4D:  # BININT2
            push(data[position] | data[position + 1] << 8)
            position += 2
        elif code == 0x74:  # TUPLE
            items = tuple(stack)
            stack = marked.pop()
            push = stack.append
            pop = stack.pop
            push(items)
        elif code == 0x86:  # TUPLE2
            second = pop()
            stack[-1] = (stack[-1], second)
        elif code == 0x52:  # REDUCE
            arguments = pop()
            named = stack[-1]
            if type(named) is not Named or type(arguments) is not tuple:
                raise Damaged(_CUT)
            made = named.call(arguments)
            if type(made) is Unbuilt:
                made.slot = len(memo)
            stack[-1] = made
        elif code == 0x63:  # GLOBAL
            end = data.find(b"\n", data.find(b"\n", position) + 1) + 1
            found = BY_LINES.get(data[position:end])
            if found is None:
                raise _refused_lines(data, position)
            push(found)
            position = end
        elif code == 0x51:  # BINPERSID
            stack[-1] = persistent(stack[-1])
        elif code == 0x75 or code == 0x73:  # noqa: PLR1714  # SETITEMS, SETITEM
            if code == 0x75:
                items = stack
                stack = marked.pop()
                push = stack.append
                pop = stack.pop
            else:
                second = pop()
                items = [pop(), second]
            _set_items(stack[-1], items)
        elif code == 0x7D:  # EMPTY_DICT
            push({})
        elif code == 0x29:  # EMPTY_TUPLE
            push(())
        elif code == 0x89:  # NEWFALSE
            push(False)
        elif code == 0x88:  # NEWTRUE
            push(True)
        elif code == 0x4E:  # NONE
            push(None)
        elif code == 0x4A:  # BININT
            push(_I4(data, position)[0])
            position += 4
        elif code == 0x72:  # LONG_BINPUT
            index = _U4(data, position)[0]
            if index in memo or index > HIGHEST_MEMO:
                raise Damaged(_CUT)
            memo[index] = stack[-1]
            position += 4
        elif code == 0x6A:  # LONG_BINGET
            push(memo[_U4(data, position)[0]])
            position += 4
        elif code == 0x94:  # MEMOIZE
            memo[len(memo)] = stack[-1]
        elif code == 0x85:  # TUPLE1
            stack[-1] = (stack[-1],)
        elif code == 0x87:  # TUPLE3
            third = pop()
            second = pop()
            stack[-1] = (stack[-1], second, third)
        elif code == 0x47:  # BINFLOAT
            push(_F8(data, position)[0])
            position += 8
        elif code == 0x5D:  # EMPTY_LIST
            push([])
        elif code == 0x65 or code == 0x61:  # noqa: PLR1714  # APPENDS, APPEND
            if code == 0x65:
                items = stack
                stack = marked.pop()
                push = stack.append
                pop = stack.pop
            else:
                items = [pop()]
            if type(stack[-1]) is not list:
                raise Damaged(_CUT)
            stack[-1].extend(items)
        elif code == 0x62:  # BUILD
            state = pop()
            target = stack[-1]
            if type(target) is Unbuilt:
                stack[-1] = target.build(state)
                if memo.get(target.slot) is target:
                    memo[target.slot] = stack[-1]
            else:
                with_state(target, state)
        elif code == 0x81:  # NEWOBJ
            arguments = pop()
            named = stack[-1]
            if type(named) is not Named or named.new is None or arguments != ():
                raise Damaged(_CUT)
            stack[-1] = named.new()
        elif code == 0x8A:  # LONG1
            end = position + 1 + data[position]
            if end > size:
                raise Damaged(_CUT)
            push(int.from_bytes(data[position + 1 : end], "little", signed=True))
            position = end
        elif code == 0x42 or code == 0x43 or code == 0x8E or code == 0x96:  # noqa: PLR1714  # BINBYTES and relatives
            if code == 0x42:
                length = _U4(data, position)[0]
                position += 4
            elif code == 0x43:
                length = data[position]
                position += 1
            else:
                length = _U8(data, position)[0]
                position += 8
            end = position + length
            if end > size:
                raise Damaged(_CUT)
            push(data[position:end])
            position = end
        elif code == 0x93:  # STACK_GLOBAL
            name = pop()
            module = stack[-1]
            if type(name) is not str or type(module) is not str:
                raise Damaged(_CUT)
            found = NAMES.get((module, name))
            if found is None:
                raise refused(module, name)
            stack[-1] = found
        elif code == 0x95:  # FRAME
            length = _U8(data, position)[0]
            position += 8
            if length > size - position or position < frame_end:
                raise Damaged(_CUT)
            frame_end = position + length
        elif code == 0x8F:  # EMPTY_SET
            push(set())
        elif code == 0x90 or code == 0x91:  # noqa: PLR1714  # ADDITEMS, FROZENSET
            items = stack
            stack = marked.pop()
            push = stack.append
            pop = stack.pop
            _check_keys(items)
            if code == 0x91:
                push(frozenset(items))
            elif type(stack[-1]) is set:
                stack[-1].update(items)
            else:
                raise Damaged(_CUT)
        elif code == 0x55:  # SHORT_BINSTRING
            end = position + 1 + data[position]
            if end > size:
                raise Damaged(_CUT)
            push(data[position + 1 : end].decode())
            position = end
        elif code == 0x2E:  # STOP
            if len(stack) != 1 or marked:
                raise Damaged(_CUT)
            return stack[0], position
        elif code in _REFUSED:
            raise UnsafePickle(
                f"its pickle has the instruction {_REFUSED[code]}, which no embedding needs; get another"
            )
        else:
            raise Damaged(_CUT)
    raise Damaged(f"its pickle has more than {MOST_INSTRUCTIONS} instructions; no embedding needs as many")


def _set_items(target: Any, items: list[Any]) -> None:
    """Put keys and values, one after another in `items`, into a dict that has none of the keys yet."""
    if not isinstance(target, dict) or len(items) % 2:
        raise Damaged(_CUT)
    keys = items[::2]
    _check_keys(keys)
    before = len(target)
    target.update(zip(keys, items[1::2], strict=True))
    if len(target) != before + len(keys):
        raise Damaged("its pickle gives the same key twice; programs would differ in which one they take")


def _check_keys(keys: list[Any]) -> None:
    for key in keys:
        kind = type(key)
        if kind is str or kind is bytes or kind is bool:
            continue
        if kind is not int or not -_LARGEST_KEY <= key < _LARGEST_KEY:
            raise Damaged("its pickle has a key that is neither text nor a number; download it again")


def _refused_lines(data: bytes, position: int) -> FileError:
    """The error for what follows a GLOBAL instruction and is not in the table."""
    lines = data[position : position + LONGEST_NAME].split(b"\n", 2)
    if len(lines) < 3 and position + LONGEST_NAME > len(data):
        return Damaged(_CUT)
    module, name, *_ = (*(line.decode(errors="replace") for line in lines), "")
    return refused(module, name)


_REFUSED = {
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
