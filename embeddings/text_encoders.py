"""The two tables that say which text encoders there are and which base models use them.

A new text encoder or base model is one row. Keys are ComfyUI's names; synonyms are every other spelling found in
files. A width never decides against a key; where there is only a width, `encoders_of_width` says what it could be.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder: its key, the width of its token table's rows, a title, and its other names in files."""

    key: str
    width: int
    title: str
    synonyms: tuple[str, ...] = ()
    usual_for_width: bool = False
    """Whether vectors of this width that no key describes are this encoder's (the convention of every WebUI)."""


TEXT_ENCODERS = {
    encoder.key: encoder
    for encoder in (
        TextEncoder(
            "clip_l",
            768,
            "CLIP ViT-L/14",
            ("text_encoders_0", "text_encoder", "emb_params", "emp_params"),
            usual_for_width=True,
        ),
        TextEncoder(
            "clip_h", 1024, "OpenCLIP ViT-H/14", ("text_encoder", "emb_params", "emp_params"), usual_for_width=True
        ),
        TextEncoder(
            "clip_g", 1280, "OpenCLIP ViT-bigG/14", ("text_encoders_1", "text_encoder_2", "prior"), usual_for_width=True
        ),
        TextEncoder("bert_ldm", 1280, "BERT of the latent diffusion model with 1.4 billion parameters"),
        TextEncoder("t5xxl", 4096, "T5-v1.1-XXL", ("t5", "t5_xxl", "text_encoders_2", "text_encoder_3")),
        TextEncoder("t5_11b", 1024, "T5-11B (Cosmos)", ("t5xxl",)),
        TextEncoder("t5base", 768, "T5-base", ("t5_base",)),
        TextEncoder("umt5xxl", 4096, "UMT5-XXL", ("umt5_xxl",)),
        TextEncoder("umt5base", 768, "UMT5-base"),
        TextEncoder("mt5xl", 2048, "mT5-XL", ("mt5_xl",)),
        TextEncoder("pile_t5xl", 2048, "Pile-T5-XL", ("pile_t5_xl",)),
        TextEncoder("t5gemma_9b", 3584, "T5Gemma-9B"),
        TextEncoder("byt5_small", 1472, "ByT5-small", ("byt5",)),
        TextEncoder("chinese_roberta", 1024, "Chinese RoBERTa (HunyuanDiT)", ("hydit_clip",)),
        TextEncoder("chatglm3_6b", 4096, "ChatGLM3-6B (Kolors)", ("chatglm3",)),
        TextEncoder("llama", 4096, "Llama 3 8B", ("llama3",)),
        TextEncoder("gemma2_2b", 2304, "Gemma 2 2B", ("gemma", "gemma2")),
        TextEncoder("gemma3_4b", 2560, "Gemma 3 4B", ("gemma3",)),
        TextEncoder("gemma3_12b", 3840, "Gemma 3 12B", ("gemma3",)),
        TextEncoder("gemma4_e4b", 2560, "Gemma 4 E4B"),
        TextEncoder("qwen25_3b", 2048, "Qwen2.5-VL 3B", ("qwen25",)),
        TextEncoder("qwen25_7b", 3584, "Qwen2.5-VL 7B", ("qwen25", "emb_params")),
        TextEncoder("qwen3_06b", 1024, "Qwen3 0.6B", ("qwen3",)),
        TextEncoder("qwen3_2b", 2048, "Qwen3 2B", ("qwen3",)),
        TextEncoder("qwen3_4b", 2560, "Qwen3 4B", ("qwen3",)),
        TextEncoder("qwen3_8b", 4096, "Qwen3 8B", ("qwen3",)),
        TextEncoder("qwen3vl_4b", 2560, "Qwen3-VL 4B"),
        TextEncoder("qwen3vl_8b", 4096, "Qwen3-VL 8B"),
        TextEncoder("mistral3_24b", 5120, "Mistral Small 3 24B", ("mistral3",)),
        TextEncoder("ming_image", 2048, "Ming-image"),
        TextEncoder("jina_clip_2", 1024, "Jina CLIP v2"),
        TextEncoder("sam3_clip", 1024, "SAM 3 CLIP"),
        TextEncoder("lyrics", 1024, "ACE-Step's lyrics encoder"),
    )
}


@dataclass(frozen=True)
class BaseModel:
    """A family of diffusion models: its key, title, text encoders in pipeline order, and ModelSpec architecture."""

    key: str
    title: str
    encoders: tuple[str, ...]
    architectures: tuple[str, ...] = ()
    """How `modelspec.architecture` begins for it; the first is the one loanword writes."""


