"""What a container holds, before anyone knows what it means: a tree of plain values, with tensors as leaves.

Containers make payloads, formats read them. Nothing in a payload can run: a pickle's classes arrive as plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.dtypes import DTYPES
from ..embeddings.embedding import Embedding, Provenance, Vectors
from ..embeddings.errors import MalformedEmbedding
from ..embeddings.names import is_generic
from .facts import LONGEST_NAME, provenance_fields, stored_names, trigger_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..embeddings.dtypes import Buffer
    from .source import Source

Tree: TypeAlias = Any
"""dict (keys str, bytes, int or bool), list, tuple, frozenset, str, bytes, int, float, bool, None, Tensor."""

MOST_NUMBERS = 4 * 1024 * 1024
"""In one tensor of vectors; hundreds of vectors of the widest encoder, which no prompt has room for."""

_NONE: Mapping[str, str] = MappingProxyType({})


class ParameterDict(dict[str, Any]):
    """What a pickled torch.nn.ParameterDict becomes: a dict that remembers it was one."""


@dataclass(slots=True)
class Tensor:
    """A tensor whose numbers are read only when `fetch` is called: little-endian, row-major, contiguous.

    `dtype` is torch's name ("float32", but also "int64"); `shape` has any rank, () for a scalar.
    """

    dtype: str
    shape: tuple[int, ...]
    fetch: Callable[[], Buffer]

    @property
    def width(self) -> int:
        """The length of the last axis; 0 for a scalar."""
        return self.shape[-1] if self.shape else 0

    def vectors(self, label: str) -> Vectors:
        """The tensor as (n_vectors, width) rows: of rank 1 or 2, or of a higher rank with only one axis longer than 1.

        Raises MalformedEmbedding, naming `label`, where it is not such a tensor of floating-point numbers.
        """
        if self.dtype not in DTYPES:
            raise MalformedEmbedding(f"{label} is of {self.dtype}, vectors are of floating-point numbers")
        shape = self.shape
        leading = shape[:-1] if len(shape) == 2 else tuple([length for length in shape[:-1] if length != 1])
        if not shape or len(leading) > 1:
            raise MalformedEmbedding(f"{label} has shape {shape}, vectors have (number, width)")
        if 0 in shape:
            raise MalformedEmbedding(f"{label} has shape {shape}, which holds no vector")
        count, width = leading[0] if leading else 1, shape[-1]
        if count * width > MOST_NUMBERS:
            raise MalformedEmbedding(f"{label} has {count:,} vectors, over {MOST_NUMBERS:,} numbers; no embedding has")
        return Vectors(self.dtype, (count, width), self.fetch())


@dataclass(frozen=True, slots=True)
class Draft:
    """What a format builds for a container to save: a tree whose leaves are `Vectors`, and text beside it."""

    tree: Tree
    metadata: Mapping[str, str] = field(default_factory=lambda: _NONE)


@dataclass(slots=True)
class Payload:
    """A container's content, and the file it came from."""

    tree: Tree
    source: Source
    container: str
    metadata: Mapping[str, str] = field(default_factory=lambda: _NONE)
    """The text a container keeps beside its tensors (safetensors' `__metadata__`)."""
    name: str | None = None
    """The trigger that the caller asked for; what makes a bare tensor an embedding."""
    encoder: str | None = None
    """The text encoder that the caller named, for vectors of a width that several have."""

    def embedding(
        self,
        format_key: str,
        vectors: Mapping[str, Vectors],
        *,
        name: str | None = None,
        stored_name: str | None = None,
        aliases: tuple[str, ...] = (),
        facts: Mapping[str, Any] = _NONE,
        warnings: tuple[str, ...] = (),
        **fields: Any,
    ) -> Embedding:
        """The embedding of this file, its provenance filled in from the file and from `facts`.

        `name` is the trigger where the file itself says it (a diffusers key, a bundle's name). Otherwise it is the
        file's stem, as in every WebUI, and `stored_name`, what the file calls itself, an alias. `facts` are the fields
        beside the vectors (step, sd_checkpoint, sd_checkpoint_name, others), in the file's own names.
        """
        if name and len(name) > LONGEST_NAME and not self.name:
            raise MalformedEmbedding(f"is called by {len(name):,} characters; read it with a name: read(path, name=…)")
        known = {**self.metadata, **facts} if self.metadata else facts
        names = stored_names(known, stored_name, aliases) if known or stored_name or aliases else ()
        origin = Provenance(
            path=self.source.path,
            format=format_key,
            container=self.container,
            content=self.source.content,
            **(provenance_fields(known) if known else {}),
        )
        if not (name or names) and is_generic(self.source.stem):
            warnings = (*warnings, f"{self.source.stem!r} is its file's name only; give it a name to call it by")
        trigger = name or trigger_of(self.source.stem, names)
        return Embedding(trigger, vectors, names, provenance=origin, notes=warnings, **fields)
