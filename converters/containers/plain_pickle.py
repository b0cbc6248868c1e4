"""A pickle and nothing else: PaddleNLP's .pdparams, and what `pickle.dump` makes of a dict of numpy arrays.

Source: PaddlePaddle 2.6, `framework/io.py: save`; PaddleNLP ppdiffusers, `examples/textual_inversion`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.errors import Damaged, NotAnEmbedding
from ..container import Container, Opened
from ..pickle_machine import load
from ..pickle_tree import tree_of
from ..pickle_writer import numpy_pickle
from .torch_legacy import MAGIC

if TYPE_CHECKING:
    from ..payload import Draft
    from ..source import Source
    from ..tensor_views import Storage

LARGEST_FILE = 64 * 1024 * 1024


def open_plain_pickle(source: Source) -> Opened:
    """The pickle's tree; numpy arrays become tensors."""
    if source.size > LARGEST_FILE:
        raise NotAnEmbedding(f"a pickle of {source.size >> 20} MB, embeddings are far smaller; probably a whole model")
    data = bytes(source.read(0, source.size))
    value, end = load(data, 0, no_storage)
    if end != len(data):
        raise Damaged("its pickle goes on after its end; download it again")
    return Opened(tree_of(value, source.size))


def save_plain_pickle(draft: Draft) -> bytes:
    """The draft's tree with numpy arrays for tensors."""
    return numpy_pickle(draft.tree)


def _claims(head: bytes) -> bool:
    """A pickle of protocol 2 to 5, unless it is old torch's, or the length of a safetensors header looks like one."""
    if head[:1] != b"\x80" or not b"\2" <= head[1:2] <= b"\5" or head.startswith(MAGIC):
        return False
    return not (head[4:8] == b"\0\0\0\0" and head[8:9] == b"{")


def no_storage(_: object) -> Storage:
    """Refuse a persistent id, in files that have none."""
    raise Damaged("its pickle names a torch storage, and there is none in the file; save it again with torch.save")


CONTAINERS = (
    Container(
        key="pickle",
        title="pickle",
        suffixes=(".pdparams", ".pkl", ".pickle", ".pt", ".bin"),
        claims=_claims,
        open=open_plain_pickle,
        save=save_plain_pickle,
        pickled=True,
        foreign_suffixes=(".safetensors", ".png", ".webp", ".jxl", ".avif"),
    ),
)
