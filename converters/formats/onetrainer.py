"""OneTrainer's files, where they are its own: `emp_params` (its spelling), `t5`, `gemma`, `prior`, and `<key>_out`.

With "output embedding" on, `<key>_out` are learned vectors of output space and `<key>` zeros; OneTrainer prefers the
former, every other program loads the zeros. What it writes for SDXL without them is keyed as for ComfyUI.

Source: OneTrainer, `modules/modelSaver/**/*EmbeddingSaver.py` and `mixin/EmbeddingSaverMixin.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.embedding import Vectors
from ...embeddings.errors import CannotWrite
from ..encoder_keys import OUT, by_encoder, only_keys
from ..format import Format
from ..limits import no_layers, quoted, the_only
from ..payload import Draft
from ..trees import facts_of, root_dict, tensors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload, Tensor

KEY, TITLE = "onetrainer", "OneTrainer"
OWN = frozenset(("emp_params", "t5", "gemma", "prior"))
SHARED = frozenset(("clip_l", "clip_g", "llama"))
OUTPUTS = frozenset(key + OUT for key in OWN | SHARED)

_SD = {"clip_l": "emp_params", "clip_h": "emp_params"}
"""The key of an embedding for one encoder of SD 1.x or 2.x."""
_KEYS = {"clip_l": "clip_l", "clip_g": "clip_g", "t5xxl": "t5", "llama": "llama", "gemma2_2b": "gemma"}
_MISLABELLED = "t5_out holds CLIP-bigG's output vectors: OneTrainer's HiDream saver writes them under T5's key"


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    if OWN.isdisjoint(root) and OUTPUTS.isdisjoint(root):
        return False
    return only_keys(root, OWN | SHARED, outputs=True)


def parse(payload: Payload) -> list[Embedding]:
    tensors = tensors_of(payload.tree)
    warnings = ()
    if _is_mislabelled(tensors):
        tensors["clip_g_out"] = tensors.pop("t5_out")
        warnings = (_MISLABELLED,)
    return [by_encoder(tensors).embedding(payload, KEY, facts=facts_of(payload.tree), warnings=warnings)]


def build(embeddings: Sequence[Embedding]) -> Draft:
    embedding = no_layers(the_only(embeddings, TITLE), TITLE)
    encoders = embedding.vectors.keys() | embedding.output_vectors.keys()
    keys = _SD if len(encoders) == 1 and encoders <= _SD.keys() else _KEYS
    if unknown := sorted(encoders - keys.keys()):
        raise CannotWrite(f"{quoted(embedding)} has vectors for {', '.join(unknown)}, which {TITLE} does not train")
    tree: dict[str, Vectors] = {}
    for encoder, vectors in embedding.output_vectors.items():
        tree[keys[encoder]] = Vectors(vectors.dtype, vectors.shape, bytes(len(vectors.data)))
        tree[keys[encoder] + OUT] = vectors
    return Draft(tree | {keys[encoder]: vectors for encoder, vectors in embedding.vectors.items()})


def _is_mislabelled(tensors: dict[str, Tensor]) -> bool:
    return "t5_out" in tensors and tensors["t5_out"].width == 1280 and "clip_g_out" not in tensors


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("OneTrainer", "diffusers (Flux, with t5)"),
    containers=("safetensors", "torch-zip"),
    keys=OWN | OUTPUTS,
    recognise=recognise,
    parse=parse,
    build=build,
)
