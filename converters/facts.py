"""What files say of an embedding beside its vectors: names, training facts, the author's words.

The keys are those of A1111's .pt files (name, step, sd_checkpoint, sd_checkpoint_name), of ModelSpec (`modelspec.*`)
and loanword's own (`loanword.*`, see metadata.py), wherever a container keeps them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ..embeddings.names import safe_filename

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IMPLEMENTATION = "loanword"
"""`modelspec.implementation` of files whose ModelSpec keys are loanword's own."""
MODEL_SPEC_KEYS = ("sai_model_spec", "architecture", "implementation", "title", "trigger_phrase", "hash_sha256")
LONGEST_NAME = 1_000_000
"""Characters; what is longer is a text that happens to stand where a name does."""
_NAMES = ("name", "modelspec.title", "modelspec.trigger_phrase")
_FACTS = frozenset(
    {"step", "sd_checkpoint", "sd_checkpoint_name", "name", "format"}
    | {"loanword.name", "loanword.aliases", "loanword.original_sha256", "loanword.encoder"}
)
_GENERATED = _FACTS | {f"modelspec.{key}" for key in MODEL_SPEC_KEYS}


def stored_names(known: Mapping[str, Any], stored_name: object, aliases: tuple[str, ...]) -> tuple[str, ...]:
    """The names that a file carries, the one it calls itself by first, each once."""
    names = (known.get("loanword.name"), stored_name, *_listed(known), *map(known.get, _NAMES), *aliases)
    return tuple(dict.fromkeys([name for name in names if _is_name(name) and name != "*"]))


def trigger_of(stem: str, names: tuple[str, ...]) -> str:
    """The stem, as in every WebUI, unless it is only the file-name spelling of a name that the file carries."""
    for name in names:
        if name == stem or not stem or safe_filename(name) == stem:
            return name
    return stem or "embedding"


def provenance_fields(known: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Provenance that the file fills, from its facts and metadata."""
    own = known.get("modelspec.implementation") == IMPLEMENTATION
    left_out = _GENERATED if own else _FACTS
    fields: dict[str, Any] = {field: of(known[key]) for key, (field, of) in _FIELDS.items() if key in known}
    metadata = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in known.items()
        if key not in left_out and isinstance(value, (str, int, float, bool))
    }
    if metadata:
        fields["metadata"] = metadata
    return fields


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME


def _listed(known: Mapping[str, Any]) -> tuple[Any, ...]:
    """The aliases that loanword wrote as a JSON list; nothing where it is not one."""
    text = known.get("loanword.aliases")
    if text is None:
        return ()
    try:
        listed = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return ()
    return tuple(cast("list[Any]", listed)) if isinstance(listed, list) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _integer(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isdecimal() and value.isascii() and len(value) < 16 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_FIELDS: dict[str, tuple[str, Callable[[object], object]]] = {
    "step": ("step", _integer),
    "sd_checkpoint_name": ("checkpoint_name", _text),
    "sd_checkpoint": ("checkpoint_hash", _text),
    "loanword.original_sha256": ("ancestor_sha256", _text),
}
"""Key in a file -> field of a Provenance, and what it holds."""
