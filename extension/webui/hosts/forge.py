"""Forge and Forge Neo, whose text encoders each have a database of their own; their pages and their API have others.

Source: Forge (June 2025) and Forge Neo (August 2026): `backend/diffusion_engine/*.py`, `modules/processing.py`,
`modules/ui_extra_networks_textual_inversion.py`, `modules/api/api.py`.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from .a1111 import A1111
from .databases import FORGE_ENGINE, FORGE_PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .databases import DatabaseKind

_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")
_BASE_MODELS: Mapping[str, str] = {
    "StableDiffusion": "sd1",
    "StableDiffusion2": "sd2",
    "StableDiffusionXL": "sdxl",
    "StableDiffusionXLRefiner": "sdxl",
    "StableDiffusion3": "sd3",
    "Flux": "flux",
    "Chroma": "chroma",
}
"""Class of the loaded model -> base model."""


class Forge(A1111):
    """Forge, as it was left by its author."""

    key = "forge"
    title = "Forge"
    target = "forge"
    database_kinds: Sequence[DatabaseKind] = (FORGE_ENGINE, FORGE_PAGE)
    live_kind = FORGE_ENGINE
    encoding = ("backend.text_processing.classic_engine", "ClassicTextProcessingEngine", "__call__")

    def base_model(self) -> str | None:
        return _BASE_MODELS.get(type(self.model()).__name__) or super().base_model()

    def _model(self) -> Any | None:
        model = super()._model()
        return model if any(hasattr(model, name) for name in ("forge_objects", *_ENGINES)) else None

    def _databases(self, model: Any) -> list[Any]:
        return [engine.embeddings for engine in self._text_encoders(model) if hasattr(engine, "embeddings")]

    def _text_encoders(self, model: Any) -> list[Any]:
        return [engine for name in _ENGINES if (engine := getattr(model, name, None)) is not None]

    def _infotext_fields(self) -> list[dict[str, Any]]:
        return [getattr(self.model(), "extra_generation_params", {}), self._last_infotext_fields()]

    def _last_infotext_fields(self) -> dict[str, Any]:
        return importlib.import_module("backend.text_processing.classic_engine").last_extra_generation_params


class ForgeNeo(Forge):
    """Forge Neo, which keeps what infotexts say in a place of its own, and LoRAs in several."""

    key = "forge-neo"
    title = "Forge Neo"

    def lora_folders(self) -> Sequence[str]:
        more: Sequence[str] = getattr(self._options(), "lora_dirs", None) or ()
        return [*super().lora_folders(), *(str(folder) for folder in more if os.path.isdir(folder))]

    def _last_infotext_fields(self) -> dict[str, Any]:
        return importlib.import_module("backend.args").dynamic_args.last_extra_generation_params
