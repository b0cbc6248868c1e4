"""safetensors: a length, a JSON header that says where each tensor lies, and the tensors' bytes, without gaps.

Tensors are read by range: of a large file only the header and what is fetched. Written is what the library writes.

Source: safetensors 0.8, format description in its README, and `tensor.rs`; ModelSpec 1.0.1 for the hash; Draw Things,
`LoRAExporter.swift`, for the hole.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ...embeddings.embedding import Vectors
from ...embeddings.errors import CannotWrite, Damaged, NotAnEmbedding, shortened
from ..container import Container, Opened
from ..payload import Draft, Tensor
from ..safetensors_header import DTYPES, METADATA, entry_of, quoted, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...embeddings.dtypes import Buffer
    from ..source import Source

CONTENT_HASH = "modelspec.hash_sha256"
HOLE = "loanword.hole"
"""Key of the CLIP-G vectors that Draw Things' SDXL export leaves unnamed; its `clip_g` is then CLIP-L."""
_HOLE_WIDTH, _LABELLED_WIDTH = 1280, 768

_Leaf: TypeAlias = "tuple[int, str, str, Vectors | Tensor]"
"""The rank of a tensor's dtype in a file, its name, its dtype's code, itself."""

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_CODES = {name: (rank, code) for rank, (code, (name, _)) in enumerate(DTYPES.items())}


def open_safetensors(source: Source) -> Opened:
    """The file's tensors by name, in the header's order, and its metadata."""
    header, start = read_header(source)
    metadata = header.pop(METADATA, None)
    if not header:
        raise NotAnEmbedding("a safetensors file without any tensor; ask its author for another copy")
    if HOLE in header:
        raise Damaged(f"a tensor is called {HOLE!r}, a name that loanword keeps for itself; rename it")
    tree: dict[str, Tensor] = {}
    places: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        dtype, shape, begin, end = entry_of(name, entry)
        tree[name] = Tensor(dtype, shape, partial(source.read, start + begin, end - begin))
        places.append((begin, end, name))
    position = _hole(source, tree, places, start)
    for begin, end, name in places if len(places) == 1 else sorted(places):
        if begin != position:
            raise Damaged(f"{quoted(name)} starts at byte {begin}, the tensor before ends at {position}; get it again")
        position = end
    if start + position != source.size:
        raise Damaged(f"is {source.size} bytes long, its header describes {start + position}; download it again")
    return Opened(tree, metadata or {})


def save_safetensors(draft: Draft) -> bytes:
    """The bytes that the safetensors library would write for the same tensors; metadata in alphabetical order.

    Where the metadata has an empty CONTENT_HASH, it becomes the SHA-256 of everything behind the header.
    """
    leaves = _laid_out(draft.tree)
    data = [_data_of(*leaf) for leaf in leaves]
    metadata = draft.metadata
    if metadata.get(CONTENT_HASH) == "":
        digest = hashlib.sha256()
        for each in data:
            digest.update(each)
        metadata = {**metadata, CONTENT_HASH: f"0x{digest.hexdigest()}"}
    return b"".join([_header(leaves, metadata), *data])


def pieces(draft: Draft) -> Iterator[Buffer]:
    """The file of `draft` piece by piece: its header, then each tensor's bytes, fetched only when it is its turn."""
    leaves = _laid_out(draft.tree)
    yield _header(leaves, draft.metadata)
    for leaf in leaves:
        yield _data_of(*leaf)


def _laid_out(tree: dict[Any, Any]) -> list[_Leaf]:
    """The tensors in the order of the file."""
    leaves = list(_leaves(tree))
    return sorted(leaves, key=lambda leaf: (-leaf[0], leaf[1])) if len(leaves) > 1 else leaves


def _header(leaves: list[_Leaf], metadata: Mapping[str, str]) -> bytes:
    """The file's beginning: the header's length and the header."""
    header: dict[str, Any] = {METADATA: _checked_metadata(metadata)} if metadata else {}
    position = 0
    for _, name, code, leaf in leaves:
        end = position + _bytes_of(name, code, leaf.shape)
        header[name] = {"dtype": code, "shape": list(leaf.shape), "data_offsets": [position, end]}
        position = end
    text = _encoded(header)
    return len(text).to_bytes(8, "little") + text


def _data_of(_: int, name: str, code: str, leaf: Vectors | Tensor) -> Buffer:
    data = leaf.data if isinstance(leaf, Vectors) else leaf.fetch()
    if len(data) != _bytes_of(name, code, leaf.shape):
        raise Damaged(f"{quoted(name)} has {len(data)} bytes, {leaf.dtype} of shape {leaf.shape} takes others")
    return data


def _claims(head: bytes) -> bool:
    """A length below 4 GiB, then the header's opening brace."""
    return head[8:9] == b"{" and head[4:8] == b"\0\0\0\0"


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


def _leaves(tree: dict[Any, Any]) -> Iterator[_Leaf]:
    """Each tensor of a flat tree."""
    if type(tree) is not dict or not tree:
        raise CannotWrite("safetensors holds named tensors, and there are none; choose another format")
    for name, leaf in tree.items():
        if type(name) is not str or name in (METADATA, HOLE):
            raise CannotWrite(f"safetensors cannot hold a tensor called {shortened(repr(name), 60)}; rename it")
        if not isinstance(leaf, (Vectors, Tensor)):
            raise CannotWrite(f"safetensors holds tensors only, {quoted(name)} is a {type(leaf).__name__}")
        if leaf.dtype not in _CODES:
            raise CannotWrite(f"safetensors has no dtype {leaf.dtype!r}; convert {quoted(name)} to another")
        rank, code = _CODES[leaf.dtype]
        yield rank, name, code, leaf


def _bytes_of(name: str, code: str, shape: tuple[int, ...]) -> int:
    bits = DTYPES[code][1]
    for length in shape:
        bits *= length
    if bits % 8:
        raise CannotWrite(f"{quoted(name)} of {DTYPES[code][0]} does not fill whole bytes")
    return bits // 8


def _checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if type(key) is not str or type(value) is not str:
            raise CannotWrite(f"safetensors' metadata is text, {shortened(repr(key), 60)} is not")
    return dict(sorted(metadata.items()))


def _encoded(header: dict[str, Any]) -> bytes:
    """The header as the library writes it: compact, UTF-8, filled up with spaces to a multiple of 8."""
    try:
        text = _JSON.encode(header).encode()
    except UnicodeEncodeError:
        raise CannotWrite("a name holds half a character (a lone surrogate), safetensors cannot; rename it") from None
    return text + b" " * (-len(text) % 8)


CONTAINERS = (
    Container(
        key="safetensors",
        title="safetensors",
        suffixes=(".safetensors",),
        claims=_claims,
        open=open_safetensors,
        save=save_safetensors,
        pieces=pieces,
    ),
)
