"""Files whose tensors are named after the text encoders they belong to, in any program's spelling.

`<key>_out` are OneTrainer's output-space vectors. Beside them it writes zeros under `<key>`, which are nobody's
vectors; other programs load those zeros without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..embeddings.dtypes import all_zero
from ..embeddings.errors import MalformedEmbedding
from ..embeddings.text_encoders import TEXT_ENCODERS, encoder_spelled, widths_of
from .payload import Tensor
from .trees import is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from ..embeddings.embedding import Embedding, Vectors
    from .payload import Payload

OUT = "_out"

SPELLINGS = frozenset(spelling for encoder in TEXT_ENCODERS.values() for spelling in (encoder.key, *encoder.synonyms))
"""Every name that some program has for a text encoder's vectors."""

COG_SPELLINGS = frozenset(spelling for spelling in SPELLINGS if spelling.startswith("text_encoder"))
"""The names by pipeline position, which pivotal tuning uses."""

WORDS = frozenset(("llama", "gemma", "gemma2", "gemma3", "lyrics", "prior"))
"""Spellings that are also words, which somebody may have taught a model: there the width decides."""


@dataclass(frozen=True)
class Parts:
    """The vectors of one embedding by encoder, input-space and output-space, and what is odd about them."""

    vectors: dict[str, Vectors]
    output_vectors: dict[str, Vectors]
    warnings: tuple[str, ...]

    def embedding(self, payload: Payload, format_key: str, **fields: Any) -> Embedding:
        """The embedding that these are the vectors of; `fields` as for `Payload.embedding`."""
        warnings = (*self.warnings, *fields.pop("warnings", ()))
        return payload.embedding(
            format_key, self.vectors, output_vectors=self.output_vectors, warnings=warnings, **fields
        )


def only_keys(tree: Mapping[Any, Any], keys: AbstractSet[str], *, outputs: bool = False) -> bool:
    """Whether the tensors of a flat dict are all named in `keys` (`outputs`: or so with `_out`), and there are some."""
    tensors = 0
    for key, value in tree.items():
        if type(value) is Tensor:
            spelling = _without_out(key) if outputs else key
            if spelling not in keys or (spelling in WORDS and encoder_spelled(spelling, value.width) is None):
                return False
            tensors += 1
        elif not is_plain(value):
            return False
    return tensors > 0


def by_encoder(tensors: Mapping[str, Tensor], conventions: Mapping[tuple[str, int], str] | None = None) -> Parts:
    """The tensors' vectors under the encoders' keys; raises MalformedEmbedding where a width is not the encoder's.

    `conventions` maps (spelling, width) to an encoder where one program's spelling differs from all others'.
    """
    vectors: dict[str, Vectors] = {}
    output_vectors: dict[str, Vectors] = {}
    for key, tensor in tensors.items():
        encoder = _encoder(key, _without_out(key), tensor.width, conventions or {})
        place = output_vectors if key.endswith(OUT) else vectors
        if encoder in place:
            raise MalformedEmbedding(f"{key!r} is a second tensor for {encoder}, an embedding has one; split the file")
        place[encoder] = tensor.vectors(key)
    if not vectors and not output_vectors:
        raise MalformedEmbedding("has no tensors under the keys of its text encoders; get it again")
    twins = [key for key in output_vectors if key in vectors and all_zero(vectors[key].data)]
    for key in twins:
        del vectors[key]
    return Parts(vectors, output_vectors, tuple(_oddities(vectors, output_vectors, twins)))


def _encoder(label: str, spelling: str, width: int, conventions: Mapping[tuple[str, int], str]) -> str:
    if (spelling, width) in conventions:
        return conventions[spelling, width]
    if encoder := encoder_spelled(spelling, width):
        return encoder.key
    needed = widths_of(spelling)
    if not needed:
        raise MalformedEmbedding(f"{label!r} names no known text encoder; rename the tensor to one's key")
    right = [f"{each} ({encoder.title})" for each in needed if (encoder := encoder_spelled(spelling, each))]
    raise MalformedEmbedding(f"{label} is {width} wide, it should be {', '.join(right)}")


def _oddities(vectors: Mapping[str, Vectors], output_vectors: Mapping[str, Vectors], twins: list[str]) -> list[str]:
    found: list[str] = []
    if twins:
        found.append(f"the zeros beside the output-space vectors of {', '.join(twins)} are no vectors and are left out")
    counts = {key: each.shape[0] for key, each in (*vectors.items(), *output_vectors.items())}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{key} {count}" for key, count in counts.items())
        found.append(f"its encoders have unequal numbers of vectors ({listed}), which most programs misread")
    if "clip_g" in vectors and all_zero(vectors["clip_g"].data):
        found.append("clip_g is all zeros, as in SD 1.x embeddings converted to SDXL: only CLIP-L was ever trained")
    return found


def _without_out(key: Any) -> Any:
    return key[: -len(OUT)] if isinstance(key, str) and key.endswith(OUT) else key
