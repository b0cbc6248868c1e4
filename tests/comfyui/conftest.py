"""A stand-in for ComfyUI with folders of its own, gone after each test; loanword's hooks are in it."""

import importlib
import importlib.util
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from comfyui.parts import SD1

collect_ignore = [] if importlib.util.find_spec("torch") else ["test_listing.py", "test_nodes.py", "test_prompts.py"]
STAND_IN = Path(__file__).parent / "stand_in"
NAMES = ("folder_paths", "comfy", "comfy.sd1_clip", "comfy.sd", "comfy_api", "comfy_api.latest")


@dataclass
class Comfy:
    """The stand-in's modules and folders, and what is in its log."""

    base: Path
    folder_paths: ModuleType
    sd1_clip: ModuleType
    sd: ModuleType
    log: list = field(default_factory=list)

    @property
    def embeddings(self):
        return self.base / "models/embeddings"

    @property
    def loras(self):
        return self.base / "models/loras"

    def clip(self, encoders=None):
        """A model's text encoders."""
        return self.sd.CLIP(self.folder_paths.get_folder_paths("embeddings"), encoders or SD1)

    def vectors(self, text, encoders=None, key="l"):
        """The vectors of embeddings in a prompt, as lists, in order."""
        return [token for token in self.tokens(text, encoders, key) if isinstance(token, list)]

    def tokens(self, text, encoders=None, key="l"):
        """The tokens of a prompt up to its end, vectors as lists."""
        (sequence,) = self.clip(encoders).tokenize(text)[key]
        made = [token[0].tolist() if hasattr(token[0], "tolist") else token[0] for token in sequence]
        return made[1 : made.index(49407)]

    def said(self, part=""):
        """The lines that loanword logged, those with `part` in them."""
        return [line for line in self.log if line.startswith("loanword: ") and part in line]


class _Lines(logging.Handler):
    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture
def comfy(tmp_path, monkeypatch):
    """ComfyUI with loanword installed."""
    for name in [each for each in sys.modules if each.split(".")[0] in ("comfy", "comfy_api", "folder_paths")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(STAND_IN)
    monkeypatch.setenv("LOANWORD_LIBRARY", str(tmp_path / "library.sqlite"))
    modules = {name: importlib.import_module(name) for name in NAMES}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    modules["folder_paths"].set_up(tmp_path)
    serving = importlib.import_module("loanword.extension.comfyui.serving")
    announcements = importlib.import_module("loanword.extension.comfyui.announcements")
    hooks = importlib.import_module("loanword.extension.comfyui.hooks")
    announcements.forget()
    assert hooks.install() == []
    host = Comfy(tmp_path, modules["folder_paths"], modules["comfy.sd1_clip"], modules["comfy.sd"])
    handler = _Lines(host.log)
    logging.getLogger().addHandler(handler)
    yield host
    logging.getLogger().removeHandler(handler)
    serving.forget()
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def hooks(comfy):  # noqa: ARG001  # it installs them
    """The hooks that are in it."""
    return importlib.import_module("loanword.extension.comfyui.hooks")