BASE_MODELS = {
    model.key: model
    for model in (
        BaseModel("sd1", "Stable Diffusion 1.x", ("clip_l",), ("stable-diffusion-v1",)),
        BaseModel("sd2", "Stable Diffusion 2.x", ("clip_h",), ("stable-diffusion-v2-512", "stable-diffusion-v2")),
        BaseModel("sdxl", "SDXL", ("clip_l", "clip_g"), ("stable-diffusion-xl-v1-base", "stable-diffusion-xl")),
        BaseModel("sd3", "Stable Diffusion 3", ("clip_l", "clip_g", "t5xxl"), ("stable-diffusion-3",)),
        BaseModel("flux", "Flux.1", ("clip_l", "t5xxl"), ("flux-1-dev", "flux-1")),
        BaseModel("hidream", "HiDream", ("clip_l", "clip_g", "t5xxl", "llama"), ("hidream-i1", "hidream")),
        BaseModel("hunyuan-video", "HunyuanVideo", ("llama", "clip_l"), ("hunyuan-video",)),
        BaseModel("sdxl-refiner", "SDXL refiner", ("clip_g",), ("stable-diffusion-xl-v1-refiner",)),
        BaseModel("cascade", "Stable Cascade", ("clip_g",), ("stable-cascade", "wuerstchen-v2")),
        BaseModel("pixart", "PixArt-α and PixArt-Σ", ("t5xxl",), ("pixart",)),
        BaseModel("chroma", "Chroma", ("t5xxl",), ("chroma",)),
        BaseModel("sana", "Sana", ("gemma2_2b",), ("sana",)),
        BaseModel("lumina2", "Lumina 2", ("gemma2_2b",), ("lumina-2", "lumina")),
        BaseModel("auraflow", "AuraFlow", ("pile_t5xl",), ("auraflow",)),
        BaseModel("hunyuan-dit", "HunyuanDiT", ("chinese_roberta", "mt5xl"), ("hunyuan-dit",)),
        BaseModel("wan", "Wan", ("umt5xxl",), ("wan",)),
        BaseModel("qwen-image", "Qwen-Image", ("qwen25_7b",), ("qwen-image",)),
        BaseModel("hunyuan-image", "HunyuanImage 2.1", ("qwen25_7b", "byt5_small"), ("hunyuan-image",)),
        BaseModel("z-image", "Z-Image", ("qwen3_4b",), ("z-image",)),
        BaseModel("flux2-klein-4b", "Flux.2 Klein 4B", ("qwen3_4b",), ("flux-2-klein-4b",)),
        BaseModel("flux2-klein-9b", "Flux.2 Klein 9B", ("qwen3_8b",), ("flux-2-klein-9b",)),
        BaseModel("flux2", "Flux.2", ("mistral3_24b",), ("flux-2",)),
        BaseModel("anima", "Anima", ("qwen3_06b",), ("anima",)),
        BaseModel("ovis", "Ovis-Image", ("qwen3_2b",), ("ovis",)),
        BaseModel("kolors", "Kolors", ("chatglm3_6b",), ("kolors",)),
        BaseModel("cosmos", "Cosmos", ("t5_11b",), ("cosmos",)),
        BaseModel("ldm", "Latent diffusion, 1.4 billion parameters", ("bert_ldm",), ("latent-diffusion",)),
    )
}

_ORDER = {key: position for position, key in enumerate(TEXT_ENCODERS)}
_BY_SPELLING: dict[tuple[str, int], TextEncoder] = {}
_WIDTHS: dict[str, tuple[int, ...]] = {}
for _encoder in TEXT_ENCODERS.values():
    for _spelling in (_encoder.key, *_encoder.synonyms):
        _BY_SPELLING.setdefault((_spelling, _encoder.width), _encoder)
        _WIDTHS[_spelling] = (*_WIDTHS.get(_spelling, ()), _encoder.width)


def encoder_named(key: str) -> TextEncoder:
    """The row of `TEXT_ENCODERS` for `key` or an unambiguous synonym of it; raises UnknownName."""
    if key in TEXT_ENCODERS:
        return TEXT_ENCODERS[key]
    widths = _WIDTHS.get(key, ())
    if len(widths) != 1:
        raise UnknownName(f"no text encoder is called {key!r}; there are {', '.join(TEXT_ENCODERS)}")
    return _BY_SPELLING[key, widths[0]]


def encoder_spelled(spelling: str, width: int) -> TextEncoder | None:
    """The encoder that files call `spelling` and whose rows are `width` wide, or None."""
    return _BY_SPELLING.get((spelling, width))


def widths_of(spelling: str) -> tuple[int, ...]:
    """The widths of the encoders that files call `spelling`; empty where none is called so."""
    return _WIDTHS.get(spelling, ())


@functools.cache
def encoders_of_width(width: int) -> tuple[TextEncoder, ...]:
    """The encoders that vectors of `width` without any key could be for: one by convention, or all of them."""
    fitting = tuple(encoder for encoder in TEXT_ENCODERS.values() if encoder.width == width)
    usual = tuple(encoder for encoder in fitting if encoder.usual_for_width)
    return usual or fitting


def in_table_order(keys: Iterable[str]) -> list[str]:
    """Encoder keys in the order of `TEXT_ENCODERS`, which is that of every base model's pipeline."""
    return sorted(keys, key=_ORDER.__getitem__)


def base_model_of(encoders: Iterable[str], architecture: str | None = None) -> str | None:
    """The base model that uses just these encoders, else the only one that has them all; None where several may.

    `architecture` is a file's `modelspec.architecture`, which settles what the encoders leave open.
    """
    keys = frozenset(encoders)
    candidates = _models_with(keys)
    if architecture:
        declared = [model for model in candidates if _is_called(model, architecture)]
        if declared:
            return max(declared, key=lambda model: len(_is_called(model, architecture))).key
    exact = [model for model in candidates if keys == frozenset(model.encoders)]
    fitting = exact or candidates
    return fitting[0].key if len(fitting) == 1 else None


@functools.cache
def _models_with(encoders: frozenset[str]) -> tuple[BaseModel, ...]:
    """The base models that use all of `encoders`; none where there are no encoders."""
    return tuple(model for model in BASE_MODELS.values() if encoders and encoders <= frozenset(model.encoders))


def _is_called(model: BaseModel, architecture: str) -> str:
    """The longest of the model's architecture names that `architecture` begins with, or an empty string."""
    named = [name for name in model.architectures if architecture.lower().startswith(name)]
    return max(named, key=len, default="")
