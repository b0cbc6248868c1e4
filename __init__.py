"""loanword: textual-inversion embeddings, read and written for every program, and loaded into diffusers.

Every public name lives in one of the folders below and is fetched from there when it is first used, so that importing
loanword costs nothing. There are no eager imports: ComfyUI and the WebUIs load this folder under names of their own.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .converters.bundles import bundle, unbundle
    from .converters.collection import embeddings_in, prompt_names
    from .converters.container import all_containers as containers
    from .converters.files import Identity, identify, read, read_all
    from .converters.format import all_formats as formats
    from .converters.indexing import open_library
    from .converters.many.conversion import convert_many
    from .converters.many.report import Totals
    from .converters.targets import TARGETS
    from .converters.verification import Verification, verify
    from .converters.writing import Rendered, convert, render, write
    from .embeddings.embedding import Embedding, Provenance, Vectors
    from .embeddings.errors import (
        CannotLoad,
        CannotWrite,
        Damaged,
        FileError,
        LoanwordError,
        MalformedEmbedding,
        NotAnEmbedding,
        SeveralEmbeddings,
        UnknownName,
        Unreadable,
        UnrecognisedFormat,
        UnsafePickle,
    )
    from .embeddings.library import IndexedEmbedding, IndexedFile, Library, Page, Query, Row, Scan
    from .embeddings.prompt_syntaxes import PROMPT_SYNTAXES, PromptCheck, check_prompt, references_in, translate
    from .embeddings.text_encoders import BASE_MODELS, TEXT_ENCODERS
    from .loader.patching import patch_diffusers, unpatch_diffusers
    from .loader.report import Report, report
    from .loader.textual_inversion import Loaded, LoadedEmbedding, load_textual_inversion, loaded, unload
    from .loader.vocabulary import AttachedFolder, attach

__version__ = "0.1.0"

__all__ = [
    "BASE_MODELS",
    "PROMPT_SYNTAXES",
    "TARGETS",
    "TEXT_ENCODERS",
    "AttachedFolder",
    "CannotLoad",
    "CannotWrite",
    "Damaged",
    "Embedding",
    "FileError",
    "Identity",
    "IndexedEmbedding",
    "IndexedFile",
    "Library",
    "Loaded",
    "LoadedEmbedding",
    "LoanwordError",
    "MalformedEmbedding",
    "NotAnEmbedding",
    "Page",
    "PromptCheck",
    "Provenance",
    "Query",
    "Rendered",
    "Report",
    "Row",
    "Scan",
    "SeveralEmbeddings",
    "Totals",
    "UnknownName",
    "Unreadable",
    "UnrecognisedFormat",
    "UnsafePickle",
    "Vectors",
    "Verification",
    "attach",
    "bundle",
    "check_prompt",
    "containers",
    "convert",
    "convert_many",
    "embeddings_in",
    "formats",
    "identify",
    "load_textual_inversion",
    "loaded",
    "open_library",
    "patch_diffusers",
    "prompt_names",
    "read",
    "read_all",
    "references_in",
    "render",
    "report",
    "translate",
    "unbundle",
    "unload",
    "unpatch_diffusers",
    "verify",
    "write",
]

_MODULES = {
    "converters.bundles": ("bundle", "unbundle"),
    "converters.collection": ("embeddings_in", "prompt_names"),
    "converters.container": ("all_containers as containers",),
    "converters.files": ("Identity", "identify", "read", "read_all"),
    "converters.format": ("all_formats as formats",),
    "converters.indexing": ("open_library",),
    "converters.many.conversion": ("convert_many",),
    "converters.many.report": ("Totals",),
    "converters.targets": ("TARGETS",),
    "converters.verification": ("Verification", "verify"),
    "converters.writing": ("Rendered", "convert", "render", "write"),
    "embeddings.embedding": ("Embedding", "Provenance", "Vectors"),
    "embeddings.errors": (
        "CannotLoad",
        "CannotWrite",
        "Damaged",
        "FileError",
        "LoanwordError",
        "MalformedEmbedding",
        "NotAnEmbedding",
        "SeveralEmbeddings",
        "UnknownName",
        "Unreadable",
        "UnrecognisedFormat",
        "UnsafePickle",
    ),
    "embeddings.library": ("IndexedEmbedding", "IndexedFile", "Library", "Page", "Query", "Row", "Scan"),
    "embeddings.prompt_syntaxes": ("PROMPT_SYNTAXES", "PromptCheck", "check_prompt", "references_in", "translate"),
    "embeddings.text_encoders": ("BASE_MODELS", "TEXT_ENCODERS"),
    "loader.patching": ("patch_diffusers", "unpatch_diffusers"),
    "loader.report": ("Report", "report"),
    "loader.textual_inversion": ("Loaded", "LoadedEmbedding", "load_textual_inversion", "loaded", "unload"),
    "loader.vocabulary": ("AttachedFolder", "attach"),
}
"""The imports above once more, for the running program; a test holds them equal."""


_COMFYUI = frozenset(("WEB_DIRECTORY", "NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "comfy_entrypoint"))
"""What ComfyUI asks for after it has loaded this folder from its `custom_nodes`."""


def __getattr__(name: str) -> Any:
    if name in _COMFYUI and "comfy.sd1_clip" in sys.modules:
        return importlib.import_module(f"{__name__}.extension.comfyui.entry").provided(name)
    for module, names in _MODULES.items():
        for entry in names:
            attribute, _, public = entry.partition(" as ")
            if name == (public or attribute):
                value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
                globals()[name] = value
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
