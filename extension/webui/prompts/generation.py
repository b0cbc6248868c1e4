"""What loanword does around each generation: the WebUI finds this script in `scripts/loanword_tab.py`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..hosts.host import Host
    from .registration import Registration


def generation_script(host: Host, registration: Registration) -> type[Any]:
    """The script class, made here because it derives from one that only a running WebUI has."""
    scripts: Any = importlib.import_module("modules.scripts")

    class Loanword(scripts.Script):
        """Shows nothing; is called before and after every generation."""

        create_group = False

        def title(self) -> str:
            return "Loanword"

        def show(self, is_img2img: bool) -> Any:  # noqa: ARG002  # the host's signature
            return scripts.AlwaysVisible

        def process(self, p: Any, *_args: Any) -> None:  # noqa: ARG002
            registration.before_generation()

        def after_extra_networks_activate(self, p: Any, *_args: Any, **kwargs: Any) -> None:  # noqa: ARG002
            registration.use_loras(_lora_names(kwargs.get("extra_network_data")))

        def postprocess(self, p: Any, processed: Any, *_args: Any) -> None:  # noqa: ARG002
            images: list[Any] = getattr(processed, "images", None) or []
            first: int = getattr(processed, "index_of_first_image", 0)
            if len(images) > first:
                host.remember_image(images[first])

    return Loanword


def _lora_names(extra_networks: Any) -> list[str]:
    """The LoRAs of a prompt: `<lora:name:1>`, `<lyco:name:1>`."""
    data: dict[str, list[Any]] = extra_networks or {}
    items = [item for kind in ("lora", "lyco") for item in data.get(kind, ())]
    return [item.positional[0] for item in items if item.positional]
