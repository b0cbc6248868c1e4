"""SD.Next, which puts the vectors of embeddings into the tokenizers and text encoders of each loaded pipeline.

Source: SD.Next (July 2026) `modules/textual_inversion.py`, `modeldata.py`, `prompt_parser_diffusers.py`, `webui.py`.
"""

from __future__ import annotations

import importlib
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .a1111 import A1111
from .databases import SDNEXT_DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .databases import DatabaseKind

_BASE_MODELS: Mapping[str, str] = {"sdxl": "sdxl", "sd3": "sd3", "f1": "flux", "chroma": "chroma", "sc": "cascade"}
"""What `shared.sd_model_type` says -> base model. The flags that A1111 has say the same of all here."""
_BY_WIDTH = {768: "sd1", 1024: "sd2"}
"""Where it says "sd": by the width of the text encoder."""
_ENCODERS = (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2"), ("text_encoder_3", "tokenizer_3"))


class SDNext(A1111):
    """Vladimir Mandic's SD.Next."""

    key = "sdnext"
    title = "SD.Next"
    target = "sdnext"
    database_kinds: Sequence[DatabaseKind] = (SDNEXT_DATABASE,)
    live_kind = SDNEXT_DATABASE
    prompt_functions: Sequence[tuple[str, str, str]] = (
        ("modules.prompt_parser_diffusers", "PromptEmbedder", "__init__"),
    )
    encoding: tuple[str, str, str] | None = None

    def embedding_folders(self) -> Sequence[str]:
        return list(dict.fromkeys((str(_shared().opts.embeddings_dir), *self.extra_folders())))

    def base_model(self) -> str | None:
        model = self.model()
        return None if model is None else self._or_empty("which model is loaded", lambda: _base_model(model), None)

    def reads(self, format_key: str, container_key: str, base_model: str | None) -> bool:
        # it takes a tensor with one dimension for as many vectors as that has numbers
        return format_key != "diffusers-1d" and super().reads(format_key, container_key, base_model)

    def prompt_length(self, prompt: str, *, negative: bool = False) -> tuple[int, int] | None:
        del prompt, negative  # its counter is another; loanword counts itself
        return None

    def infotext_fields(self) -> Sequence[dict[str, Any]]:
        return []  # it names each embedding once by itself

    def _model(self) -> Any | None:
        shared = _shared()
        return shared.sd_model if shared.sd_loaded else None

    def _databases(self, model: Any) -> list[Any]:
        database = getattr(model, "embedding_db", None)
        return [] if database is None else [database]

    def _text_encoders(self, model: Any) -> list[Any]:
        """The pipeline's text encoders, each with the words that its tokenizer had before any embedding."""
        return [
            SimpleNamespace(
                text_encoder=SimpleNamespace(model=SimpleNamespace(token_embedding=encoder.get_input_embeddings())),
                tokenizer=SimpleNamespace(get_vocab=lambda tokenizer=tokenizer: _vocabulary(tokenizer)),
            )
            for encoder, tokenizer in _pairs(model)
        ]

    def _logins(self) -> dict[str, str]:
        """Those of --auth and --auth-file, which are the API's, too."""
        options = self._options()
        entries = str(getattr(options, "auth", None) or "").strip('"').replace("\n", "").split(",")
        path = getattr(options, "auth_file", None)
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                entries += [entry for line in file for entry in line.split(",")]
        pairs = (entry.strip().split(":", 1) for entry in entries)
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and all(pair)}


def _shared() -> Any:
    return importlib.import_module("modules.shared")


def _base_model(model: Any) -> str | None:
    kind = str(_shared().sd_model_type)
    if kind != "sd":
        return _BASE_MODELS.get(kind)
    return _BY_WIDTH.get(int(model.text_encoder.get_input_embeddings().weight.shape[1]))


def _pairs(model: Any) -> Iterator[tuple[Any, Any]]:
    for encoder_name, tokenizer_name in _ENCODERS:
        encoder, tokenizer = getattr(model, encoder_name, None), getattr(model, tokenizer_name, None)
        if encoder is not None and tokenizer is not None:
            yield encoder, tokenizer


def _vocabulary(tokenizer: Any) -> dict[str, int]:
    ids: dict[str, int] = tokenizer.get_vocab()
    return {word: row for word, row in ids.items() if row < tokenizer.vocab_size}
