"""What a format cannot hold, and the sentence that says so: each function gives what it can, or raises CannotWrite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..embeddings.errors import CannotWrite, FileError, shortened
from .format import recognised
from .payload import Payload
from .source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..embeddings.embedding import Embedding, Vectors
    from .payload import Draft


def the_only(embeddings: Sequence[Embedding], title: str) -> Embedding:
    """The embedding, where there is one."""
    if len(embeddings) != 1:
        raise CannotWrite(f"{title} holds one embedding, not {len(embeddings)}; write each to a file of its own")
    return embeddings[0]


def no_layers(embedding: Embedding, title: str) -> Embedding:
    """The embedding, where it has no vectors per layer."""
    if embedding.layer_vectors:
        raise CannotWrite(
            f"{quoted(embedding)} has vectors per layer, which {title} cannot hold; keep the format it is in"
        )
    return embedding


def input_vectors(embedding: Embedding, title: str) -> Mapping[str, Vectors]:
    """The vectors of an embedding that has no others than input-space ones."""
    no_layers(embedding, title)
    if embedding.output_vectors:
        raise CannotWrite(
            f"{quoted(embedding)} has output-space vectors, which {title} cannot hold; write format onetrainer"
        )
    return embedding.vectors


def one_encoder(embedding: Embedding, title: str, instead: str = "format comfyui") -> tuple[str, Vectors]:
    """Key and vectors of the encoder, where there is one."""
    vectors = input_vectors(embedding, title)
    if len(vectors) != 1:
        has = f"{quoted(embedding)} has vectors for {' + '.join(vectors)}"
        raise CannotWrite(f"{has}, which {title} cannot hold together; write {instead}")
    return next(iter(vectors.items()))


def just(embedding: Embedding, title: str, *choices: tuple[str, ...]) -> Mapping[str, Vectors]:
    """The vectors, where they are for one of the `choices` of encoders."""
    vectors = input_vectors(embedding, title)
    if tuple(vectors) not in choices:
        has = f"{quoted(embedding)} has vectors for {' + '.join(vectors)}"
        takes = ", ".join(" + ".join(choice) for choice in choices)
        raise CannotWrite(f"{has}, which {title} cannot hold; it holds those for {takes}")
    return vectors


def one_vector(embedding: Embedding, title: str) -> None:
    """Nothing, where the embedding has one vector for each of its encoders."""
    count = max(vectors.shape[0] for vectors in embedding.vectors.values())
    if count > 1:
        has = f"{quoted(embedding)} has {count} vectors"
        raise CannotWrite(f"{has}, of which {title} can hold one; write format diffusers or comfyui")


def equally_many(embedding: Embedding, title: str) -> int:
    """The number of vectors, where every encoder has the same."""
    counts = {key: vectors.shape[0] for key, vectors in embedding.vectors.items()}
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"{key} {count}" for key, count in counts.items())
        has = f"{quoted(embedding)} has unequal numbers of vectors ({listed})"
        raise CannotWrite(f"{has}, which {title} cannot hold; write format comfyui")
    return next(iter(counts.values()))


def one_dtype(embedding: Embedding, title: str) -> str:
    """The dtype, where every encoder's vectors have the same."""
    dtypes = {vectors.dtype for vectors in embedding.vectors.values()}
    if len(dtypes) != 1:
        listed = ", ".join(sorted(dtypes))
        raise CannotWrite(f"{quoted(embedding)} has vectors of {listed}, {title} holds those of one dtype; name one")
    return dtypes.pop()


def distinct_names(embeddings: Sequence[Embedding], title: str) -> None:
    """Nothing, where no two names are the same and there is at least one."""
    if not embeddings:
        raise CannotWrite(f"{title} needs at least one embedding; name some")
    seen: set[str] = set()
    for embedding in embeddings:
        if embedding.name in seen:
            raise CannotWrite(f"two embeddings are called {quoted(embedding)}, {title} tells them by name; rename one")
        seen.add(embedding.name)


def read_as(format_key: str, draft: Draft) -> Draft:
    """The draft of a file of tensors called by their embeddings' names, where no name makes it another file."""
    try:
        meaning = recognised(Payload(draft.tree, Source(None, 0), "", draft.metadata))
    except FileError as error:
        reason = error.message
    else:
        if meaning.key == format_key:
            return draft
        reason = f"a file of {meaning.title}"
    names = ", ".join(shortened(repr(name), 80) for name in list(draft.tree)[:3])
    raise CannotWrite(f"with tensors called {names} the file would be read as {reason}; rename the embeddings")


def quoted(embedding: Embedding) -> str:
    """The embedding's name as messages show it."""
    return shortened(repr(embedding.name), 80)
