"""Everything that may be loaded, brought into one form: paths, repositories, state dicts, tensors, embeddings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..converters.files import opened_payload, read_all
from ..converters.folders import members_of
from ..converters.format import recognised
from ..converters.payload import Payload, Tensor
from ..converters.source import open_source
from ..embeddings.embedding import Embedding, Vectors
from ..embeddings.errors import CannotLoad, FileError
from ..embeddings.text_encoders import encoders_of_width
from .hub import HubOptions, local_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..converters.source import Readable

Source: TypeAlias = Any
"""A path, a repository's id, a state dict, a tensor, an Embedding, or a list of these."""

ANY = ""
"""The key of vectors of which only the width is known."""


@dataclass(frozen=True)
class Incoming:
    """An embedding on its way into a pipeline: its vectors by encoder key, or under ANY."""

    name: str
    vectors: Mapping[str, Vectors]
    aliases: tuple[str, ...] = ()
    path: str | None = None
    refusal: str | None = None
    """Why it can be loaded into no pipeline."""
    synonyms: tuple[str, ...] = ()
    """Other triggers."""

    def row(self, position: int, name: str) -> Incoming:
        """The embedding `name` that is this one's vector at `position`."""
        rows = {key: vectors.rows(position, position + 1) for key, vectors in self.vectors.items()}
        return replace(self, name=name, vectors=rows, aliases=())

    def renamed(self, name: str) -> Incoming:
        """The same under another trigger; the old one becomes an alias."""
        return replace(self, name=name, aliases=(self.name, *self.aliases)) if name != self.name else self


def read_sources(source: Source, token: str | Sequence[str | None] | None, options: HubOptions) -> list[Incoming]:
    """All that `source` holds, under the triggers in `token` where there are any.

    Raises FileErrors for what cannot be read, CannotLoad where sources and triggers do not fit together.
    """
    if not isinstance(source, (list, tuple)):
        return _read_one(source, [token] if isinstance(token, str) else list(token or ()), options)
    sources: list[Source] = list(cast("Sequence[Source]", source))
    tokens = [token] if isinstance(token, str) else list(token or [None] * len(sources))
    _check_distinct([each for each in tokens if each is not None])
    if len(sources) == 1:
        return _read_one(sources[0], [each for each in tokens if each is not None], options)
    if len(tokens) != len(sources):
        raise CannotLoad(f"{len(sources)} embeddings and {len(tokens)} tokens were passed; pass one token for each")
    pairs = zip(sources, tokens, strict=True)
    return [each for one, name in pairs for each in _read_one(one, [name] if name is not None else [], options)]


def _read_one(source: Source, tokens: Sequence[str | None], options: HubOptions) -> list[Incoming]:
    names = [token for token in tokens if token is not None]
    _check_distinct(names)
    found = list(_found_in(source, names, options))
    if not names:
        return found
    if len(found) == len(names):
        return [each.renamed(name) for each, name in zip(found, names, strict=True)]
    counts = {vectors.shape[0] for vectors in found[0].vectors.values()}
    if len(found) == 1 and counts == {len(names)}:
        return [found[0].row(position, name) for position, name in enumerate(names)]
    held = f"{len(found)} embeddings" if len(found) > 1 else f"one embedding of {max(counts)} vectors"
    raise CannotLoad(f"{len(names)} tokens were passed for {held}; pass one for each embedding, or one for each vector")


