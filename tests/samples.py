"""Sample files of every format, as the real writers lay them out: payloads made in code, and what is in them.

`PAYLOADS` are what a container would hand over, variant by variant. `WRITABLE` are embeddings that a format's build
takes. `payload_of` turns what a build made into what a container would give back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from loanword.converters.containers.safetensors import HOLE
from loanword.converters.payload import Draft, ParameterDict, Payload, Tensor
from loanword.converters.source import Source
from loanword.embeddings.embedding import Embedding, Provenance, Vectors
from loanword.embeddings.text_encoders import TEXT_ENCODERS

XTI_LAYERS = (
    *("IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "MID"),
    *("OUT03", "OUT04", "OUT05", "OUT06", "OUT07", "OUT08", "OUT09", "OUT10", "OUT11"),
)


def some(count: int, encoder: str = "clip_l", dtype: str = "float32", seed: int = 0) -> Vectors:
    """Vectors like trained ones, the same at every call."""
    width = TEXT_ENCODERS[encoder].width
    numbers = np.random.default_rng([seed, count, width]).normal(0, 0.02, (count, width))
    return Vectors.from_numpy(numbers.astype(np.float32), dtype)


def tensor(vectors: Vectors, *shape: int) -> Tensor:
    """A tensor leaf with the vectors' bytes, in another shape where one is given."""
    return Tensor(vectors.dtype, shape or vectors.shape, vectors.tobytes)


def lora_tensors() -> dict[str, Tensor]:
    """What makes a file a LoRA."""
    rows = Vectors.from_numpy(np.ones((4, 320), np.float32))
    base = "lora_unet_down_blocks_0_attentions_0_proj_in"
    return {f"{base}.lora_down.weight": tensor(rows), f"{base}.lora_up.weight": tensor(rows, 320, 4)}


def payload_of(
    tree: Any,
    path: str = "/tmp/style.pt",
    metadata: dict[str, str] | None = None,
    siblings: dict[str, bytes] | None = None,
    **fields: Any,
) -> Payload:
    """What a container would give for a tree with `Vectors` or tensors as leaves."""
    source = Source(path, 0, b"", siblings=siblings or {})
    return Payload(opened(tree), source, fields.pop("container", "test"), metadata or {}, **fields)


def opened(tree: Any) -> Any:
    if isinstance(tree, Vectors):
        return tensor(tree)
    if isinstance(tree, dict):
        return type(tree)((key, opened(value)) for key, value in tree.items())
    if isinstance(tree, (list, tuple)):
        return type(tree)(opened(value) for value in tree)
    return tree


@dataclass(frozen=True)
class Sample:
    """A payload of `format`, and the embeddings in it: name and vectors, or output or layer vectors."""

    format: str
    variant: str
    payload: Payload
    embeddings: tuple[Embedding, ...]
    warning: str = field(default="", compare=False)
    """A part of a warning that it must carry."""

    def __str__(self) -> str:
        return f"{self.format}: {self.variant}"


def _sample(format_key: str, variant: str, payload: Payload, *embeddings: Embedding, warning: str = "") -> Sample:
    return Sample(format_key, variant, payload, embeddings, warning)


def _named(name: str, vectors: Vectors | None = None, *aliases: str, **more: Any) -> Embedding:
    keyed = (
        {} if vectors is None else {next(k for k, e in TEXT_ENCODERS.items() if e.width == vectors.shape[1]): vectors}
    )
    return Embedding(name, more.pop("vectors", keyed), aliases, **more)


