"""Tensors named by ComfyUI's keys for text encoders, in any combination: SDXL, SD3, Flux and all later models.

kohya's, OneTrainer's, ai-toolkit's and diffusers' SDXL files are the same: `clip_l` and `clip_g`. Rows may include the
tokens of beginning and end, where the author did not cut them off; that cannot be told.

Source: ComfyUI, `comfy/sd1_clip.py`, `load_embed`, and `embedding_key` in `comfy/text_encoders/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..encoder_keys import COG_SPELLINGS, SPELLINGS, by_encoder, only_keys
from ..format import Format
from ..limits import input_vectors, the_only
from ..payload import Draft
from ..string_to_param import PARAM
from ..trees import facts_of, root_dict, tensors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "comfyui", "tensors named by text encoder (ComfyUI, SDXL)"
KEYS = SPELLINGS - COG_SPELLINGS - {"emb_params", "emp_params", "t5", "gemma", "prior"}
"""Without the spellings by which OneTrainer, kohya and cog are told."""

_ON_DISK = {"t5_11b": "t5xxl"}
"""Where ComfyUI's key is not ours: Cosmos' T5 goes by the key of the one that is used everywhere else."""
_PERHAPS_HALF = "clip_l alone: an embedding for SD 1.x, or one for SDXL, SD3 or Flux whose other part is missing"


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    return not KEYS.isdisjoint(root) and PARAM not in payload.metadata and only_keys(root, KEYS)


def parse(payload: Payload) -> list[Embedding]:
    parts = by_encoder(tensors_of(payload.tree))
    alone = list(parts.vectors) == ["clip_l"] and "modelspec.architecture" not in payload.metadata
    warnings = (_PERHAPS_HALF,) if alone else ()
    return [parts.embedding(payload, KEY, facts=facts_of(payload.tree), warnings=warnings)]


def build(embeddings: Sequence[Embedding]) -> Draft:
    vectors = input_vectors(the_only(embeddings, TITLE), TITLE)
    return Draft({_ON_DISK.get(key, key): each for key, each in vectors.items()})


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("kohya sd-scripts", "OneTrainer", "diffusers", "LyCORIS", "ComfyUI_EmbeddingToolkit"),
    containers=("safetensors", "torch-zip", "torch-legacy"),
    keys=KEYS,
    recognise=recognise,
    parse=parse,
    build=build,
)
