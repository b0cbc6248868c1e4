"""Everything that is kept beside embeddings, or downloaded in their place, and is none: what it is, what to do.

`stranger_by_bytes` is asked about files that no container claims, `stranger_by_keys` about content that no format
claims. Each row is one line of text; what several rows fit is named by the first.

Source: what A1111's hypernetworks, kohya, LyCORIS, diffusers, ControlNet, IP-Adapter, Draw Things and others save.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..embeddings.errors import Damaged, NotAnEmbedding, shortened
from .lora_keys import LORA_KEY
from .payload import Tensor
from .string_to_param import COMPUTED
from .trees import as_dict, as_list, text_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .payload import Payload, Tree
    from .source import Source

_LORA = "put it into models/Lora"
_CHECKPOINT = "put it into models/Stable-diffusion"
_VAE = "put it into models/VAE"
_UPSCALER = "put it into models/ESRGAN"
_CONTROL = "put it into models/ControlNet"
_ENCODER = "put it into models/text_encoder"
_HYPERNETWORK = "put it into models/hypernetworks"
_DETECTOR = "put it into models/adetailer"
_UNPACK = "unpack it first"
_AGAIN = "download the file itself again"
_PICTURE = "look for the .png or .webp of it"
_BESIDE = "leave it beside the embedding that was trained"
_OWN_CODE = "it needs its own code"
_PROMPTS = "use it where it was saved for"


@dataclass(frozen=True)
class Stranger:
    """A kind of file: the pattern of a key that only it has, what it is, what to do."""

    pattern: re.Pattern[str]
    what: str
    advice: str


def _rows(*rows: tuple[str, str, str]) -> tuple[Stranger, ...]:
    return tuple(Stranger(re.compile(pattern), what, advice) for pattern, what, advice in rows)


_BY_BYTES = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), line)
    for pattern, line in (
        (rb"SQLite format 3\0", "a SQLite database, as Draw Things keeps its embeddings; export it as .safetensors"),
        (rb"GGUF", "a GGUF model; put it where the program that asks for GGUF files looks"),
        (rb"gg(ml|jt|la)|(lm|tj|fm)gg", "a GGML model; put it where the program that asks for it looks"),
        (rb"\x08[\x03-\x0b](\x12|:|\x1a)", "an ONNX model; put it where the program that asks for ONNX files looks"),
        (rb"\x89HDF\r\n\x1a\n", "an HDF5 file of Keras, which keeps no embeddings so; look for another file"),
        (rb"7z\xbc\xaf'\x1c", f"a 7z archive; {_UNPACK}"),
        (rb"Rar!\x1a\x07", f"a rar archive; {_UNPACK}"),
        (rb"\x1f\x8b", f"a gzip archive; {_UNPACK}"),
        (rb"BZh[1-9]", f"a bzip2 archive; {_UNPACK}"),
        (rb"\xfd7zXZ\0", f"an xz archive; {_UNPACK}"),
        (rb"\x28\xb5\x2f\xfd", f"a zstandard archive; {_UNPACK}"),
        (rb"%PDF-", f"a PDF document; {_AGAIN}"),
        (rb"\xff\xd8\xff", f"a JPEG picture, which cannot carry an embedding; {_PICTURE}"),
        (rb"GIF8[79]a", f"a GIF picture, which cannot carry an embedding; {_PICTURE}"),
        (rb"BM.{4}\0\0\0\0", f"a BMP picture, which cannot carry an embedding; {_PICTURE}"),
        (rb"MZ|\x7fELF", f"a program; do not run it, {_AGAIN}"),
        (rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)", f"a web page saved in place of the file; {_AGAIN}"),
        (rb"(\xef\xbb\xbf)?\s*<", f"an XML text, such as a server's error message; {_AGAIN}"),
        (rb"(\xef\xbb\xbf)?\s*[{\[]", f"a JSON text, such as a server's error message; {_AGAIN}"),
        (
            rb"(access|permission) denied|(40[134]|not found|forbidden|unauthori[sz]ed)\b",
            f"a server's refusal; {_AGAIN}",
        ),
    )
)
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/.*?\nsize (\d{1,18})\s", re.DOTALL)
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")
_LOOKED_AT = 512

_BY_KEYS = _rows(
    (r"^(negative_|pooled_)*prompt_(embeds|attention_mask)|^cap_feats$", "prompts that a text encoder read", _PROMPTS),
    (r"^image_proj(_model)?\.|^ip_adapter\.", "an IP-Adapter", _CONTROL),
    (r"^control_model\.|zero_conv|input_hint_block|controlnet_(cond|blocks|down|mid)", "a ControlNet", _CONTROL),
    (r"^adapter\.", "a T2I adapter", _CONTROL),
    (LORA_KEY.pattern, "a LoRA", _LORA),
    (r"^(model\.diffusion_model|first_stage_model|cond_stage_model|model_ema)\.", "a checkpoint", _CHECKPOINT),
    (r"^conditioner\.embedders\.", "a checkpoint", _CHECKPOINT),
    (r"^(model\.)?((double|single|joint|(single_)?transformer)_blocks)\.[0-9]", "a diffusion model", _CHECKPOINT),
    (r"^(down|up|input|output)_blocks\.[0-9]+\.", "a U-Net", _CHECKPOINT),
    (r"^(transformer\.)?text_model\.|^text_encoder\.|^shared\.weight$", "a text encoder", _ENCODER),
    (r"(token_embedding|embed_tokens|tok_embeddings)\.weight$", "a text encoder", _ENCODER),
    (r"^encoder\.(block\.[0-9]|final_layer_norm\.)|^transformer\.resblocks\.", "a text encoder", _ENCODER),
    (r"^(encoder|decoder)\.(conv_|mid|down|up|[0-9])|quant_conv\.", "a VAE", _VAE),
    (r"^conv8\.(weight|bias)$", "an approximate decoder for previews", "put it into models/VAE-approx"),
    (r"^conv_first\.|^body\.[0-9]|^model\.(0|1\.sub\.0)\.|^upconv1\.", "an upscaler", _UPSCALER),
    (r"^model\.22\.", "a YOLO detector", _DETECTOR),
    (r"^prompt_embeddings$|^prompt_encoder\.", "a soft prompt for a language model", "load it with PEFT"),
    (r"^(vision_model|visual)\.|^logit_scale$", "a CLIP model for pictures", "put it into models/clip_vision"),
    (r"\.(weight|bias|running_mean|alpha)$", "weights of some network", "use it with the program it was made for"),
)
"""Keys of tensors."""

_BY_FIELDS = _rows(
    ("|".join(sorted(COMPUTED)), "an AdaPrompt embedding, whose vectors a network computes", _OWN_CODE),
    (r"^optimizer(_state_dict|_states)?$|^param_groups$", "an optimizer's state, as in A1111's .pt.optim", _BESIDE),
    (r"^layer_structure$|^activation_func$", "a hypernetwork", _HYPERNETWORK),
    (r"^image_proj$|^ip_adapter$", "an IP-Adapter", _CONTROL),
    (r"^params(_ema)?$", "an upscaler", _UPSCALER),
    (r"^yaml$|^train_args$", "a YOLO detector", _DETECTOR),
    (r"^(model_state_dict|epoch|global_step|pytorch-lightning_version)$", "a training's checkpoint", _CHECKPOINT),
    (r"^(unet|text_encoder|lora)$", "a model's trained weights", "use it with the program that saved it"),
)
"""Keys of what is no tensor. As the name of a tensor each of them may be somebody's token."""