def _check_distinct(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise CannotLoad(f"the tokens {names} hold duplicates; pass a different one for each embedding")


def _found_in(source: Source, names: list[str], options: HubOptions) -> Iterator[Incoming]:
    if isinstance(source, Embedding):
        yield of_embedding(source)
    elif isinstance(source, Mapping):
        tree = _tree(cast("Mapping[Any, Any]", source))
        yield from _of_tree(tree, names)
    elif hasattr(source, "shape") and hasattr(source, "dtype"):
        if not names:
            raise CannotLoad("a tensor has no name of its own; pass token= with the word that it is to be called by")
        yield Incoming(names[0], {ANY: _tree(source).vectors("the tensor")})
    elif isinstance(source, (str, os.PathLike)):
        yield from _of_path(local_path(cast("str | os.PathLike[str]", source), options), names)
    elif isinstance(source, (bytes, bytearray, memoryview)) or hasattr(source, "read"):
        stream = cast("Readable", source)
        yield from map(of_embedding, read_all(stream, name=names[0] if len(names) == 1 else None))
    else:
        raise CannotLoad(f"{type(source).__name__} is nothing that holds an embedding; pass a path or an Embedding")


def _of_path(path: str, names: list[str]) -> Iterator[Incoming]:
    for each in _files_of(path):
        try:
            found = read_all(each, name=names[0] if len(names) == 1 else None)
        except FileError as error:
            plain = _plain_in(each, names)
            if plain is None:
                raise error from None
            yield plain
        else:
            yield from map(of_embedding, found)


def _files_of(path: str) -> list[str]:
    try:
        return members_of(path) if os.path.isdir(path) else [path]
    except FileError as error:
        error.path = error.path or path
        raise


def _plain_in(path: str, names: list[str]) -> Incoming | None:
    """The embedding of a file whose only fault is a width that no text encoder of the tables has."""
    try:
        with opened_payload(path) as payload:
            plain = _of_unknown_width(payload.tree, names)
    except FileError:
        return None
    return replace(plain, path=path) if plain else None


def _of_tree(tree: Any, names: list[str]) -> Iterator[Incoming]:
    """The embeddings of a state dict in any format, as if it had been a file without a name."""
    payload = Payload(tree, open_source(b"", None), "torch-zip", name=names[0] if len(names) == 1 else None)
    try:
        found = recognised(payload).parse(payload)
    except FileError:
        plain = _of_unknown_width(tree, names)
        if plain is None:
            raise
        yield plain
        return
    for each in found:
        if each.name == "embedding" and not names:
            raise CannotLoad("the state dict does not say what it is called; pass token= with the word for it")
        yield of_embedding(each)


def of_embedding(embedding: Embedding) -> Incoming:
    """An embedding as it is, or with the reason why no pipeline can take it."""
    return Incoming(
        embedding.name,
        embedding.vectors,
        embedding.aliases,
        embedding.provenance.path,
        _refusal(embedding),
    )


def _refusal(embedding: Embedding) -> str | None:
    if embedding.layer_vectors:
        return (
            "has other vectors for every layer of the U-Net, which a prompt cannot give; use the code that it is from"
        )
    if embedding.output_vectors:
        keys = ", ".join(embedding.output_vectors)
        return f"has output-space vectors ({keys}), which replace what a text encoder returns; use OneTrainer for it"
    return None


def _of_unknown_width(tree: Any, names: list[str]) -> Incoming | None:
    """A single tensor under its token, or A1111's tree, of a width that no text encoder of the tables has."""
    if not isinstance(tree, dict):
        return None
    known = cast("dict[Any, Any]", tree)
    params: Any = known.get("string_to_param")
    token, tensor = None, None
    if isinstance(params, dict) and len(cast("dict[Any, Any]", params)) == 1:
        token, tensor = known.get("name"), next(iter(cast("dict[Any, Any]", params).values()))
    elif len(known) == 1:
        token, tensor = next(iter(known.items()))
    if not isinstance(tensor, Tensor) or encoders_of_width(tensor.width):
        return None
    name = names[0] if len(names) == 1 else token
    return Incoming(name, {ANY: tensor.vectors(name)}) if isinstance(name, str) and name else None


def _tree(value: Any) -> Any:
    """Tensors and arrays as the readers know them, wherever they are in `value`."""
    if isinstance(value, Mapping):
        return {key: _tree(each) for key, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_tree(each) for each in cast("Sequence[Any]", value)]
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        return value
    if not value.shape:
        return value.item()
    dtype = str(value.dtype).removeprefix("torch.")
    return Tensor(dtype, tuple(map(int, value.shape)), partial(_bytes_of, value))


def _bytes_of(tensor: Any) -> bytes:
    """The numbers of a tensor or an array, little-endian, row after row."""
    if not hasattr(tensor, "detach"):
        return tensor.tobytes()
    import torch

    plain = tensor.detach().to("cpu").contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy().tobytes()
