"""The JSON header of a safetensors file, read strictly: what two programs could read differently is refused.

The library takes the last of two equal names, ignores unknown fields and parses 100 MB of anything; here each of these
is an error, and memory is taken only for headers that a real file could have.

Source: safetensors 0.8, format description in its README; `tensor.rs` for dtypes and the order in which it writes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import Damaged, Unreadable, UnrecognisedFormat, shortened

if TYPE_CHECKING:
    from .source import Source

METADATA = "__metadata__"
LARGEST_HEADER = 16 * 1024 * 1024
"""Bytes. Training logs make headers of several MB; the library's own limit is 100 MB."""
MOST_TENSORS = 32_768
LARGE_HEADER = 256 * 1024
"""From this size on a header is looked through for what would take much memory to parse."""
MOST_AXES = 32
LONGEST_AXIS = 2**63 - 1

DTYPES = {
    "BOOL": ("bool", 8),
    "F4": ("float4_e2m1fn", 4),
    "F6_E2M3": ("float6_e2m3fn", 6),
    "F6_E3M2": ("float6_e3m2fn", 6),
    "U8": ("uint8", 8),
    "I8": ("int8", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
    "I16": ("int16", 16),
    "U16": ("uint16", 16),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "I32": ("int32", 32),
    "U32": ("uint32", 32),
    "F32": ("float32", 32),
    "C64": ("complex64", 64),
    "F64": ("float64", 64),
    "I64": ("int64", 64),
    "U64": ("uint64", 64),
}
"""The library's codes in the library's order, which is the reverse of that in a file: torch's name, bits a number."""

_JSON = json.JSONDecoder()
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONG_NUMBER = re.compile(rb"[0-9]{40}")


def read_header(source: Source) -> tuple[dict[str, Any], int]:
    """The parsed header, and where the tensors' bytes begin."""
    length = int.from_bytes(source.read(0, 8), "little")
    start = 8 + length
    if start > source.size:
        raise Damaged(f"is {source.size} bytes long, its header alone takes {start}; download it again")
    if length > LARGEST_HEADER:
        raise Unreadable(f"has a header of {length >> 20} MB, at most {LARGEST_HEADER >> 20} MB are read")
    raw = bytes(source.read(8, length))
    if not raw.startswith(b"{"):
        raise Damaged("its header is not a JSON object; download it again")
    if length > LARGE_HEADER:
        _check_large(raw)
    try:
        header = _JSON.decode(raw.decode())
    except (ValueError, RecursionError):
        raise Damaged("its header is not JSON as safetensors writes it; download it again") from None
    _check_unambiguous(header, raw)
    return header, start


def _check_large(raw: bytes) -> None:
    """Refuse, before parsing, a header that would take very much memory or time to parse."""
    plain = _without_escapes(raw)
    if plain.count(b'"') > 16 * MOST_TENSORS:
        raise Unreadable(f"describes more than {MOST_TENSORS} tensors, which no embedding needs")
    outside = re.sub(rb'"[^"]*"', b"", plain)
    if outside.count(b"{") > MOST_TENSORS + 2 or outside.count(b",") > 16 * MOST_TENSORS:
        raise Unreadable(f"describes more than {MOST_TENSORS} tensors, which no embedding needs")
    if outside.count(b"[") > 2 * MOST_TENSORS or _LONG_NUMBER.search(outside):
        raise Damaged("its header is not one that safetensors writes; download it again")


def _check_unambiguous(header: dict[str, dict[str, Any]], raw: bytes) -> None:
    """Refuse names that occur twice, and strings that are no text.

    JSON's parser keeps the last of two equal names. So the strings in the result are counted: with metadata and
    entries as they must be, there is one for every two quotation marks of the header unless a name was dropped.
    """
    strings = 0
    for name, entry in header.items():
        if type(entry) is not dict:
            raise Damaged(f"its header says nothing of use about {quoted(name)}; download it again")
        if name == METADATA:
            strings += 1 + 2 * len(entry)
            if not all(type(value) is str for value in entry.values()):
                raise Damaged("its metadata holds something other than text; save it again with another program")
        else:
            strings += 5
    if 2 * strings != (_without_escapes(raw) if b"\\" in raw else raw).count(b'"'):
        raise Damaged("its header names something twice or has unknown fields; programs would differ in reading it")
    if b"\\u" in raw and _SURROGATE.search(raw):
        try:
            json.dumps(header, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Damaged("its header holds half a character (a lone surrogate); save it again") from None


def _without_escapes(raw: bytes) -> bytes:
    """`raw` without escaped backslashes and quotation marks, so that each mark left begins or ends a string."""
    return raw.replace(b"\\\\", b"").replace(b'\\"', b"")


def entry_of(name: str, entry: dict[str, Any]) -> tuple[str, tuple[int, ...], int, int]:
    """dtype, shape, begin and end of one tensor, consistent with one another."""
    try:
        code, axes, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise Damaged(f"its header lacks dtype, shape or place of {quoted(name)}; download it again") from None
    if type(code) is not str or code not in DTYPES:
        raise UnrecognisedFormat(f"{quoted(name)} is of the unknown dtype {shortened(repr(code), 40)}; convert it")
    if type(begin) is not int or type(end) is not int or begin < 0:
        raise Damaged(f"{quoted(name)} has no place in the file; download it again")
    dtype, bits = DTYPES[code]
    shape = _shape(name, axes)
    for length in shape:
        bits *= length
    if bits != 8 * (end - begin):
        taken = "its shape takes more" if bits > 8 * (end - begin) else "its shape takes fewer"
        raise Damaged(f"{quoted(name)} has {end - begin} bytes, {taken}; download it again")
    return dtype, shape, begin, end


def _shape(name: str, axes: list[Any]) -> tuple[int, ...]:
    if type(axes) is list and len(axes) <= MOST_AXES:
        for length in axes:
            if type(length) is not int or not 0 <= length <= LONGEST_AXIS:
                break
        else:
            return tuple(axes)
    raise Damaged(f"{quoted(name)} has no shape that a tensor can have; download it again")


def quoted(name: str) -> str:
    return f"'{shortened(name, 80)}'"
