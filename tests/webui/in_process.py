"""The small WebUI of `stand_in` in this process: its modules without its page, and what Forge has besides."""

import contextlib
import importlib
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

STAND_IN = Path(__file__).with_name("stand_in")
PAGE_LIBRARY = "gradio"


@contextlib.contextmanager
def webui_modules(folder, *, model="sd1", forge=False):
    """`modules.*` as an extension finds them, for one data folder; gone again at the end."""
    for name in ("embeddings", "models/Lora"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    before, path, arguments = {**sys.modules}, [*sys.path], sys.argv
    sys.path.insert(0, str(STAND_IN))
    sys.argv = ["webui.py", "--data-dir", str(folder), "--model", model]
    sys.modules[PAGE_LIBRARY] = MagicMock()
    try:
        modules = {name: importlib.import_module(f"modules.{name}") for name in ("shared", "sd_models", "sd_hijack")}
        if forge:
            _add_forge(folder)
        yield types.SimpleNamespace(**modules)
    finally:
        sys.path[:], sys.argv = path, arguments
        for name in {*sys.modules} - {*before}:
            if name.partition(".")[0] in ("modules", "backend", "modules_forge", PAGE_LIBRARY):
                del sys.modules[name]
        sys.modules.update({name: before[name] for name in (PAGE_LIBRARY,) if name in before})


def _add_forge(folder):
    """Forge's second class of databases, which asks a tokenizer instead of a model; and an engine that has one."""
    webui = importlib.import_module("modules.textual_inversion.textual_inversion")
    model = importlib.import_module("modules.sd_models").model_data.sd_model
    source = Path(webui.__file__).read_text(encoding="utf-8")
    for name in ("backend", "backend.text_processing"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = []
    engines = types.ModuleType("backend.text_processing.textual_inversion")
    exec(compile(source, webui.__file__, "exec"), engines.__dict__)

    class Database(engines.EmbeddingDatabase):
        def __init__(self, expected_shape):
            super().__init__()
            self.expected_shape = expected_shape

        def register_embedding(self, embedding):
            return super().register_embedding(embedding, model)

        def get_expected_shape(self):
            return self.expected_shape

    engines.EmbeddingDatabase = Database
    sys.modules[engines.__name__] = engines

    def new_engine():
        engine = types.SimpleNamespace(embeddings=Database(model.cond_stage_model.width))
        engine.embeddings.add_embedding_dir(str(folder / "embeddings"))
        engine.embeddings.load_textual_inversion_embeddings()
        return engine

    model.new_engine = new_engine