_ANY_KEY = re.compile("|".join(f"(?:{row.pattern.pattern})" for row in _BY_KEYS), re.MULTILINE)
_TELLING = re.compile("[._:]")
"""What each key that one of them matches has in it: a quick way past the hundreds of words of a file of tokens."""
_NETI = frozenset(("state_dict", "cfg", "encoder"))
_WHOLE_TABLE = 10_000


def stranger_by_bytes(source: Source) -> NotAnEmbedding | Damaged | None:
    """What a file that no container claims is instead, by its first bytes; None where they say nothing."""
    head = source.head(_LOOKED_AT)
    if not head:
        return Damaged("is empty; download it again")
    if not head.strip(b"\0"):
        return Damaged("begins with nothing but zeros, as after an interrupted download; download it again")
    if pointer := _LFS.match(head):
        size = f"{int(pointer[1]):,} bytes"
        return NotAnEmbedding(f"a Git LFS pointer to a file of {size}, not that file; run git lfs pull, or download it")
    for pattern, line in _BY_BYTES:
        if pattern.match(head):
            return NotAnEmbedding(line)
    if _TEXT.fullmatch(head):
        return NotAnEmbedding(f"a text ({shortened(repr(head[:40].decode('latin-1')), 60)}), not a model; {_AGAIN}")
    return None


