"""The files of a host's embedding folders, where the host opens all of them at once: loanword opens them in its place.

What becomes of them, whether they fit the model and how they get into it, stays with the host.

Source: SD.Next (July 2026) `modules/textual_inversion.py`, `list_embeddings`, `open_embeddings`.
"""

from __future__ import annotations

import importlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from .loading import may_hold_embeddings
from .usable import can_be_shown, named, why_not

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ....embeddings.embedding import Embedding
    from ..hosts.databases import DatabaseKind
    from .loading import Loading
    from .patches import Patches
    from .usable import Named


def take_over_opening(kind: DatabaseKind, loading: Loading, patches: Patches) -> None:
    """Have the module of `kind` list and open what loanword reads; raises AttributeError where it is another one."""
    module = importlib.import_module(kind.module)
    patches.wrap(module, "list_embeddings", partial(_list, module))
    patches.wrap(module, "open_embeddings", partial(_open, module, loading))


def _list(module: Any, original: Callable[..., list[str]], *folders: str) -> list[str]:
    """Take the place of `list_embeddings`: its files are listed in its own way, and more of them."""
    del original
    found: Iterable[str] = module.directory_files(*folders)
    return [path for path in found if _is_for_us(path) and os.path.getsize(path) > 0]


def _is_for_us(path: str) -> bool:
    return may_hold_embeddings(os.path.basename(path)) and can_be_shown(path)


def _open(module: Any, loading: Loading, original: Callable[..., Any], paths: Any) -> Any:
    """Take the place of `open_embeddings`, but for what comes out of LoRAs and has no path."""
    if paths is None:
        return original(paths)
    made: dict[str, Any] = {}
    for path in paths:
        for each in _usable(path, loading):
            loading.know_aliases(each)
            if each.taken_over or each.name not in made:
                made[each.name] = _made(module, each, path)
    return list(made.values()), []


def _usable(path: str, loading: Loading) -> Iterator[Named]:
    """What a file holds for the host; nothing where it is no embedding, or would have to run code to be one."""
    from ....converters.files import read_all
    from ....embeddings.errors import FileError

    try:
        found = [each for each in read_all(path) if why_not(each, loading.host.target) is None]
    except FileError:
        return
    if found:
        yield from named(found, os.path.basename(path))


def _made(module: Any, each: Named, path: str) -> Any:
    """The host's own object: a tensor for each text encoder, a token for each vector."""
    made = module.Embedding(_tensors(module, each.embedding), each.name, None, each.embedding.provenance.step)
    made.filename = path
    folder = os.path.dirname(_below(module.shared.opts.embeddings_dir, path))
    made.basename = os.path.join(folder, each.name + os.path.splitext(path)[1])  # what the host's card is called
    made.tokens = [each.name if not number else f"{each.name}_{number}" for number in range(each.embedding.tokens)]
    made.sd_checkpoint = each.embedding.provenance.checkpoint_hash
    made.sd_checkpoint_name = each.embedding.provenance.checkpoint_name
    return made


def _tensors(module: Any, embedding: Embedding) -> list[Any]:
    return [module.torch.from_numpy(vectors.numpy()) for vectors in embedding.vectors.values()]


def _below(folder: str, path: str) -> str:
    """The path as the host's page has it, below its folder; the file's name where it is on another drive."""
    try:
        return os.path.relpath(path, folder)
    except ValueError:
        return os.path.basename(path)
