"""What ComfyUI asks a custom node's folder for, and the start of everything else.

Source: ComfyUI 0.3.64, `nodes.py`, `load_custom_node`: NODE_CLASS_MAPPINGS, if it is there, goes before
comfy_entrypoint.
"""

from __future__ import annotations

import logging
from typing import Any

from . import hooks, listing, v1, v3
from .nodes import NODES

NAMES = ("WEB_DIRECTORY", "NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "comfy_entrypoint")
WEB_DIRECTORY = "./extension/comfyui/web"


def provided(name: str) -> Any:
    """What ComfyUI finds under one of NAMES; raises AttributeError where it is to find nothing."""
    if name == "WEB_DIRECTORY":
        start()
        return WEB_DIRECTORY
    modern = v3.is_there()
    if name == "comfy_entrypoint" and modern:
        return comfy_entrypoint
    if name in NAMES and not modern and name != "comfy_entrypoint":
        classes, titles = v1.mappings(NODES)
        return classes if name == "NODE_CLASS_MAPPINGS" else titles
    raise AttributeError(name)


async def comfy_entrypoint() -> Any:
    """The extension with loanword's nodes."""
    return v3.extension(NODES)


def start() -> None:
    """Let prompts and lists know loanword's embeddings; what is lost in this ComfyUI is logged."""
    logger = logging.getLogger("loanword")
    for missing in (*hooks.install(), *listing.install()):
        logger.warning("loanword: this ComfyUI is unlike those that loanword knows: %s", missing)
