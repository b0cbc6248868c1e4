"""There and back in memory: whether a conversion keeps every byte and every fact of an embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .files import read_all
from .writing import read_back, render, with_original_hash

if TYPE_CHECKING:
    from ..embeddings.embedding import Embedding
    from .source import Readable


@dataclass(frozen=True)
class Verification:
    """What came of writing a file's embeddings and reading them back: the differences, a sentence each."""

    embeddings: tuple[Embedding, ...]
    files: tuple[str, ...]
    """Names of the files that the conversion makes."""
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every vector's bytes, every name and every fact survived."""
        return not self.differences


def verify(
    source: Readable,
    *,
    format: str | None = None,  # noqa: A002  # the word that users know
    target: str | None = None,
    container: str | None = None,
    name: str | None = None,
    encoder: str | None = None,
) -> Verification:
    """Convert a file in memory, read the result, and compare both embedding by embedding.

    Raises what `read_all` and `render` raise.
    """
    before = [with_original_hash(each) for each in read_all(source, name=name, encoder=encoder)]
    files = render(before, format=format, target=target, container=container)
    after: dict[str, list[Embedding]] = {}
    for file in files:
        for original, found in zip(file.embeddings, read_back(file), strict=False):
            after.setdefault(original.name, []).append(found)
    differences = [each for original in before for each in _differences(original, after.get(original.name, []))]
    return Verification(tuple(before), tuple(file.name for file in files), tuple(differences))


def _differences(before: Embedding, found: list[Embedding]) -> list[str]:
    """What of `before` the embeddings that were read back, one for each file it became, do not say."""
    if not found:
        return [f"{before.name!r} was not read back at all"]
    lost = [
        f"{before.name!r}: {label} changed"
        for kind in ("vectors", "output_vectors", "layer_vectors")
        for label, vectors in getattr(before, kind).items()
        if vectors not in [getattr(each, kind).get(label) for each in found]
    ]
    after = found[0]
    names = {each for one in found for each in (one.name, *one.aliases)}
    lost += [
        f"{before.name!r}: the name {name!r} is lost" for name in (before.name, *before.aliases) if name not in names
    ]
    for fact in ("step", "checkpoint_name", "checkpoint_hash", "original_sha256"):
        if (value := getattr(before.provenance, fact)) not in (None, getattr(after.provenance, fact)):
            lost.append(f"{before.name!r}: {fact.replace('_', ' ')} {value!r} is lost")
    kept = after.provenance.metadata
    lost += [
        f"{before.name!r}: the author's {key!r} is lost"
        for key, value in before.provenance.metadata.items()
        if kept.get(key) != value
    ]
    return lost
