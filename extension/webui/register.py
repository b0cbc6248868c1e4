"""What `scripts/loanword_tab.py` calls whenever a WebUI loads its scripts, at its start and at each "Reload UI".

Whatever of loanword fails leaves a line and the WebUI as it is; nothing here may keep it from starting.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .callbacks import on
from .hosts.chooser import running_host
from .prompts.generation import generation_script
from .prompts.infotext import name_once
from .prompts.patches import Patches
from .prompts.prompt_words import understand_comfyui
from .prompts.registration import Registration
from .settings import ALL, add_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .hosts.host import Host

    Answer = TypeVar("Answer")

_log = logging.getLogger("loanword")


@dataclass
class Running:
    """loanword in a running WebUI."""

    host: Host
    registration: Registration
    patches: Patches

    def stop(self) -> None:
        """Undo every change to the host."""
        self.registration.stop()
        self.patches.undo()


_running: list[Running] = []
"""The one of this process, or none: modules outlive "Reload UI", scripts do not."""


def register(script: str = __file__) -> type[Any] | None:
    """Add loanword to the WebUI that runs `script`; returns the script class that the WebUI has to find there."""
    _stop()
    return _guarded("the extension", partial(_start, script), None)


def running() -> Running | None:
    """What is running, for the tab and the API."""
    return _running[0] if _running else None


def _start(script: str) -> type[Any] | None:
    host = running_host()
    here = Running(host, Registration(host), Patches())
    _running.append(here)
    on("script_unloaded", _stop, script)
    on("ui_settings", partial(_guarded, "the settings", add_settings, None), script)
    on("ui_tabs", partial(_guarded, "the tab", partial(_tabs, host), []), script)
    on("model_loaded", partial(_filled, here), script)
    on("app_started", partial(_mounted, host), script)
    _guarded("making embeddings work in prompts", partial(_take_part, here), None)
    return _guarded("the script around generations", partial(generation_script, host, here.registration), None)


def _take_part(here: Running) -> None:
    if here.host.option("register") == ALL:
        here.host.lose(here.registration.start())
        here.host.lose(understand_comfyui(here.host, here.registration, here.patches))
        here.host.lose(name_once(here.host, here.patches))


def _stop() -> None:
    while _running:
        _guarded("undoing its changes", _running.pop().stop, None)


def _filled(here: Running, _model: Any) -> None:
    _guarded("reading the embeddings", here.registration.before_generation, None)


def _tabs(host: Host) -> list[Any]:
    return _part("tab").tabs(host)


def _mounted(host: Host, _demo: Any, app: Any) -> None:
    _guarded("the API", lambda: _part("mounting").mount(app, host), None)


def _part(name: str) -> Any:
    return importlib.import_module(f".{name}", __package__)


def _guarded(what: str, act: Callable[[], Answer], otherwise: Answer) -> Answer:
    """What `act` gives; where it fails, a line in the log and `otherwise`."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001  # the WebUI has to start, whatever loanword lacks in it
        _log.warning("loanword: %s failed, the WebUI goes on without (%s: %s)", what, type(error).__name__, error)
        _log.debug("loanword: %s", what, exc_info=True)
        return otherwise
