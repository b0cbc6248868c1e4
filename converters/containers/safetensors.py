"""safetensors: a length, a JSON header that says where each tensor lies, and the tensors' bytes, without gaps.

The header is checked more strictly than the safetensors library does: a name or a field that occurs twice, an unknown
field or a lone surrogate is refused, since two programs would read two different things. Tensors are read by range.

Source: safetensors 0.8 (format description in its README; `tensor.rs` for dtypes and the order in which it writes);
ModelSpec 1.0.1 for the hash;
Draw Things, `LoRAExporter.swift`, for the hole.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from ...embeddings.embedding import Vectors
from ...embeddings.errors import CannotWrite, Damaged, NotAnEmbedding, Unreadable, UnrecognisedFormat, shortened
from ..container import Container, Opened
from ..payload import Draft, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...embeddings.dtypes import Buffer
    from ..source import Source

METADATA = "__metadata__"
CONTENT_HASH = "modelspec.hash_sha256"
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

HOLE = "loanword.hole"
"""Key of the CLIP-G vectors that Draw Things' SDXL export leaves unnamed; its `clip_g` is then CLIP-L."""
_HOLE_WIDTH, _LABELLED_WIDTH = 1280, 768

_CODES = {name: (rank, code) for rank, (code, (name, _)) in enumerate(DTYPES.items())}
_FIELDS = ("dtype", "shape", "data_offsets")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONG_NUMBER = re.compile(rb"[0-9]{40}")


def open_safetensors(source: Source) -> Opened:
    """The file's tensors by name, in the header's order, and its metadata."""
    header, start = _read_header(source)
    metadata = header.pop(METADATA, None)
    if not header:
        raise NotAnEmbedding("a safetensors file without any tensor; ask its author for another copy")
    tree: dict[str, Tensor] = {}
    places: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        dtype, shape, begin, end = _entry(name, entry)
        tree[name] = Tensor(dtype, shape, partial(source.read, start + begin, end - begin))
        places.append((begin, end, name))
    position = _hole(source, tree, places, start)
    for begin, end, name in places if len(places) == 1 else sorted(places):
        if begin != position:
            raise Damaged(f"{_quoted(name)} starts at byte {begin}, the tensor before ends at {position}; get it again")
        position = end
    if start + position != source.size:
        raise Damaged(f"is {source.size} bytes long, its header describes {start + position}; download it again")
    return Opened(tree, metadata or {})


def save_safetensors(draft: Draft) -> bytes:
    """The bytes that the safetensors library would write for the same tensors; metadata in alphabetical order.

    Where the metadata has an empty CONTENT_HASH, it becomes the SHA-256 of everything behind the header.
    """
    if draft.metadata.get(CONTENT_HASH) == "":
        _, *data = pieces(draft)
        draft = Draft(draft.tree, {**draft.metadata, CONTENT_HASH: f"0x{hashlib.sha256(b''.join(data)).hexdigest()}"})
    return b"".join(pieces(draft))


def pieces(draft: Draft) -> Iterator[Buffer]:
    """The file of `draft` piece by piece: its header, then each tensor's bytes, fetched only when it is its turn."""
    leaves = sorted(_leaves(draft.tree), key=lambda leaf: (-leaf[0], leaf[1]))
    header: dict[str, Any] = {METADATA: _checked_metadata(draft.metadata)} if draft.metadata else {}
    position = 0
    for _, name, code, leaf in leaves:
        end = position + _bytes_of(name, code, leaf.shape)
        header[name] = {"dtype": code, "shape": list(leaf.shape), "data_offsets": [position, end]}
        position = end
    text = _encoded(header)
    yield len(text).to_bytes(8, "little") + text
    for _, name, code, leaf in leaves:
        data = leaf.data if isinstance(leaf, Vectors) else leaf.fetch()
        if len(data) != _bytes_of(name, code, leaf.shape):
            raise Damaged(f"{_quoted(name)} has {len(data)} bytes, {leaf.dtype} of shape {leaf.shape} takes others")
        yield data


def _claims(head: bytes) -> bool:
    """A length below 4 GiB, then the header's opening brace."""
    return head[8:9] == b"{" and head[4:8] == b"\0\0\0\0"


