"""A file that is nothing but a tensor: an embedding perhaps, or an aesthetic gradient, which looks the same.

Aesthetic gradients average CLIP's image features and mean nothing as token vectors, so the caller has to say what it
is, by giving it a name.

Source: stable-diffusion-webui-aesthetic-gradients, `aesthetic_clip.py`; diffusers takes such files with `token=`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.errors import MalformedEmbedding, NotAnEmbedding
from ...embeddings.text_encoders import encoders_of_width
from ..format import Format
from ..payload import Tensor
from ..single_tensor import single_tensor

if TYPE_CHECKING:
    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "bare-tensor", "bare tensor"
CONTEXT, MOST_VECTORS = 77, 10_000
_HOW = "if it is an embedding, read it with a name: read(path, name=…)"


def recognise(payload: Payload) -> bool:
    return type(payload.tree) is Tensor


def parse(payload: Payload) -> list[Embedding]:
    tensor: Tensor = payload.tree
    shape = " x ".join(map(str, tensor.shape)) or "a single number"
    if tensor.shape[-2:-1] == (CONTEXT,):
        raise NotAnEmbedding(f"a tensor of {shape}, as text encoders give for a whole prompt; no vectors of tokens")
    if len(tensor.shape) == 2 and tensor.shape[0] > MOST_VECTORS:
        raise NotAnEmbedding(f"a tensor of {shape}, as a model's whole table of tokens is; it belongs into its model")
    if not tensor.shape or not encoders_of_width(tensor.width):
        raise NotAnEmbedding(f"a bare tensor ({shape}), which no text encoder takes; no embedding")
    if payload.name is None:
        raise MalformedEmbedding(f"a bare tensor ({shape}), which an aesthetic gradient is too; {_HOW}")
    return [payload.embedding(KEY, single_tensor(payload, "the tensor", tensor), name=payload.name)]


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("various scripts",),
    containers=("torch-zip", "torch-legacy"),
    root=Tensor,
    recognise=recognise,
    parse=parse,
    build=None,
)