L, L1, H, G = some(3), some(1), some(2, "clip_h"), some(3, "clip_g")
G1, T5 = some(1, "clip_g"), some(5, "t5xxl")
PAIR = {"clip_l": L, "clip_g": G}
JOINED = Vectors.from_numpy(np.concatenate([L.numpy(), G.numpy()], axis=1))
TOKEN_ID = Tensor("int64", (), lambda: (265).to_bytes(8, "little"))
STAR = {"*": 265}
A1111_FACTS = {"name": "badhandv3", "step": 15001, "sd_checkpoint": "72f558e947", "sd_checkpoint_name": "illust"}
AI_TOOLKIT = {"string_to_token": '{"*": 265}', "string_to_param": '{"*": "emb_params"}', "name": '"toolkit"'}
AI_TOOLKIT |= {"step": "500", "sd_checkpoint": "null", "sd_checkpoint_name": "null", "notes": "null"}
XTI = dict.fromkeys(XTI_LAYERS, L)
ED = some(16)
ED_LAYERS = {f"layer_{row:02}": ED.rows(row, row + 1) for row in range(16)}
ZEROS = Vectors("float32", (3, 768), bytes(3 * 768 * 4))
ZERO_G = Vectors("float32", (3, 1280), bytes(3 * 1280 * 4))


def _st(
    tree: Any, path: str = "/tmp/style.safetensors", metadata: dict[str, str] | None = None, **more: Any
) -> Payload:
    return payload_of(tree, path, metadata, **more)


def _safetensors(tree: dict[str, Vectors]) -> bytes:
    from loanword.converters.containers.safetensors import save_safetensors

    return save_safetensors(Draft(tree))