def _read_header(source: Source) -> tuple[dict[str, Any], int]:
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
        header = json.loads(raw.decode())
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
            raise Damaged(f"its header says nothing of use about {_quoted(name)}; download it again")
        if name == METADATA:
            strings += 1 + 2 * len(entry)
            if not all(type(value) is str for value in entry.values()):
                raise Damaged("its metadata holds something other than text; save it again with another program")
        else:
            strings += 5
    if 2 * strings != (_without_escapes(raw) if b"\\" in raw else raw).count(b'"'):
        raise Damaged("its header names something twice or has unknown fields; programs would differ in reading it")
    if HOLE in header:
        raise Damaged(f"a tensor is called {HOLE!r}, a name that loanword keeps for itself; rename it")
    if _SURROGATE.search(raw):
        try:
            json.dumps(header, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Damaged("its header holds half a character (a lone surrogate); save it again") from None


def _without_escapes(raw: bytes) -> bytes:
    """`raw` without escaped backslashes and quotation marks, so that each mark left begins or ends a string."""
    return raw.replace(b"\\\\", b"").replace(b'\\"', b"")


def _entry(name: str, entry: dict[str, Any]) -> tuple[str, tuple[int, ...], int, int]:
    """dtype, shape, begin and end of one tensor, consistent with one another."""
    try:
        code, axes, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise Damaged(f"its header lacks dtype, shape or place of {_quoted(name)}; download it again") from None
    if type(code) is not str or code not in DTYPES:
        raise UnrecognisedFormat(f"{_quoted(name)} is of the unknown dtype {shortened(repr(code), 40)}; convert it")
    if type(begin) is not int or type(end) is not int or begin < 0:
        raise Damaged(f"{_quoted(name)} has no place in the file; download it again")
    dtype, bits = DTYPES[code]
    shape = _shape(name, axes)
    for length in shape:
        bits *= length
    if bits != 8 * (end - begin):
        taken = "more" if bits > 8 * (end - begin) else "fewer"
        raise Damaged(f"{_quoted(name)} has {end - begin} bytes, its shape takes {taken}; download it again")
    return dtype, shape, begin, end


def _shape(name: str, axes: list[Any]) -> tuple[int, ...]:
    if type(axes) is list and len(axes) <= MOST_AXES:
        for length in axes:
            if type(length) is not int or not 0 <= length <= LONGEST_AXIS:
                break
        else:
            return tuple(axes)
    raise Damaged(f"{_quoted(name)} has no shape that a tensor can have; download it again")


def _hole(source: Source, tree: dict[str, Tensor], places: list[tuple[int, int, str]], start: int) -> int:
    """Where the first tensor has to begin: 0, or behind the CLIP-G vectors that Draw Things wrote without a name.

    Its SDXL export describes both of the embedding's tensors under `clip_g`, so the second description, CLIP-L's,
    stands alone, and the first tensor's bytes are there but nothing names them. They join the tree as `HOLE`.
    """
    labelled = tree.get("clip_g")
    if labelled is None or labelled.shape[1:] != (_LABELLED_WIDTH,) or labelled.dtype not in ("float16", "float32"):
        return 0
    begin = min(places)[0]
    rows = labelled.shape[0]
    size = rows * _HOLE_WIDTH * (2 if labelled.dtype == "float16" else 4)
    if begin != size or (begin, "clip_g") not in ((place, name) for place, _, name in places):
        return 0
    tree[HOLE] = Tensor(labelled.dtype, (rows, _HOLE_WIDTH), partial(source.read, start, size))
    return size


def _leaves(tree: dict[Any, Any]) -> Iterator[tuple[int, str, str, Vectors | Tensor]]:
    """Each tensor of a flat tree: the rank of its dtype, its name, its dtype's code, itself."""
    if type(tree) is not dict or not tree:
        raise CannotWrite("safetensors holds named tensors, and there are none; choose another format")
    for name, leaf in tree.items():
        if type(name) is not str or name in (METADATA, HOLE):
            raise CannotWrite(f"safetensors cannot hold a tensor called {shortened(repr(name), 60)}; rename it")
        if not isinstance(leaf, (Vectors, Tensor)):
            raise CannotWrite(f"safetensors holds tensors only, {_quoted(name)} is a {type(leaf).__name__}")
        if leaf.dtype not in _CODES:
            raise CannotWrite(f"safetensors has no dtype {leaf.dtype!r}; convert {_quoted(name)} to another")
        rank, code = _CODES[leaf.dtype]
        yield rank, name, code, leaf


def _bytes_of(name: str, code: str, shape: tuple[int, ...]) -> int:
    bits = DTYPES[code][1]
    for length in shape:
        bits *= length
    if bits % 8:
        raise CannotWrite(f"{_quoted(name)} of {DTYPES[code][0]} does not fill whole bytes")
    return bits // 8


def _checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if type(key) is not str or type(value) is not str:
            raise CannotWrite(f"safetensors' metadata is text, {shortened(repr(key), 60)} is not")
    return dict(sorted(metadata.items()))


def _encoded(header: dict[str, Any]) -> bytes:
    """The header as the library writes it: compact, UTF-8, filled up with spaces to a multiple of 8."""
    try:
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise CannotWrite("a name holds half a character (a lone surrogate), safetensors cannot; rename it") from None
    return text + b" " * (-len(text) % 8)


def _quoted(name: str) -> str:
    return f"'{shortened(name, 80)}'"


CONTAINERS = (
    Container(
        key="safetensors",
        title="safetensors",
        suffixes=(".safetensors",),
        claims=_claims,
        open=open_safetensors,
        save=save_safetensors,
    ),
)
