"""Embeddings to files: first the bytes of every file, then the files, each whole and checked before it has its name.

`render` makes bytes and touches no disk; `write` and `convert` put them there. What is written is read back, parsed by
loanword's own reader and compared before it gets its name; an original is never replaced.
"""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..embeddings.dtypes import dtype_named
from ..embeddings.embedding import Embedding
from ..embeddings.errors import CannotWrite, Damaged, LoanwordError
from ..embeddings.names import safe_filename
from ..embeddings.text_encoders import BASE_MODELS
from .atomic import AlreadyThere, is_there, remove, write_atomic
from .container import container_named, known_suffixes
from .files import read_all, read_bytes
from .folders import concept_files
from .format import all_formats, format_named
from .metadata import metadata_of
from .payload import Draft
from .places import folder_of, is_url, joined, name_of
from .remote import RemoteFile
from .source import open_source
from .targets import target_named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from .container import Container
    from .format import Format
    from .source import Readable
    from .targets import Target

Destination: TypeAlias = "str | os.PathLike[str]"
Written: TypeAlias = "Path | RemoteFile"
"""Where something was written; a RemoteFile behind a URL."""

CONCEPT_FOLDER = "folder"
"""Stands where a container's key would: a concept's folder, as the sd-concepts-library keeps them."""

USUAL_FORMATS = {
    ".safetensors": ("kohya", "comfyui", "onetrainer", "xti"),
    ".pt": ("a1111", "comfyui", "onetrainer", "xti", "mix-of-show"),
    ".bin": ("diffusers",),
    ".npy": ("diffusers-1d", "diffusers"),
    ".pdparams": ("diffusers-1d", "diffusers"),
    ".png": ("a1111",),
    ".webp": ("a1111",),
}
"""Suffix -> the formats it is usual for; the first that can hold an embedding is taken where none is named."""


_BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True)
class Rendered:
    """A file still to be written: its path below the destination, its bytes, and the embeddings in it."""

    name: str
    content: bytes
    format: str
    container: str
    embeddings: tuple[Embedding, ...] = ()


@dataclass(frozen=True)
class Form:
    """What the caller says of the files to be made; None where the usual will do."""

    format: str | None = None
    target: str | None = None
    container: str | None = None
    dtype: str | None = None
    stem: str | None = None
    suffix: str | None = None


def render(
    embeddings: Embedding | Iterable[Embedding],
    *,
    format: str | None = None,  # noqa: A002  # the word that users know
    target: str | None = None,
    container: str | None = None,
    dtype: str | None = None,
) -> list[Rendered]:
    """The files that `write` would put into a folder, without writing them.

    `target` names a program (TARGETS) and decides everything; otherwise `format` and `container` do, or the usual
    ones for the embedding. `dtype` rounds every number to that type. Raises CannotWrite where the format or the
    program cannot hold an embedding, UnknownName where there is no such format, program, container or dtype.
    """
    return _rendered(embeddings, Form(format, target, container, dtype))


def write(
    embeddings: Embedding | Iterable[Embedding],
    destination: Destination,
    *,
    format: str | None = None,  # noqa: A002
    target: str | None = None,
    container: str | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
    durable: bool = True,
) -> list[Written]:
    """Write embeddings to a file, or into a folder under file names made of their names; returns the paths.

    A destination with the suffix of a known container is a file; any other is a folder, made where it is missing.
    Everything is rendered before anything is written. Raises what `render` raises, and CannotWrite where a file is
    there already (unless `overwrite`) or the disk refuses. `durable=False` leaves it to the caller to have the disk
    flushed (`atomic.flush`), once for many.
    """
    folder, form = _placed(destination, Form(format, target, container, dtype))
    return [*map(_written, put(_rendered(embeddings, form), folder, overwrite=overwrite, durable=durable))]