def stranger_by_keys(payload: Payload) -> NotAnEmbedding | None:
    """What a content that no format claims is instead, by its keys and shapes; None where they say nothing."""
    tree = payload.tree
    if isinstance(tree, dict):
        return _stranger_of_dict(as_dict(payload.tree))
    if isinstance(tree, (list, tuple)):
        return _stranger_of_list(as_list(payload.tree))
    if type(tree) is Tensor:
        return None
    return NotAnEmbedding(f"holds {shortened(repr(tree), 60)} and no tensor; {_AGAIN}")


def _stranger_of_list(items: list[Tree]) -> NotAnEmbedding | None:
    if not items:
        return NotAnEmbedding("an empty list, as A1111's test file empty.pt; delete it")
    if len(items) > 1 and all(type(item) is Tensor and len(item.shape) == 2 for item in items):
        return NotAnEmbedding(f"a LoRA of cloneofsimo's trainer; {_LORA}, its embeddings are in the .ti.pt beside it")
    return None


def _stranger_of_dict(tree: Mapping[Tree, Tree]) -> NotAnEmbedding | None:
    if not tree:
        return NotAnEmbedding("an empty dict, as A1111's test file empty.pt; delete it")
    if any(type(key) is int and as_list(value) for key, value in tree.items()):
        return NotAnEmbedding(f"a hypernetwork, not an embedding; {_HYPERNETWORK}")
    if tree.keys() >= _NETI:
        return NotAnEmbedding(f"a NeTI mapper, a network that computes vectors, not an embedding; {_OWN_CODE}")
    keys = text_keys(tree)
    telling = "\n".join([key for key in keys if _TELLING.search(key)])
    found = _named(_BY_KEYS, keys) if _ANY_KEY.search(telling) else None
    fields = [] if found else [key for key in keys if type(tree[key]) is not Tensor]
    found = _named(_BY_FIELDS, fields) if fields else found
    if not found and (inner := as_dict(tree.get("state_dict"))):
        return _stranger_of_dict(inner)
    return found or _token_table(tree)


def _named(rows: Iterable[Stranger], keys: list[str]) -> NotAnEmbedding | None:
    for row in rows:
        for key in keys:
            if row.pattern.search(key):
                return NotAnEmbedding(f"{row.what} (key {shortened(repr(key), 40)}), not an embedding; {row.advice}")
    return None


def _token_table(tree: Mapping[Tree, Tree]) -> NotAnEmbedding | None:
    for key, tensor in tree.items():
        if type(tensor) is Tensor and len(tensor.shape) == 2 and tensor.shape[0] > _WHOLE_TABLE:
            what = f"{shortened(repr(key), 40)} is a table of {tensor.shape[0]:,} tokens"
            return NotAnEmbedding(f"{what}, a model's whole vocabulary and no embedding; {_ENCODER}")
    return None