PAYLOADS = (
    _sample(
        "a1111",
        "as A1111 saves it, renamed",
        payload_of({"string_to_token": STAR, "string_to_param": {"*": L}, **A1111_FACTS}, "/tmp/badhandv4.pt"),
        _named("badhandv4", L, "badhandv3"),
    ),
    _sample(
        "a1111",
        "HCP-Diffusion, without string_to_token",
        payload_of({"string_to_param": {"*": L}, "name": "style"}),
        _named("style", L),
    ),
    _sample(
        "a1111",
        "cloneofsimo, token as a tensor",
        payload_of({"string_to_token": {"*": TOKEN_ID}, "string_to_param": {"*": L}, "name": ""}),
        _named("style", L),
    ),
    _sample("a1111", "without any facts", payload_of({"string_to_param": {"*": H}}), _named("style", H)),
    _sample(
        "a1111",
        "ai-toolkit, with notes",
        payload_of({"string_to_token": STAR, "string_to_param": {"*": L}, **A1111_FACTS, "notes": None}),
        _named("style", L, "badhandv3"),
    ),
    _sample(
        "a1111",
        "one dimension is one vector",
        payload_of({"string_to_param": {"*": tensor(L1, 768)}}),
        _named("style", L1),
    ),
    _sample("a1111", "another placeholder", payload_of({"string_to_param": {"<cat>": L}}), _named("style", L, "<cat>")),
    _sample(
        "a1111",
        "several placeholders",
        payload_of({"string_to_token": STAR, "string_to_param": {"*": L, "<dog>": L1}, **A1111_FACTS}),
        _named("style", L, "badhandv3"),
        _named("<dog>", L1),
    ),
    _sample(
        "ldm",
        "original, one concept",
        payload_of(
            {"string_to_token": {"*": TOKEN_ID}, "string_to_param": ParameterDict({"*": L})}, "/tmp/embeddings.pt"
        ),
        _named("embeddings", L),
        warning="its file's name only",
    ),
    _sample(
        "ldm",
        "BERT of the first model",
        payload_of({"string_to_param": ParameterDict({"*": G})}),
        Embedding("style", {"bert_ldm": Vectors("float32", (3, 1280), G.data)}),
    ),
    _sample(
        "ldm",
        "several concepts",
        payload_of({"string_to_param": ParameterDict({"<cat>": L, "<dog>": H})}),
        _named("<cat>", L),
        _named("<dog>", H),
    ),
    _sample(
        "ldm",
        "per-image letters left out",
        payload_of({"string_to_param": ParameterDict({"*": L, "א": L1, "ב": L1})}),
        _named("style", L),
        warning="per_image_tokens",
    ),
    _sample(
        "ldm",
        "subject placeholder",
        payload_of(
            {"string_to_param": ParameterDict({"z": L}), "subject_placeholder": "z", "progressive_counter": 3},
        ),
        _named("style", L, "z"),
    ),
    _sample(
        "hcp-xl",
        "two encoders side by side",
        payload_of({"string_to_param": {"*": JOINED}, "name": "style"}),
        Embedding("style", PAIR),
    ),
    _sample("hcp-folded", "SD 1", _st({"string_to_param:*": L}), _named("style", L)),
    _sample("hcp-folded", "SDXL", _st({"string_to_param:*": JOINED}), Embedding("style", PAIR)),
    _sample("diffusers", "one token", _st({"<cat-toy>": L}, "/tmp/learned_embeds.safetensors"), _named("<cat-toy>", L)),
    _sample("diffusers", "a word of our tables", _st({"llama": L}), _named("llama", L)),
    _sample(
        "diffusers",
        "several tokens of several sizes",
        payload_of({"<a>": L, "<b>": L1, "c": H}),
        _named("<a>", L),
        _named("<b>", L1),
        _named("c", H),
    ),
    _sample(
        "diffusers", "ranks mixed", payload_of({"<a>": L, "<b>": tensor(L1, 768)}), _named("<a>", L), _named("<b>", L1)
    ),
    _sample(
        "diffusers",
        "concept's folder",
        payload_of(
            {"<cat-toy>": L},
            "/tmp/learned_embeds.bin",
            siblings={"token_identifier.txt": b"<cat>\n", "type_of_concept.txt": b"object", "mapper.pt": b""},
        ),
        _named("<cat-toy>", L, "<cat>"),
        warning="NeTI",
    ),
    _sample("diffusers-1d", "sd-concepts-library", payload_of({"<birb>": tensor(L1, 768)}), _named("<birb>", L1)),
    _sample(
        "diffusers-1d",
        "Paddle's pairs",
        payload_of({"<birb>": ("x_0", tensor(L1, 768)), "StructuredToParameterName@@": {"<birb>": "x_0"}}),
        _named("<birb>", L1),
    ),
    _sample("diffusers-3d", "one vector", payload_of({"<birb>": tensor(L1, 1, 1, 768)}), _named("<birb>", L1)),
    _sample(
        "diffusers-pair",
        "SDXL",
        _st(
            {"<cat>": L},
            "/tmp/learned_embeds-steps-500.safetensors",
            siblings={"learned_embeds_2-steps-500.safetensors": _safetensors({"<cat>": G})},
        ),
        Embedding("<cat>", PAIR),
    ),
    _sample(
        "diffusers-pair",
        "Flux",
        _st(
            {"<cat>": L},
            "/tmp/learned_embeds.safetensors",
            siblings={"learned_embeds_2.safetensors": _safetensors({"<cat>": T5})},
        ),
        Embedding("<cat>", {"clip_l": L, "t5xxl": T5}),
    ),
    _sample(
        "diffusers-pair",
        "other tokens in the other half",
        _st(
            {"<cat>": L},
            "/tmp/learned_embeds.safetensors",
            siblings={"learned_embeds_2.safetensors": _safetensors({"<dog>": G})},
        ),
        _named("<cat>", L),
        warning="no vectors of another text encoder",
    ),
    _sample("kohya", "safetensors", _st({"emb_params": L}), _named("style", L)),
    _sample("kohya", "SD 2", _st({"emb_params": H}), _named("style", H)),
    _sample(
        "kohya",
        "Qwen-Image",
        _st({"emb_params": some(2, "qwen25_7b")}),
        Embedding("style", {"qwen25_7b": some(2, "qwen25_7b")}),
    ),
    _sample(
        "kohya",
        "ModelSpec",
        _st({"emb_params": L}, metadata={"modelspec.title": "Style!", "modelspec.trigger_phrase": "sty"}),
        _named("style", L, "Style!", "sty"),
    ),
    _sample(
        "star-key", "flattened", _st({"*": L}, metadata={"name": "other", "step": "7"}), _named("style", L, "other")
    ),
    _sample("ai-toolkit", "SD 1", _st({"emb_params": L}, metadata=AI_TOOLKIT), _named("style", L, "toolkit")),
    _sample("ai-toolkit", "SDXL", _st(PAIR, metadata=AI_TOOLKIT), Embedding("style", PAIR, ("toolkit",))),
    _sample("comfyui", "SDXL pair", _st(PAIR), Embedding("style", PAIR)),
    _sample("comfyui", "SDXL pair in a pickle", payload_of({"clip_l": L, "clip_g": G}), Embedding("style", PAIR)),
    _sample(
        "comfyui",
        "no trained half",
        _st({"clip_l": L, "clip_g": ZERO_G}),
        Embedding("style", {"clip_l": L, "clip_g": ZERO_G}),
        warning="clip_g is all zeros",
    ),
    _sample("comfyui", "clip_l alone", _st({"clip_l": L}), _named("style", L), warning="clip_l alone"),
    _sample(
        "comfyui",
        "unequal counts",
        _st({"clip_l": L, "t5xxl": T5}),
        Embedding("style", {"clip_l": L, "t5xxl": T5}),
        warning="unequal",
    ),
    _sample(
        "comfyui",
        "Cosmos' T5",
        _st({"t5xxl": some(2, "t5_11b")}),
        Embedding("style", {"t5_11b": some(2, "t5_11b")}),
    ),
    _sample("comfyui", "one-dimensional rows", _st({"clip_g": tensor(G1, 1280)}), Embedding("style", {"clip_g": G1})),
    _sample(
        "comfyui-list",
        "prototype of SDXL",
        payload_of([{"0": L}, {"1": G}, {"2": L1}]),
        Embedding("style", {"clip_l": Vectors("float32", (4, 768), L.tobytes() + L1.tobytes()), "clip_g": G}),
        warning="",
    ),
    _sample("onetrainer", "SD 1", _st({"emp_params": L}), _named("style", L)),
    _sample("onetrainer", "SD 2", _st({"emp_params": H}), _named("style", H)),
    _sample("onetrainer", "Flux", _st({"clip_l": L, "t5": T5}), Embedding("style", {"clip_l": L, "t5xxl": T5})),
    _sample("onetrainer", "PixArt", _st({"t5": T5}), Embedding("style", {"t5xxl": T5})),
    _sample(
        "onetrainer",
        "Sana",
        _st({"gemma": some(2, "gemma2_2b")}),
        Embedding("style", {"gemma2_2b": some(2, "gemma2_2b")}),
    ),
    _sample("onetrainer", "Cascade of 2023", _st({"prior": G}), Embedding("style", {"clip_g": G})),
    _sample(
        "onetrainer",
        "output vectors with zero twins",
        _st({"emp_params": ZEROS, "emp_params_out": L}),
        Embedding("style", output_vectors={"clip_l": L}),
        warning="zeros beside",
    ),
    _sample(
        "onetrainer",
        "output vectors of one encoder",
        _st({"clip_l": L, "clip_g": ZERO_G, "clip_g_out": G}),
        Embedding("style", {"clip_l": L}, output_vectors={"clip_g": G}),
        warning="zeros beside",
    ),
    _sample(
        "onetrainer",
        "HiDream's mislabelled output",
        _st({"clip_l": L, "clip_g": ZERO_G, "t5": some(3, "t5xxl"), "t5_out": G}),
        Embedding("style", {"clip_l": L, "t5xxl": some(3, "t5xxl")}, output_vectors={"clip_g": G}),
        warning="HiDream",
    ),
    _sample(
        "cog-pti",
        "its word beside it",
        _st(
            {"text_encoders_0": L, "text_encoders_1": G},
            "/tmp/embeddings.pti",
            siblings={"special_params.json": b'{"TOK": "<s0><s1><s2>"}'},
        ),
        Embedding("TOK", PAIR),
    ),
    _sample(
        "cog-pti",
        "two words",
        _st(
            {"text_encoders_0": L, "text_encoders_1": G},
            "/tmp/embeddings.pti",
            siblings={"special_params.json": b'{"A": "<s0><s2>", "B": "<s1>"}'},
        ),
        Embedding("A", {key: Vectors.from_numpy(each.numpy()[[0, 2]]) for key, each in PAIR.items()}),
        Embedding("B", {key: each.rows(1, 2) for key, each in PAIR.items()}),
    ),
    _sample(
        "cog-pti",
        "without its word",
        _st({"text_encoders_0": L, "text_encoders_1": G}, "/tmp/embeddings.pti"),
        Embedding("embeddings", PAIR),
        warning="its file's name only",
    ),
    _sample("cog-pti", "fal", _st({"text_encoder": L}), _named("style", L)),
    _sample("xti", "safetensors", _st(XTI), Embedding("style", layer_vectors=XTI)),
    _sample(
        "lora-bundle",
        "OneTrainer's SDXL, a name with dots",
        _st({**lora_tensors(), "bundle_emb.my.style v1.5.clip_l": L, "bundle_emb.my.style v1.5.clip_g": G}),
        Embedding("my.style v1.5", PAIR),
    ),
    _sample(
        "lora-bundle",
        "LyCORIS, in every spelling",
        payload_of(
            {
                **lora_tensors(),
                "bundle_emb.one.string_to_param.*": L,
                "bundle_emb.one.string_to_token.*": 265,
                "bundle_emb.two.emb_params": H,
                "bundle_emb.three.<tok.en>": L1,
                "bundle_emb.four.token": L1,
                "bundle_emb.five.string_to_param.*": JOINED,
            }
        ),
        _named("one", L),
        _named("two", H),
        _named("three", L1),
        _named("four", L1),
        Embedding("five", PAIR),
    ),
    _sample(
        "lora-bundle",
        "OneTrainer's output vectors, SD 2, Flux",
        _st(
            {
                "bundle_emb.<out>.clip_l": ZEROS,
                "bundle_emb.<out>.clip_l_out": L,
                "bundle_emb.sd2.clip_l": H,
                "bundle_emb.flux.clip_l": L,
                "bundle_emb.flux.t5": some(3, "t5xxl"),
                **lora_tensors(),
            },
        ),
        Embedding("<out>", output_vectors={"clip_l": L}),
        _named("sd2", H),
        Embedding("flux", {"clip_l": L, "t5xxl": some(3, "t5xxl")}),
        warning="zeros beside",
    ),
    _sample("ai-toolkit-lora", "SD 1", _st({**lora_tensors(), "emb_params": L}), _named("style", L)),
    _sample("ai-toolkit-lora", "SDXL", _st({**lora_tensors(), **PAIR}), Embedding("style", PAIR)),
    _sample(
        "drawthings-lora",
        "SD 1",
        _st({**lora_tensors(), "emb_params": L}, metadata={"trigger_word": "<cat>"}),
        _named("<cat>", L),
    ),
    _sample(
        "drawthings-lora",
        "SDXL with the exporter's hole",
        _st({**lora_tensors(), "clip_g": L, HOLE: G}),
        Embedding("style", PAIR),
        warning="Draw Things",
    ),
    _sample(
        "drawthings-lora",
        "SDXL without the hole",
        _st({**lora_tensors(), "clip_g": L}),
        _named("style", L),
        warning="not in this file",
    ),
    _sample(
        "drawthings-lora",
        "Qwen-Image",
        _st({**lora_tensors(), "qwen25": some(2, "qwen25_7b")}),
        Embedding("style", {"qwen25_7b": some(2, "qwen25_7b")}),
    ),
    _sample(
        "cloneofsimo",
        "two tokens in a LoRA",
        _st(
            {"unet:0:up": tensor(L), "unet:0:down": tensor(L), "<s1>": tensor(L1, 768), "<s2>": tensor(L1, 768)},
            metadata={"unet": '["CrossAttention"]', "unet:0:rank": "4", "<s1>": "<embed>", "<s2>": "<embed>"},
        ),
        _named("<s1>", L1),
        _named("<s2>", L1),
    ),
    _sample(
        "custom-diffusion",
        "delta.bin",
        payload_of({"unet": {"a.weight": L}, "modifier_token": {"<new1>": tensor(L1, 768), "<new2>": tensor(L1, 768)}}),
        _named("<new1>", L1),
        _named("<new2>", L1),
    ),
    _sample(
        "custom-diffusion",
        "SDXL",
        payload_of({"unet": {}, "modifier_token": {"<new1>": [tensor(L1, 768), tensor(G1, 1280)]}}),
        Embedding("<new1>", {"clip_l": L1, "clip_g": G1}),
    ),
    _sample(
        "custom-diffusion",
        "delta.ckpt of the LDM branch",
        payload_of({"state_dict": {"model.attn2.to_k.weight": L, "embed": some(2)}}),
        _named("<new1>", some(2).rows(0, 1)),
        _named("<new2>", some(2).rows(1, 2)),
        warning="convention",
    ),
    _sample(
        "mix-of-show",
        "ED-LoRA",
        payload_of({"params": {"new_concept_embedding": {"<hina1>": ED}, "unet": {"a.lora_up.weight": L}}}),
        Embedding("<hina1>", layer_vectors=ED_LAYERS),
    ),
    _sample(
        "mix-of-show",
        "plain LoRA",
        payload_of(
            {"params": {"new_concept_embedding": {"<hina1>": L1, "<hina2>": L1}, "text_encoder": {}, "unet": {}}}
        ),
        _named("<hina1>", L1),
        _named("<hina2>", L1),
    ),
    _sample("bare-tensor", "with a name", payload_of(L, name="mine"), _named("mine", L)),
)