def convert(
    source: Readable,
    destination: Destination,
    *,
    format: str | None = None,  # noqa: A002
    target: str | None = None,
    container: str | None = None,
    dtype: str | None = None,
    name: str | None = None,
    encoder: str | None = None,
    overwrite: bool = False,
    durable: bool = True,
) -> list[Written]:
    """Read a file and write its embeddings, as `read_all` and `write` do; the original's SHA-256 goes along.

    Raises what they raise, and CannotWrite where the result would replace the original.
    """
    folder, files = plan(source, destination, Form(format, target, container, dtype), name=name, encoder=encoder)
    keep_originals(files, folder)
    return [*map(_written, put(files, folder, overwrite=overwrite, durable=durable))]


def _written(place: str) -> Written:
    return RemoteFile(place) if is_url(place) else Path(place)


def names_file(destination: Destination) -> bool:
    """Whether a destination is a file: one with the suffix of a known container; any other is a folder."""
    path = os.fspath(destination)
    return os.path.splitext(name_of(path))[1].lower() in known_suffixes() and not os.path.isdir(path)


def plan(
    source: Readable,
    destination: Destination,
    form: Form,
    *,
    name: str | None = None,
    encoder: str | None = None,
    only: Collection[int] = (),
) -> tuple[str, list[Rendered]]:
    """The files that `convert` would write, and the folder they would go into.

    `only` are the positions of those embeddings that are meant, where a file has several; `name` is then for one.
    """
    found = read_all(source, name=None if only else name, encoder=encoder)
    if only:
        found = [each for position, each in enumerate(found) if position in only]
        found = [each.renamed(name) for each in found] if name is not None and len(found) == 1 else found
    folder, form = _placed(destination, form)
    return folder, _rendered([with_original_hash(each) for each in found], form)


def keep_originals(files: Sequence[Rendered], folder: str) -> None:
    """Raise CannotWrite where one of the files would replace a file that their embeddings were read from."""
    for file in files:
        path = joined(folder, file.name)
        if any(_is_from(each, path) for each in file.embeddings):
            raise CannotWrite(f"{path}: would replace the original, which always stays; write elsewhere")


def _is_from(embedding: Embedding, path: str) -> bool:
    origin = embedding.provenance.path
    if origin is None or is_url(origin) or is_url(path):
        return origin == path
    return os.path.exists(path) and os.path.exists(origin) and os.path.samefile(path, origin)


def put(files: Sequence[Rendered], folder: str, *, overwrite: bool, durable: bool, looked: bool = False) -> list[str]:
    """Write all files or none: where one fails, those that were new are taken back.

    `looked` says that the caller has seen that nothing is there.
    """
    paths = [joined(folder, file.name) for file in files]
    if not (overwrite or looked) and len(files) > 1:
        for path in paths:
            if is_there(path):
                raise AlreadyThere(f"{path}: is already there; allow overwriting, or write elsewhere")
    written: list[str] = []
    try:
        for path, file in zip(paths, files, strict=True):
            check = functools.partial(_check, file)
            write_atomic(path, file.content, overwrite=overwrite, check=check, durable=durable, looked=looked)
            written.append(path)
    except LoanwordError:
        if not overwrite:
            for path in written:
                remove(path)
        raise
    return paths


def with_original_hash(embedding: Embedding) -> Embedding:
    """The embedding with its original's SHA-256; of a large file, read by ranges, it is computed only here."""
    origin = embedding.provenance
    if origin.original_sha256 is not None or origin.path is None:
        return embedding
    digest = hashlib.sha256()
    with open_source(origin.path) as file:
        for start in range(0, file.size, _BLOCK):
            digest.update(file.read(start, min(_BLOCK, file.size - start)))
    return embedding.replace(provenance=replace(origin, ancestor_sha256=digest.hexdigest()))


