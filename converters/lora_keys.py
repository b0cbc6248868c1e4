"""What the keys of LoRA files look like, of every kind, and what such a file says of an embedding inside it.

Source: kohya sd-scripts `networks/lora.py`; LyCORIS; diffusers `loaders/lora_conversion_utils.py`; cloneofsimo/lora.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .containers.safetensors import HOLE
from .trees import as_dict, has_prefix, root_dict, text_keys

if TYPE_CHECKING:
    from .payload import Payload, Tree

BUNDLE = "bundle_emb."

LORA_KEY = re.compile(
    r"^lora_(unet|te|te1|te2|te3|transformer)_|^lycoris_|[._](lora_(up|down|mid|[AB])|lora)\b"
    r"|\.(hada_w[12]|hada_t[12]|lokr_[wt][12]|oft_blocks|oft_diag|oft_[RQ]|boft_|glora_|ia3_|dora_scale)"
    r"|^(unet|text_encoder):[0-9]+:(up|down|alpha|rank)$",
)
TRIGGER = "trigger_word"
"""Draw Things' metadata key for the word that calls a LoRA's embedding."""

_ONLY_DRAW_THINGS = frozenset(
    ("qwen25", "qwen3", "mistral3", "t5_xxl", "llama3", "umt5_xxl", "gemma3", "pile_t5_xl", HOLE)
)
DRAW_THINGS_KEYS = _ONLY_DRAW_THINGS | {"emb_params", "clip_l", "clip_g"}
"""What Draw Things calls an embedding's tensors beside those of a LoRA."""

_ARCHITECTURE = "modelspec.architecture"


def has_lora(tree: Tree) -> bool:
    """Whether a dict has a LoRA's keys."""
    return any(LORA_KEY.search(key) for key in text_keys(tree) if not key.startswith(BUNDLE))


def has_bundle(tree: Tree) -> bool:
    """Whether a dict has keys of embeddings packed into a LoRA."""
    return has_prefix(as_dict(tree), BUNDLE)


def is_from_draw_things(payload: Payload) -> bool:
    """Whether the keys beside a LoRA's are such as only Draw Things writes."""
    root = root_dict(payload)
    if not _ONLY_DRAW_THINGS.isdisjoint(root) or ("clip_g" in root and "clip_l" not in root):
        return True
    return TRIGGER in payload.metadata and not DRAW_THINGS_KEYS.isdisjoint(root)


def facts_of_lora(payload: Payload) -> dict[str, Any]:
    """Facts that keep a LoRA's own metadata from being taken for its embedding's; only the architecture is both's."""
    if not has_lora(payload.tree):
        return {}
    facts: dict[str, Any] = dict.fromkeys(payload.metadata)
    if architecture := payload.metadata.get(_ARCHITECTURE):
        facts[_ARCHITECTURE] = f"{architecture.partition('/')[0]}/textual-inversion"
    return facts
