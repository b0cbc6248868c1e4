"""loanword's settings in the host's Settings page. Nothing here contacts anything online."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "loanword_"
SECTION = ("loanword", "Loanword")

PROGRAMS = "every program of TARGETS"
ALL, NOTHING = "all that loanword reads", "nothing"
BESIDE, READ_ONLY = "write beside the embedding", "only read"


@dataclass(frozen=True)
class Setting:
    """A setting: what it is called, what it is without anyone's doing, and how the page shows it."""

    default: Any
    label: str
    component: str = "Textbox"
    """The name of a Gradio component."""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    info: str = ""
    path: bool = False
    """Whether it names places on the server: then the host's API may neither read nor change it."""


SETTINGS = {
    "folders": Setting(
        "",
        "More folders with embeddings",
        arguments={"lines": 3, "placeholder": "one folder a line"},
        info="beside the WebUI's own; subfolders are included",
        path=True,
    ),
    "model_paths": Setting(
        "",
        "ComfyUI's extra_model_paths.yaml",
        arguments={"placeholder": "path of the file"},
        info="its embeddings folders are used, too",
        path=True,
    ),
    "register": Setting(
        ALL,
        "Embeddings that loanword makes work in prompts",
        "Radio",
        {"choices": [ALL, NOTHING]},
        "with nothing, the WebUI reads its folders as it does without loanword",
    ),
    "target": Setting(
        "a1111",
        "Convert for",
        "Dropdown",
        {"choices": PROGRAMS},
        "what the tab offers first",
    ),
    "sidecars": Setting(
        BESIDE,
        "Descriptions, notes, tags and previews",
        "Radio",
        {"choices": [BESIDE, READ_ONLY]},
        "in the WebUI's own files, where other extensions find them",
    ),
    "host_names": Setting(
        "",
        "Names under which this server may be called",
        arguments={"placeholder": "webui.example.org, …"},
        info="beside localhost and what --server-name says; for the tab behind a proxy",
        path=True,
    ),
}


def add_settings() -> None:
    """Show the settings in the host's Settings page."""
    gradio: Any = importlib.import_module("gradio")
    shared: Any = importlib.import_module("modules.shared")
    for name, setting in SETTINGS.items():
        component = getattr(gradio, setting.component)
        arguments = {**setting.arguments}
        if arguments.get("choices") == PROGRAMS:
            arguments["choices"] = _programs()
        option = shared.OptionInfo(
            setting.default, setting.label, component, arguments, section=SECTION, restrict_api=setting.path
        )
        shared.opts.add_option(PREFIX + name, option.info(setting.info) if setting.info else option)


def _programs() -> list[tuple[str, str]]:
    from ...converters.targets import TARGETS

    return [(row.title, key) for key, row in TARGETS.items()]


def listed(text: str) -> Iterator[str]:
    """The entries of a setting that has several, one a line or between commas."""
    for line in text.replace(",", "\n").splitlines():
        if entry := line.strip().strip('"'):
            yield entry