def _placed(destination: Destination, form: Form) -> tuple[str, Form]:
    """The folder to write into, and the form with what a destination that is a file says: its stem and suffix."""
    path = os.fspath(destination)
    if not names_file(path):
        return path, form
    stem, suffix = os.path.splitext(name_of(path))
    return folder_of(path), replace(form, stem=stem, suffix=suffix)


def _rendered(embeddings: Embedding | Iterable[Embedding], form: Form) -> list[Rendered]:
    chosen = [embeddings] if isinstance(embeddings, Embedding) else list(embeddings)
    if form.dtype is not None:
        chosen = [each.cast(dtype_named(form.dtype).name) for each in chosen]
    if form.target is not None:
        if form.format is not None or form.container is not None:
            raise CannotWrite("a target program decides on format and container itself; give only one of them")
        target = target_named(form.target)
        files = [file for each in chosen for file in _for_target(target, each, form)]
    else:
        files = [file for group in _groups(chosen, form) for file in _in_format(group, form)]
    if form.stem is not None and len({file.embeddings[0].name for file in files if file.embeddings}) > 1:
        raise CannotWrite(f"{form.stem}{form.suffix}: these embeddings make {len(files)} files; give a folder instead")
    return _with_distinct_names(files)


def _for_target(target: Target, embedding: Embedding, form: Form) -> list[Rendered]:
    row = format_named(target.format_for(embedding))
    readable = target.with_readable_dtype(embedding)
    stem = form.stem or target.file_stem(embedding)
    container = container_named(row.containers[0])
    if form.suffix is not None and form.suffix.lower() not in container.suffixes:
        raise CannotWrite(f"{stem}{form.suffix}: {target.title} is given {container.suffixes[0]} files; name it so")
    parts = _by_encoder(readable) if target.file_per_encoder else [("", readable)]
    suffix = form.suffix or container.suffixes[0]
    return [_saved(stem + ending + suffix, (part,), row, container, _built(row, (part,))) for ending, part in parts]


def _by_encoder(embedding: Embedding) -> list[tuple[str, Embedding]]:
    """One embedding for each encoder, in the order of the base model's pipeline, with diffusers' file-name ending."""
    base_model = BASE_MODELS.get(embedding.base_model or "")
    order = [key for key in base_model.encoders if key in embedding.vectors] if base_model else list(embedding.vectors)
    return [
        (f"_{position}" if position > 1 else "", embedding.replace(vectors={key: embedding.vectors[key]}))
        for position, key in enumerate(order, start=1)
    ]


def _groups(embeddings: Sequence[Embedding], form: Form) -> list[Sequence[Embedding]]:
    """Which embeddings share a file: all of them where the named format holds several, none otherwise."""
    together = form.format is not None and form.container != CONCEPT_FOLDER and format_named(form.format).several
    return [embeddings] if together else [[each] for each in embeddings]


def _in_format(embeddings: Sequence[Embedding], form: Form) -> list[Rendered]:
    if form.container == CONCEPT_FOLDER:
        return _concept_folder(embeddings[0])
    row, container, draft = _form_of(embeddings, form)
    stem = form.stem or _joint_stem(embeddings)
    return [_saved(stem + (form.suffix or container.suffixes[0]), tuple(embeddings), row, container, draft)]


def _concept_folder(embedding: Embedding) -> list[Rendered]:
    stem = safe_filename(embedding.name)
    row, container = format_named("diffusers"), container_named("safetensors")
    files = [_saved("learned_embeds.safetensors", (embedding,), row, container, _built(row, (embedding,)))]
    texts = [Rendered(name, text.encode(), row.key, CONCEPT_FOLDER) for name, text in concept_files(embedding).items()]
    return [replace(file, name=os.path.join(stem, file.name)) for file in (*files, *texts)]


