"""What an embedding is: a trigger word and, for each text encoder it was taught to, one or more vectors."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from .dtypes import DTYPES, Buffer, decode, dtype_named, encode
from .health import health_warnings
from .text_encoders import BASE_MODELS, TEXT_ENCODERS, base_model_of, in_table_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors of one text encoder: `shape` is (n_vectors, width), `data` little-endian numbers, row after row.

    The bytes are those of the file they came from; raises ValueError where they do not fill the shape.
    """

    dtype: str
    shape: tuple[int, int]
    data: Buffer = field(repr=False)

    def __post_init__(self) -> None:
        count, width = self.shape
        if count < 1 or width < 1:
            raise ValueError(f"vectors need at least one row and one column, not {self.shape}")
        if len(self.data) != count * width * dtype_named(self.dtype).itemsize:
            raise ValueError(f"{len(self.data)} bytes do not fill {count} x {width} numbers of {self.dtype}")

    @classmethod
    def from_numpy(cls, array: NDArray[Any], dtype: str = "float32") -> Vectors:
        """Vectors of a (n_vectors, width) or (width,) array, each number rounded to `dtype`."""
        import numpy as np

        rows = np.atleast_2d(array)
        return cls(dtype, (rows.shape[0], rows.shape[1]), encode(rows.reshape(-1), dtype))

    def tobytes(self) -> bytes:
        """The exact bytes: little-endian, row-major."""
        return bytes(self.data)

    def numpy(self) -> NDArray[np.float32]:
        """A new (n_vectors, width) float32 array for mathematics; float64 is rounded, all else is exact."""
        import numpy as np

        with np.errstate(over="ignore"):
            return decode(self.data, self.dtype).astype(np.float32, copy=False).reshape(self.shape)

    def cast(self, dtype: str) -> Vectors:
        """The vectors in another dtype, each number rounded once, to nearest; itself where nothing changes."""
        if dtype == self.dtype:
            return self
        dtype_named(dtype)
        return Vectors(dtype, self.shape, encode(decode(self.data, self.dtype), dtype))

    def rows(self, start: int, stop: int) -> Vectors:
        """The vectors from `start` up to, not including, `stop`."""
        size = self.shape[1] * DTYPES[self.dtype].itemsize
        return Vectors(self.dtype, (stop - start, self.shape[1]), self.data[start * size : stop * size])

    def __reduce__(self) -> tuple[type[Vectors], tuple[Any, ...]]:
        return Vectors, (self.dtype, self.shape, bytes(self.data))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vectors):
            return NotImplemented
        same_kind = self.dtype == other.dtype and self.shape == other.shape
        return same_kind and bytes(self.data) == bytes(other.data)

    def __hash__(self) -> int:
        return hash((self.dtype, self.shape, bytes(self.data)))


@dataclass(frozen=True)
class Provenance:
    """Where an embedding came from, and what its file says of its making."""

    path: str | None = None
    format: str | None = None
    """Key of a format (`loanword.formats()`), such as "a1111"."""
    container: str | None = None
    """Key of a container, such as "torch-zip"."""
    step: int | None = None
    """Training steps done."""
    checkpoint_name: str | None = None
    checkpoint_hash: str | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """What else the author wrote, as in the file."""
    ancestor_sha256: str | None = None
    """SHA-256 of the file that this one says it was converted from."""
    content: Buffer | None = field(default=None, repr=False, compare=False)
    """The whole file, where it was small enough to be read at once."""

    def __post_init__(self) -> None:
        if self.metadata is not _EMPTY:
            object.__setattr__(self, "metadata", _frozen(self.metadata))

    @functools.cached_property
    def sha256(self) -> str | None:
        """SHA-256 of the file itself; None where only parts of a large file were read."""
        return hashlib.sha256(self.content).hexdigest() if self.content is not None else None

    @property
    def original_sha256(self) -> str | None:
        """SHA-256 of the file as its author published it, through any number of conversions."""
        return self.ancestor_sha256 or self.sha256

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (Provenance, {**_fields(self), "content": None, "ancestor_sha256": self.original_sha256})


