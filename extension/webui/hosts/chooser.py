"""Which WebUI this is."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from .a1111 import A1111
from .forge import Forge, ForgeNeo
from .sdnext import SDNext

if TYPE_CHECKING:
    from .host import Host


class ReForge(A1111):
    """Panchovix' reForge: AUTOMATIC1111's modules above Forge's former backend."""

    key = "reforge"
    title = "reForge"


class ForgeClassic(A1111):
    """Forge classic: AUTOMATIC1111's modules, as Forge was in 2024."""

    key = "forge-classic"
    title = "Forge classic"
    encoding = ("modules.sd_hijack_clip", "FrozenCLIPEmbedderWithCustomWordsBase", "forward")


_HOSTS: tuple[tuple[str, type[A1111]], ...] = (
    ("modules.sd_offload", SDNext),
    ("backend.text_processing.qwen_engine", ForgeNeo),
    ("backend.text_processing", Forge),
    ("ldm_patched.contrib.nodes", ReForge),
    ("modules_forge", ForgeClassic),
)
"""A module that only one host has, and the host; asked in this order."""


def running_host() -> Host:
    """The WebUI that this process is; what is none of those known is taken for AUTOMATIC1111."""
    return next((kind for module, kind in _HOSTS if _exists(module)), A1111)()


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # one of the packages around it is missing
        return False
