"""What infotexts say of embeddings: each once, and on Forge with the hash of its file, which it leaves out.

Source: A1111 1.10.1 `modules/sd_hijack_clip.py`, `forward`, and Forge `backend/text_processing/classic_engine.py`,
`__call__`: each text encoder adds its own list for each prompt.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..hosts.host import Host
    from .patches import Patches

HASHES, NAMES = "TI hashes", "TI"


def name_once(host: Host, patches: Patches) -> list[str]:
    """Have infotexts name each embedding once; returns a sentence where the host is not as expected."""
    if host.encoding is None:
        return []
    module, class_name, method = host.encoding

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        tidy(host.infotext_fields(), host)
        return result

    try:
        patches.wrap(getattr(importlib.import_module(module), class_name), method, around)
    except (ImportError, AttributeError) as error:
        return [f"The infotext of {host.title} may name an embedding twice ({error})."]
    return []


def tidy(noted: Sequence[dict[str, Any]], host: Host) -> None:
    """Have the last of what was noted name each embedding once, those of earlier prompts too.

    Where the host notes only names, the hashes stand beside them.
    """
    if not noted:
        return
    fields = noted[-1]
    for key in (HASHES, NAMES):
        if isinstance(fields.get(key), str):
            listed = [name for each in noted for name in str(each.get(key, "")).split(", ") if name]
            fields[key] = ", ".join(dict.fromkeys(listed))
    if NAMES in fields and (hashes := _hashes(fields[NAMES].split(", "), host)):
        fields[HASHES] = ", ".join(hashes)


def _hashes(names: list[str], host: Host) -> list[str]:
    """The names with the hashes of their files, as the host computes them."""
    known = {
        name.replace(":", "").replace(",", ""): embedding
        for database in host.live_databases()[:1]
        for name, embedding in database.word_embeddings.items()
    }
    found = {name: _short_hash(known[name]) for name in names if name in known and host.hashes_files()}
    return [f"{name}: {short}" for name, short in found.items() if short]


def _short_hash(embedding: Any) -> str | None:
    title = f"textual_inversion/{embedding.name}"
    computed = importlib.import_module("modules.hashes").sha256(embedding.filename, title)
    return computed and computed[:12]