FACTS = Provenance(
    step=500, checkpoint_name="some model", checkpoint_hash="72f558e947", metadata={"author": "somebody"}
)

_SD1 = (
    _named("style", L),
    _named("猫 <cat-toy>, v1.5!", L1, "neko", provenance=FACTS),
    _named("🦊", some(75, dtype="bfloat16")),
)
_XL = (Embedding("style xl", PAIR, ("sdxl style",)),)
_ONE_VECTOR = (_named("<birb>", L1), _named("two words", some(1, dtype="float16")))

WRITABLE: dict[str, tuple[Embedding, ...]] = {
    "a1111": (*_SD1, _named("sd2", H), Embedding("t5 only", {"t5xxl": T5})),
    "ai-toolkit": (*_SD1, *_XL),
    "cloneofsimo": _ONE_VECTOR,
    "cog-pti": (*_SD1, *_XL),
    "comfyui": (
        *_SD1,
        *_XL,
        Embedding("flux", {"clip_l": L, "t5xxl": T5}),
        Embedding("cosmos", {"t5_11b": some(2, "t5_11b")}),
    ),
    "custom-diffusion": (*_ONE_VECTOR, Embedding("<new1>", {"clip_l": L1, "clip_g": G1})),
    "diffusers": (*_SD1, _named("sd2", H), Embedding("t5 only", {"t5xxl": T5})),
    "diffusers-1d": _ONE_VECTOR,
    "diffusers-3d": _ONE_VECTOR,
    "diffusers-pair": _SD1,
    "hcp-folded": (*_SD1, *_XL),
    "hcp-xl": _XL,
    "kohya": (*_SD1, *_XL, _named("sd2", H), Embedding("t5 only", {"t5xxl": T5})),
    "ldm": (*_SD1, Embedding("first", {"bert_ldm": Vectors("float32", (3, 1280), G.data)})),
    "lora-bundle": (*_SD1, *_XL, _named("sd2", H), Embedding("a.b.c", {"clip_l": L}, output_vectors={"clip_g": G})),
    "mix-of-show": (*_ONE_VECTOR[:1], Embedding("<hina1>", layer_vectors=ED_LAYERS)),
    "onetrainer": (
        *_SD1,
        *_XL,
        _named("sd2", H),
        Embedding("flux", {"clip_l": L, "t5xxl": T5}),
        Embedding("output", output_vectors={"clip_l": L}),
    ),
    "star-key": (*_SD1, _named("sd2", H)),
    "xti": (Embedding("style", layer_vectors=XTI),),
}
"""Embeddings that each format's build takes."""
