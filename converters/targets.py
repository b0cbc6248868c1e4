"""What each program takes: one row per program. A new program is a new row.

Source: the programs' own readers: A1111 1.10.1, Forge and SD.Next `modules/textual_inversion`, ComfyUI
`comfy/sd1_clip.py: load_embed`, InvokeAI 6 `backend/textual_inversion.py`, diffusers 0.42
`loaders/textual_inversion.py`, OneTrainer `modules/modelLoader/*EmbeddingLoader.py`, stable-diffusion.cpp
`conditioner.hpp`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..embeddings.dtypes import DTYPES, dtype_named
from ..embeddings.errors import CannotWrite, UnknownName
from ..embeddings.names import safe_filename
from ..embeddings.text_encoders import BASE_MODELS, TEXT_ENCODERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..embeddings.embedding import Embedding, Vectors

_ANY_NAME = re.compile(r".+", re.DOTALL)


@dataclass(frozen=True)
class Target:
    """A program to write for: which base models it takes embeddings of, in which format, and its reader's limits."""

    key: str
    title: str
    formats: Mapping[str, str]
    """Base model -> format; the container is the format's first."""
    dtypes: frozenset[str]
    """The dtypes its reader reads right."""
    any_encoders: bool = False
    """Whether any part of a listed base model's encoders will do."""
    equal_counts: bool = True
    """Whether every encoder must have the same number of vectors."""
    most_vectors: int | None = None
    file_per_encoder: bool = False
    output_vectors: bool = False
    name_characters: re.Pattern[str] = _ANY_NAME
    """What of a name its prompts can say; the rest becomes "_"."""
    because: str = ""
    """Why it takes nothing else, as half a sentence."""

    def format_for(self, embedding: Embedding) -> str:
        """The format that its reader takes this embedding in; raises CannotWrite, saying why, where there is none."""
        if embedding.layer_vectors:
            raise self._refusal(embedding, "per-layer embeddings work only in the program that trained them")
        if embedding.output_vectors and not self.output_vectors:
            raise self._refusal(embedding, "output-space vectors work only in OneTrainer, where they were trained")
        encoders = set(embedding.vectors) | set(embedding.output_vectors)
        chosen = next((each for base, each in self.formats.items() if self._takes(encoders, base)), None)
        if chosen is None:
            what = " + ".join(TEXT_ENCODERS[key].title for key in (*embedding.vectors, *embedding.output_vectors))
            raise self._refusal(embedding, f"it has vectors for {what}, and {self.title} {self.because}")
        counts = {vectors.shape[0] for vectors in embedding.vectors.values()}
        if self.equal_counts and len(counts) > 1:
            numbers = ", ".join(f"{key} {vectors.shape[0]}" for key, vectors in embedding.vectors.items())
            raise self._refusal(embedding, f"its encoders have unequal numbers of vectors ({numbers})")
        if self.most_vectors and max(counts, default=0) > self.most_vectors:
            raise self._refusal(embedding, f"of its {max(counts)} vectors only {self.most_vectors} would be used")
        return chosen

    def file_stem(self, embedding: Embedding) -> str:
        """The file name, without suffix, under which the program's prompts can call it."""
        stem = safe_filename(embedding.name)
        said = "".join(c if self.name_characters.fullmatch(c) else "_" for c in stem)
        if not any(c.isalnum() for c in said):
            raise self._refusal(embedding, f"its name cannot be typed in {self.title}; give it another name")
        return said

    def with_readable_dtype(self, embedding: Embedding) -> Embedding:
        """The embedding in dtypes that the program reads right, no value changed; raises CannotWrite otherwise."""
        changed = {
            kind: {key: self._readable(embedding, key, vectors) for key, vectors in getattr(embedding, kind).items()}
            for kind in ("vectors", "output_vectors")
        }
        return embedding.replace(**changed)

    def _readable(self, embedding: Embedding, key: str, vectors: Vectors) -> Vectors:
        if vectors.dtype in self.dtypes:
            return vectors
        held = dtype_named(vectors.dtype)
        wider = [row for row in DTYPES.values() if row.name in self.dtypes and row.holds(held)]
        if wider:
            return vectors.cast(min(wider, key=lambda row: row.itemsize).name)
        for name in sorted(self.dtypes):
            cast = vectors.cast(name)
            if cast.cast(vectors.dtype) == vectors:
                return cast
        usable = ", ".join(sorted(self.dtypes))
        raise self._refusal(
            embedding, f"{key} is of {vectors.dtype}, {self.title} reads {usable}; name a dtype to have it rounded"
        )

    def _takes(self, encoders: set[str], base_model: str) -> bool:
        known = set(BASE_MODELS[base_model].encoders)
        return encoders <= known if self.any_encoders else encoders == known

    def _refusal(self, embedding: Embedding, reason: str) -> CannotWrite:
        return CannotWrite(f"{embedding.name!r} cannot be written for {self.title}: {reason}")


