"""Which text encoder of a pipeline is which, and which tokenizer feeds it: by the encoder's own type and width.

Nothing here knows a pipeline class. A component whose name holds `text_encoder` is fed by the component whose name
holds `tokenizer` instead (`text_encoder_2` by `tokenizer_2`, `prior_text_encoder` by `prior_tokenizer`), and by the
tokenizer inside a processor beside it.

Source: the constructors of diffusers' pipelines; the keys are those of TEXT_ENCODERS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..embeddings.errors import CannotLoad
from ..embeddings.text_encoders import TEXT_ENCODERS
from .learned_tokens import width_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Pipeline: TypeAlias = Any
Encoder: TypeAlias = Any
Tokenizer: TypeAlias = Any

ENCODER_TYPES = {
    "clip_text_model": ("clip_l", "clip_h", "clip_g"),
    "t5": ("t5xxl", "t5_11b", "t5base", "mt5xl", "byt5_small"),
    "mt5": ("mt5xl",),
    "umt5": ("umt5xxl", "umt5base", "pile_t5xl"),
    "t5_gemma_module": ("t5gemma_9b",),
    "t5gemma": ("t5gemma_9b",),
    "bert": ("chinese_roberta",),
    "ldmbert": ("bert_ldm",),
    "chatglm": ("chatglm3_6b",),
    "llama": ("llama",),
    "llava": ("llama",),
    "gemma2": ("gemma2_2b",),
    "gemma3": ("gemma3_4b", "gemma3_12b"),
    "gemma3_text": ("gemma3_4b", "gemma3_12b"),
    "gemma4": ("gemma4_e4b",),
    "gemma4_text": ("gemma4_e4b",),
    "qwen2_vl": ("qwen25_3b", "qwen25_7b"),
    "qwen2_5_vl": ("qwen25_3b", "qwen25_7b"),
    "qwen2_5_vl_text": ("qwen25_3b", "qwen25_7b"),
    "qwen3": ("qwen3_06b", "qwen3_2b", "qwen3_4b", "qwen3_8b"),
    "qwen3_vl": ("qwen3vl_4b", "qwen3vl_8b"),
    "qwen3_vl_text": ("qwen3vl_4b", "qwen3vl_8b"),
    "mistral": ("mistral3_24b",),
    "mistral3": ("mistral3_24b",),
}
"""The encoders of each model type of transformers (`config.model_type`); their widths tell them apart."""

OTHER_TOKENIZERS = {"text_encoder": ("clip_tokenizer", "processor", "text_processor"), "bert": ("tokenizer",)}
"""Tokenizers whose names do not follow from their encoder's."""


@dataclass(frozen=True)
class Slot:
    """A text encoder of a pipeline, and the tokenizers that feed it."""

    component: str
    """Its name in the pipeline."""
    encoder: Encoder
    tokenizers: tuple[Tokenizer, ...]
    key: str | None
    """Its row in TEXT_ENCODERS; None where it is none of them."""
    width: int

    @property
    def name(self) -> str:
        """How to speak of it: its key, or else its place in the pipeline."""
        return self.key or self.component

    def __str__(self) -> str:
        title = TEXT_ENCODERS[self.key].title if self.key else type(self.encoder).__name__
        return f"{self.name} ({title}, {self.width} wide)"


def slots_of(pipe: Pipeline) -> tuple[Slot, ...]:
    """The text encoders of a pipeline that a tokenizer feeds; raises CannotLoad where there is none."""
    parts = _parts(pipe)
    found: dict[int, Slot] = {}
    for name, part in parts.items():
        tokenizers = tuple(_tokenizers_for(name, parts)) if _is_encoder(part) else ()
        if tokenizers:
            twin = found.get(id(part))
            place, known = (twin.component, twin.tokenizers) if twin else (name, ())
            found[id(part)] = _slot(place, part, (*known, *tokenizers))
    if not found:
        raise CannotLoad(
            f"{type(pipe).__name__} has no text encoder with a tokenizer here, an embedding needs one; load it while "
            "the pipeline has both"
        )
    return tuple(found.values())


def slot_for(pipe: Pipeline, text_encoder: Encoder = None, tokenizer: Tokenizer = None) -> Slot:
    """The slot of an encoder, a tokenizer or both; where one is missing, it is the pipeline's own partner."""
    slots = list(slots_of(pipe)) if text_encoder is None or tokenizer is None else []
    if text_encoder is None:
        first = [slot for slot in slots if slot.component == "text_encoder"] or slots
        text_encoder = first[0].encoder
    own = next((slot for slot in slots if slot.encoder is text_encoder), None)
    tokenizers = (_tokenizer_in(tokenizer),) if tokenizer is not None else own.tokenizers if own else ()
    if not tokenizers or tokenizers[0] is None:
        raise CannotLoad("the text encoder is none of this pipeline's; pass the tokenizer that feeds it, too")
    name = next((name for name, part in _parts(pipe).items() if part is text_encoder), "text_encoder")
    return _slot(name, text_encoder, tokenizers)


def _parts(pipe: Pipeline) -> dict[str, Any]:
    held = cast("dict[str, Any]", vars(pipe))
    return {name: part for name, part in held.items() if part is not None}


def _slot(component: str, encoder: Encoder, tokenizers: tuple[Tokenizer, ...]) -> Slot:
    width = width_of(encoder)
    keys = ENCODER_TYPES.get(getattr(getattr(encoder, "config", None), "model_type", ""), ())
    key = next((key for key in keys if TEXT_ENCODERS[key].width == width), None)
    return Slot(component, encoder, tuple({id(each): each for each in tokenizers}.values()), key, width)


def _is_encoder(part: Any) -> bool:
    return callable(getattr(part, "get_input_embeddings", None)) and callable(getattr(part, "named_modules", None))


def _tokenizers_for(name: str, parts: dict[str, Any]) -> Iterator[Tokenizer]:
    names = (name.replace("text_encoder", "tokenizer"), *OTHER_TOKENIZERS.get(name, ()))
    for tokenizer in map(_tokenizer_in, (parts[each] for each in names if each in parts and each != name)):
        if tokenizer is not None:
            yield tokenizer


def _tokenizer_in(part: Any) -> Tokenizer | None:
    """The tokenizer that a component is, or the one inside a processor."""
    inner = getattr(part, "tokenizer", part)
    return inner if callable(getattr(inner, "convert_tokens_to_ids", None)) else None
