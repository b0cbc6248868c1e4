"""Pipelines that are built once and handed to each test as new: whatever a test loads is removed after it."""

import os
import warnings
from importlib.util import find_spec

import pytest

NEEDED = ("torch", "transformers", "diffusers", "open_clip")
MISSING = [name for name in NEEDED if find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []
"""Without the libraries there is nothing here to test; they are what `loanword[diffusers]` and `[dev]` install."""

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
if not MISSING:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries warn of while they are imported is not ours
        import tiny_pipelines
        import torch
        from diffusers import FluxPipeline, StableDiffusion3Pipeline, StableDiffusionXLPipeline  # noqa: F401
        from loanword.loader.textual_inversion import unload

    torch.set_num_threads(2)

BUILDERS = ("sd1", "sd2", "sdxl", "sdxl_refiner", "sd3", "flux")
_built = {}


def _pipeline(kind):
    if kind not in _built:
        pipe = getattr(tiny_pipelines, kind)()
        pipe.set_progress_bar_config(disable=True)
        _built[kind] = pipe
    return _built[kind]


def _fixture(kind):
    @pytest.fixture(name=kind)
    def fixture():
        pipe = _pipeline(kind)
        yield pipe
        unload(pipe)

    return fixture


for _kind in BUILDERS:
    globals()[_kind] = _fixture(_kind)


@pytest.fixture
def pipeline_of():
    """A pipeline by its kind, with everything unloaded afterwards."""
    used = []

    def get(kind):
        used.append(_pipeline(kind))
        return used[-1]

    yield get
    for pipe in used:
        unload(pipe)