def _rows(formats: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    """Format -> base models, turned round."""
    return MappingProxyType({base: name for name, bases in formats.items() for base in bases})


_TORCH_DTYPES = frozenset(("float32", "float16", "bfloat16", "float64"))
_WEBUI = _rows({"kohya": ("sd1", "sd2"), "comfyui": ("sdxl",)})
_COMFYUI = (
    *("sd1", "sd2", "sdxl", "sd3", "flux", "hidream", "hunyuan-video", "cosmos", "anima"),
    *("flux2", "flux2-klein-4b", "flux2-klein-9b"),
)
_ONETRAINER = ("sdxl", "sd3", "flux", "hidream", "hunyuan-video", "cascade", "chroma", "sana")

TARGETS = {
    target.key: target
    for target in (
        Target(
            "a1111",
            "AUTOMATIC1111",
            _WEBUI,
            _TORCH_DTYPES,
            most_vectors=75,
            because="knows embeddings of SD 1.x, SD 2.x and SDXL only",
        ),
        Target(
            "forge",
            "Forge",
            _WEBUI,
            _TORCH_DTYPES,
            most_vectors=75,
            because="applies whole embeddings of SD 1.x, SD 2.x and SDXL only",
        ),
        Target(
            "comfyui",
            "ComfyUI",
            _rows({"comfyui": _COMFYUI}),
            _TORCH_DTYPES,
            any_encoders=True,
            equal_counts=False,
            name_characters=re.compile(r"[^\s,<\[\]()]"),
            because="looks up no embeddings for that combination of encoders",
        ),
        Target(
            "invokeai",
            "InvokeAI",
            _WEBUI,
            _TORCH_DTYPES,
            most_vectors=75,
            name_characters=re.compile(r"[a-zA-Z0-9., _-]"),
            because="knows embeddings of SD 1.x, SD 2.x and SDXL only",
        ),
        Target(
            "diffusers",
            "diffusers",
            _rows({"diffusers": ("sd1", "sd2", "sdxl", "flux")}),
            _TORCH_DTYPES,
            equal_counts=False,
            file_per_encoder=True,
            because="loads embeddings into pipelines of SD 1.x, SD 2.x, SDXL and Flux only; "
            "loanword.load_textual_inversion has no such limit",
        ),
        Target(
            "onetrainer",
            "OneTrainer",
            _rows({"onetrainer": ("sd1", "sd2", *_ONETRAINER)}),
            _TORCH_DTYPES,
            any_encoders=True,
            equal_counts=False,
            output_vectors=True,
            because="trains no embeddings for that combination of encoders",
        ),
        Target(
            "sdnext",
            "SD.Next",
            _WEBUI,
            _TORCH_DTYPES,
            because="loads embeddings of SD 1.x, SD 2.x and SDXL only",
        ),
        Target(
            "stable-diffusion-cpp",
            "stable-diffusion.cpp",
            _rows({"kohya": ("sd1", "sd2")}),
            frozenset(("float32",)),
            because="mixes up the two encoders of SDXL embeddings and knows no others than SD 1.x and SD 2.x",
        ),
    )
}


def target_named(key: str) -> Target:
    """The row of TARGETS for `key`; raises UnknownName."""
    try:
        return TARGETS[key]
    except KeyError:
        raise UnknownName(f"no program is called {key!r}; there are {', '.join(TARGETS)}") from None
