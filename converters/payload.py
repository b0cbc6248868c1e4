"""What a container holds, before anyone knows what it means: a tree of plain values, with tensors as leaves.

Containers make payloads, formats read them. Nothing in a payload can run: a pickle's classes arrive as plain values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.dtypes import DTYPES
from ..embeddings.embedding import Embedding, Provenance, Vectors
from ..embeddings.errors import MalformedEmbedding
from ..embeddings.names import safe_filename

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..embeddings.dtypes import Buffer
    from .source import Source

Tree: TypeAlias = Any
"""dict (keys str, bytes, int or bool), list, tuple, frozenset, str, bytes, int, float, bool, None, Tensor."""

_NONE: Mapping[str, str] = MappingProxyType({})


class ParameterDict(dict[str, Any]):
    """What a pickled torch.nn.ParameterDict becomes: a dict that remembers it was one."""


@dataclass(frozen=True, slots=True)
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
        leading = [length for length in self.shape[:-1] if length != 1]
        if not self.shape or len(leading) > 1:
            raise MalformedEmbedding(f"{label} has shape {self.shape}, vectors have (number, width)")
        if 0 in self.shape:
            raise MalformedEmbedding(f"{label} has shape {self.shape}, which holds no vector")
        return Vectors(self.dtype, (leading[0] if leading else 1, self.shape[-1]), self.fetch())


@dataclass(frozen=True, slots=True)
class Draft:
    """What a format builds for a container to save: a tree whose leaves are `Vectors`, and text beside it."""

    tree: Tree
    metadata: Mapping[str, str] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
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
        **fields: Any,
    ) -> Embedding:
        """The embedding of this file, its provenance filled in from the file and from `facts`.

        `name` is the trigger where the file itself says it (a diffusers key, a bundle's name). Otherwise it is the
        file's stem, as in every WebUI, and `stored_name`, what the file calls itself, an alias. `facts` are the fields
        beside the vectors (step, sd_checkpoint, sd_checkpoint_name, others), in the file's own names.
        """
        known = {**self.metadata, **facts}
        written_name = known.get("loanword.name")
        stored = (written_name, stored_name, *_stored_aliases(known), *aliases)
        names = tuple(each for each in stored if isinstance(each, str) and each not in ("", "*"))
        trigger = name or _trigger(self.source.stem, names)
        return Embedding(
            name=trigger,
            vectors=vectors,
            aliases=names,
            provenance=Provenance(
                path=self.source.path,
                format=format_key,
                container=self.container,
                step=_integer(known.get("step")),
                checkpoint_name=_text(known.get("sd_checkpoint_name")),
                checkpoint_hash=_text(known.get("sd_checkpoint")),
                metadata={key: value for key, value in _described(known).items() if key not in _FACTS},
                ancestor_sha256=_text(known.get("loanword.original_sha256")),
                content=self.source.content,
            ),
            **fields,
        )


_FACTS = frozenset(
    {"step", "sd_checkpoint", "sd_checkpoint_name", "name", "format"}
    | {"loanword.name", "loanword.aliases", "loanword.original_sha256"}
)


def _trigger(stem: str, names: tuple[str, ...]) -> str:
    """The stem, unless it is only the file-name spelling of a name that the file itself carries."""
    for name in names:
        if not stem or safe_filename(name) == stem:
            return name
    return stem or "embedding"


def _stored_aliases(known: Mapping[str, Any]) -> tuple[str, ...]:
    """Names in the metadata, loanword's own list first."""
    listed = known.get("loanword.aliases")
    try:
        own = tuple(json.loads(listed)) if isinstance(listed, str) else ()
    except (ValueError, RecursionError, TypeError):
        own = ()
    return (known.get("name"), *own, known.get("modelspec.title"), known.get("modelspec.trigger_phrase"))  # type: ignore[return-value]


def _described(known: Mapping[str, Any]) -> dict[str, str]:
    """The facts that are plain values, as text."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in known.items()
        if isinstance(value, (str, int, float, bool))
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if value.isdecimal() and value.isascii() and len(value) < 16 else None
    return value if isinstance(value, int) else None