@dataclass(frozen=True)
class Embedding:
    """A word that a model was taught, as every format tells it. Immutable: a change is a new object.

    `vectors` maps the keys of `TEXT_ENCODERS` to input-space vectors, in the base model's order. `output_vectors`
    holds OneTrainer's output-space vectors, which replace what the encoder returns: never use one for the other.
    `layer_vectors` holds per-layer embeddings (XTI, ED-LoRA) by layer: those are no multi-vector embeddings.
    Raises ValueError where a key is unknown, a width is not the encoder's, or there are no vectors at all.
    """

    name: str
    """The trigger: what its users type."""
    vectors: Mapping[str, Vectors] = field(default_factory=lambda: _EMPTY)
    aliases: tuple[str, ...] = ()
    """Other names it is known by; the name stored in the file first."""
    output_vectors: Mapping[str, Vectors] = field(default_factory=lambda: _EMPTY)
    layer_vectors: Mapping[str, Vectors] = field(default_factory=lambda: _EMPTY)
    provenance: Provenance = field(default_factory=Provenance, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What its reader found to be wrong with it, a sentence each; `warnings` adds what its numbers show."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("an embedding needs a name")
        object.__setattr__(self, "vectors", _in_order(self.vectors))
        if self.output_vectors is not _EMPTY:
            object.__setattr__(self, "output_vectors", _in_order(self.output_vectors))
        if self.layer_vectors is not _EMPTY:
            object.__setattr__(self, "layer_vectors", _frozen(self.layer_vectors))
        if self.aliases:
            object.__setattr__(self, "aliases", _distinct(self.aliases, self.name))
        if not (self.vectors or self.output_vectors or self.layer_vectors):
            raise ValueError(f"embedding {self.name!r} has no vectors")

    @property
    def base_model(self) -> str | None:
        """Key of the base model its text encoders belong to; None where they leave that open."""
        if self.layer_vectors:
            return "sd1"
        return base_model_of(
            (*self.vectors, *self.output_vectors), self.provenance.metadata.get("modelspec.architecture")
        )

    @property
    def tokens(self) -> int:
        """How many tokens of a prompt it takes: its most vectors in any one encoder."""
        return max((vectors.shape[0] for vectors in (*self.vectors.values(), *self.output_vectors.values())), default=1)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything known to be wrong with it, a sentence each."""
        return (*self.notes, *health_warnings(self))

    def renamed(self, name: str) -> Embedding:
        """The same embedding under another trigger; the old one becomes an alias."""
        return self.replace(name=name, aliases=(self.name, *self.aliases)) if name != self.name else self

    def cast(self, dtype: str) -> Embedding:
        """The same embedding with every vector in another dtype."""
        return self.replace(
            **{
                kind: {key: vectors.cast(dtype) for key, vectors in getattr(self, kind).items()}
                for kind in ("vectors", "output_vectors", "layer_vectors")
            }
        )

    def replace(self, **changes: Any) -> Embedding:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def __str__(self) -> str:
        where = ", ".join(f"{key} {v.shape[0]} x {v.shape[1]} {v.dtype}" for key, v in self.vectors.items())
        model = BASE_MODELS[self.base_model].title if self.base_model else "base model unknown"
        return f"{self.name} ({model}; {where or 'no input vectors'})"

    def __hash__(self) -> int:
        return hash((self.name, *self.vectors.items(), *self.output_vectors.items(), *self.layer_vectors.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (Embedding, _fields(self))


def _in_order(vectors: Mapping[str, Vectors]) -> Mapping[str, Vectors]:
    """`vectors`, read-only and in the table's order; raises ValueError for an unknown key or a wrong width."""
    for key, value in vectors.items():
        encoder = TEXT_ENCODERS.get(key)
        if encoder is None:
            raise ValueError(f"no text encoder is called {key!r}")
        if value.shape[1] != encoder.width:
            raise ValueError(f"{key} is {value.shape[1]} wide, {encoder.title} takes {encoder.width}")
    if len(vectors) > 1:
        vectors = {key: vectors[key] for key in in_table_order(vectors)}
    return _frozen(vectors)


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping if isinstance(mapping, MappingProxyType) else MappingProxyType(dict(mapping))


def _distinct(names: Iterable[str], known: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([name for name in names if name and name != known]))


def _fields(value: Embedding | Provenance) -> dict[str, Any]:
    """The fields of `value` with plain dicts for the read-only mappings, which cannot be pickled."""
    return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}


def _plain(item: Any) -> Any:
    return {**cast("Mapping[str, Any]", item)} if isinstance(item, MappingProxyType) else item


def _rebuilt(kind: type[Any], fields: dict[str, Any]) -> Any:
    return kind(**fields)
