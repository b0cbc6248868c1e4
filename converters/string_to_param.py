"""The nested layout of A1111, the original LDM code and HCP-Diffusion: vectors under `string_to_param`, facts beside.

Formats differ in what `string_to_param` is and in how wide its vectors are; what they share is here.

Source: A1111 1.10.1, `modules/textual_inversion/textual_inversion.py`, `Embedding.save` and
`create_embedding_from_data`; textual_inversion, `ldm/modules/embedding_manager.py`, `EmbeddingManager.save`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..embeddings.errors import MalformedEmbedding, shortened
from .columns import JOINED_WIDTH, split
from .encoder_keys import SPELLINGS
from .payload import Tensor
from .single_tensor import ENCODER, single_tensor
from .trees import as_dict, kind_of, root_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..embeddings.embedding import Embedding, Vectors
    from .payload import Payload, Tree

PARAM, TOKEN = "string_to_param", "string_to_token"
STAR = "*"
STAR_ID = 265
"""CLIP's id of the token `*`, the placeholder of nearly every such file."""

COMPUTED = frozenset(("string_to_ada_embedder", "string_to_static_embedder", "string_to_emb_ema_dict"))
"""Keys of the AdaPrompt family, whose vectors a network of its own computes at each step."""

_IMAGES = frozenset(("png", "webp", "avif", "jxl", "image"))
_STRUCTURE = frozenset((PARAM, TOKEN, *COMPUTED))


def param_of(payload: Payload) -> Tree:
    """What is under `string_to_param`; None where there is no such key, or where the vectors are computed."""
    root = root_dict(payload)
    if PARAM not in root or not COMPUTED.isdisjoint(root):
        return None
    return root[PARAM]


def holds_joined(param: Tree) -> bool:
    """Whether its tensors are as wide as CLIP-L and CLIP-bigG side by side."""
    return JOINED_WIDTH in [each.width for each in as_dict(param).values() if type(each) is Tensor]


def entries_of(param: Tree) -> dict[str, Tensor]:
    """The placeholders and their tensors; raises MalformedEmbedding where there is none or something else."""
    if not as_dict(param):
        raise MalformedEmbedding(f"{PARAM} is {kind_of(param)}, it has to map placeholders to tensors")
    for placeholder, tensor in as_dict(param).items():
        if type(placeholder) is not str or type(tensor) is not Tensor:
            label = shortened(repr(placeholder), 60)
            raise MalformedEmbedding(f"{label} in {PARAM} is {kind_of(tensor)}, it has to map text to tensors")
    return as_dict(param)


def concepts(
    payload: Payload, format_key: str, entries: Mapping[str, Tensor], usual: str = "", warnings: tuple[str, ...] = ()
) -> list[Embedding]:
    """One embedding for each placeholder.

    One alone is called as the file is, with the stored name as an alias; of several each is called by its placeholder,
    but `*` by the file. `usual` is the spelling that decides on the encoder where the width leaves it open.
    """
    facts = _facts_beside(payload.tree)
    alone = len(entries) == 1
    found: list[Embedding] = []
    for placeholder, tensor in entries.items():
        by_file = alone or placeholder == STAR
        found.append(
            payload.embedding(
                format_key,
                _vectors(payload, placeholder, tensor, usual, facts.get(ENCODER)),
                name=_image_name(payload, facts) if by_file else placeholder,
                stored_name=facts.get("name") if by_file else None,
                aliases=(placeholder,) if by_file else (),
                facts=facts if by_file else _without_names(facts),
                warnings=warnings,
            )
        )
    return found


def facts_written(embedding: Embedding, hint: Mapping[str, Any]) -> dict[str, Any]:
    """The entries beside `string_to_param`: A1111's four, then what loanword adds so that nothing gets lost.

    A1111 and every other reader leave keys they do not know alone.
    """
    origin = embedding.provenance
    written: dict[str, Any] = {
        "name": embedding.name,
        "step": origin.step,
        "sd_checkpoint": origin.checkpoint_hash,
        "sd_checkpoint_name": origin.checkpoint_name,
    }
    for key, value in origin.metadata.items():
        if key not in _STRUCTURE:
            written.setdefault(key, value)
    if embedding.aliases:
        written["loanword.aliases"] = json.dumps(embedding.aliases, ensure_ascii=False)
    if digest := origin.original_sha256:
        written["loanword.original_sha256"] = digest
    return written | dict(hint)


def facts_of_one(embeddings: Sequence[Embedding]) -> dict[str, Any]:
    """The same for formats that name embeddings by their keys, where there is one: several would share the facts."""
    return facts_written(embeddings[0], {}) if len(embeddings) == 1 else {}


def without_letters(entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries without the Hebrew letters of `per_image_tokens`, each of which belongs to one training picture."""
    return {key: tensor for key, tensor in entries.items() if not _is_letter(key)} or dict(entries)


def _facts_beside(tree: Mapping[Any, Any]) -> dict[str, Any]:
    """What stands beside `string_to_param`; raises MalformedEmbedding where that is vectors too."""
    if rivals := SPELLINGS.intersection(tree):
        listed = ", ".join(sorted(rivals))
        raise MalformedEmbedding(f"has vectors in {PARAM} and in {listed}, programs read either; take one out")
    return {key: value for key, value in tree.items() if type(key) is str and key not in _STRUCTURE}


def _without_names(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in ("name", "loanword.aliases")}


def _vectors(payload: Payload, placeholder: str, tensor: Tensor, usual: str, hint: object) -> Mapping[str, Vectors]:
    label = f"{PARAM}['{shortened(placeholder, 60)}']"
    hint = hint or payload.metadata.get(ENCODER)
    if tensor.width == JOINED_WIDTH and not payload.encoder and not hint:
        return split(tensor.vectors(label))
    return single_tensor(payload, label, tensor, usual, hint)


def _image_name(payload: Payload, facts: Mapping[str, Any]) -> str | None:
    """An image is called by the name inside it, as A1111 does; its file is called after picture and step."""
    name = facts.get("name")
    return name if payload.container in _IMAGES and isinstance(name, str) and name else None


def _is_letter(placeholder: str) -> bool:
    return len(placeholder) == 1 and "\u05d0" <= placeholder <= "\u05ea"
