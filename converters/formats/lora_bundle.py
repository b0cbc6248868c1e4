"""Embeddings packed into a LoRA file: `bundle_emb.<name>.<key>`, in every spelling of the key.

A name may hold dots, so the known keys are looked for from the right. Where there is none, the rest is a token and
the name ends at the first dot, as in A1111.

Source: LyCORIS, `tools/pack_bundle.py`, `batch_bundle_convert.py`; OneTrainer, `modules/modelSaver/**/*LoRASaver.py`;
A1111 1.10.1, `extensions-builtin/Lora/networks.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...embeddings.errors import MalformedEmbedding
from ..columns import JOINED_WIDTH, split
from ..encoder_keys import OUT, SPELLINGS, by_encoder
from ..format import Format
from ..limits import distinct_names, no_layers
from ..lora_keys import BUNDLE, facts_of_lora, has_bundle
from ..payload import Draft, Tensor
from ..single_tensor import single_tensor
from ..string_to_param import PARAM, TOKEN
from ..trees import root_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding, Vectors
    from ..payload import Payload

KEY, TITLE = "lora-bundle", "embeddings inside a LoRA (bundle_emb)"
_ON_DISK = {"t5xxl": "t5", "gemma2_2b": "gemma", "clip_h": "clip_l"}
"""OneTrainer's keys, where they are not ours; for SD 2.x too it writes `clip_l`."""
_SD2 = {("clip_l", 1024): "clip_h"}
_KNOWN = re.compile(
    rf"(.+)\.((?:{PARAM}|{TOKEN})\..+|(?:{'|'.join(map(re.escape, sorted(SPELLINGS)))})(?:{OUT})?)", re.DOTALL
)
_NESTED = (PARAM + ".", TOKEN + ".")


def recognise(payload: Payload) -> bool:
    return has_bundle(payload.tree)


def parse(payload: Payload) -> list[Embedding]:
    bundles: dict[str, dict[str, Tensor]] = {}
    for key, tensor in root_dict(payload).items():
        if type(key) is str and key.startswith(BUNDLE) and type(tensor) is Tensor:
            name, part = _split(key)
            if not part.startswith(TOKEN):
                bundles.setdefault(name, {})[part] = tensor
    if not bundles:
        raise MalformedEmbedding(f"its keys '{BUNDLE}…' hold no tensors, an embedding's vectors are some; get it again")
    return [_embedding(payload, name, parts) for name, parts in bundles.items()]


def build(embeddings: Sequence[Embedding]) -> Draft:
    distinct_names(embeddings, TITLE)
    tree: dict[str, Vectors] = {}
    for embedding in embeddings:
        no_layers(embedding, TITLE)
        for ending, vectors in (("", embedding.vectors), (OUT, embedding.output_vectors)):
            for encoder, each in vectors.items():
                tree[f"{BUNDLE}{embedding.name}.{_ON_DISK.get(encoder, encoder)}{ending}"] = each
    return Draft(tree)


def _split(key: str) -> tuple[str, str]:
    """The embedding's name, and the key that its tensor would have in a file of its own."""
    rest = key[len(BUNDLE) :]
    if found := _KNOWN.fullmatch(rest):
        return found[1], found[2]
    name, _, token = rest.partition(".<" if rest.endswith(">") and ".<" in rest else ".")
    if not name:
        raise MalformedEmbedding(f"the key {key!r} names no embedding, a name has to follow {BUNDLE!r}; rename the key")
    return name, token


def _embedding(payload: Payload, name: str, parts: dict[str, Tensor]) -> Embedding:
    facts = facts_of_lora(payload)
    keyed = {part: tensor for part, tensor in parts.items() if part.removesuffix(OUT) in SPELLINGS}
    if len(keyed) == len(parts) and not keyed.keys() & {"emb_params", "emp_params"}:
        return by_encoder(parts, _SD2).embedding(payload, KEY, name=name, facts=facts)
    if len(parts) > 1:
        raise MalformedEmbedding(f"the bundle {name!r} has {len(parts)} tensors, one or one an encoder were needed")
    ((part, tensor),) = parts.items()
    label = f"{BUNDLE}{name}.{part}"
    if tensor.width == JOINED_WIDTH and part.startswith(_NESTED):
        return payload.embedding(KEY, split(tensor.vectors(label)), name=name, facts=facts)
    return payload.embedding(KEY, single_tensor(payload, label, tensor, part), name=name, facts=facts)


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("LyCORIS", "OneTrainer"),
    containers=("safetensors", "torch-zip", "torch-legacy"),
    prefix=BUNDLE,
    recognise=recognise,
    parse=parse,
    build=build,
    several=True,
)