def _form_of(embeddings: Sequence[Embedding], form: Form) -> tuple[Format, Container, Draft]:
    """The format and container to write, and what the format makes of the embeddings.

    They are the named ones, else the first that can hold the embeddings of those that are usual for the suffix.
    """
    suffix = (
        form.suffix or (container_named(form.container).suffixes[0] if form.container else ".safetensors")
    ).lower()
    keys = (form.format,) if form.format else USUAL_FORMATS.get(suffix, tuple(all_formats()))
    refusal = CannotWrite(f"no format that holds {embeddings[0].name!r} is written as {suffix}; name a format")
    for row in map(format_named, keys):
        container = _container_for(row, form)
        if row.build is None:
            refusal = CannotWrite(f"{row.title} cannot be written alone; choose one of the other formats")
        elif container is None:
            place = form.container or form.suffix
            written = [key for key in row.containers if container_named(key).save is not None]
            refusal = CannotWrite(f"{row.title} is not written as {place}; choose from {', '.join(written)}")
        else:
            try:
                return row, container, row.build(embeddings)
            except CannotWrite as error:
                refusal = error
    raise refusal


def _container_for(row: Format, form: Form) -> Container | None:
    """The first of the format's containers that fits what the caller named."""
    for container in map(container_named, row.containers):
        named = form.container in (None, container.key)
        fits = form.suffix is None or form.suffix.lower() in container.suffixes
        if named and fits and container.save is not None:
            return container
    return None


def _built(row: Format, embeddings: tuple[Embedding, ...]) -> Draft:
    if row.build is None:
        raise CannotWrite(f"{row.title} cannot be written alone; choose one of the other formats")
    return row.build(embeddings)


def _saved(name: str, embeddings: tuple[Embedding, ...], row: Format, container: Container, draft: Draft) -> Rendered:
    if container.save is None:
        raise CannotWrite(f"{container.title} files are only read; choose another container")
    content = container.save(Draft(draft.tree, {**metadata_of(embeddings), **draft.metadata}))
    return Rendered(name, content, row.key, container.key, embeddings)


def _joint_stem(embeddings: Sequence[Embedding]) -> str:
    """A file name for embeddings that share a file: that of the file they came from, else of the first."""
    origins = {each.provenance.path for each in embeddings}
    if len(embeddings) > 1 and len(origins) == 1 and (path := origins.pop()):
        return safe_filename(Path(path).stem)
    return safe_filename(embeddings[0].name)


def _with_distinct_names(files: list[Rendered]) -> list[Rendered]:
    """The files, with a number behind names that differ at most in case from an earlier one's."""
    taken: set[str] = set()
    distinct: list[Rendered] = []
    for file in files:
        name, number = file.name, 1
        while name.casefold() in taken:
            number += 1
            stem, suffix = os.path.splitext(file.name)
            name = f"{stem}-{number}{suffix}"
        taken.add(name.casefold())
        distinct.append(replace(file, name=name) if number > 1 else file)
    return distinct


def read_back(file: Rendered) -> list[Embedding]:
    """What loanword reads from a rendered file, told of a single embedding whose it is where the file cannot say so."""
    if len(file.embeddings) != 1:
        return read_bytes(file.content, file.name) if file.embeddings else []
    (embedding,) = file.embeddings
    encoders = tuple(embedding.vectors)
    return read_bytes(file.content, file.name, embedding.name, encoders[0] if len(encoders) == 1 else None)


def check_same(written: bytes, read_back: bytes) -> None:
    """Raise Damaged unless the disk gave back what it was given."""
    if read_back != written:
        raise Damaged("what was read back from the disk differs from what was written; the disk may be failing")


def _check(file: Rendered, content: bytes) -> None:
    """Raise Damaged unless `content`, as read back from the disk, holds the file's embeddings bit for bit."""
    check_same(file.content, content)
    if not file.embeddings:
        return
    kept = [(each.vectors, each.output_vectors, each.layer_vectors) for each in read_back(file)]
    if kept != [(each.vectors, each.output_vectors, each.layer_vectors) for each in file.embeddings]:
        raise Damaged(f"as {file.format} its vectors would not be read back as they are; please report this embedding")
