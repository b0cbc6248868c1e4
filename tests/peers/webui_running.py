"""A real WebUI with a data folder of its own: what it is started with, and its server."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import webui_models

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Start:
    """How a WebUI is started without a graphics card, and so that it asks nobody for anything."""

    flags: tuple[str, ...]
    """Always."""
    serving: tuple[str, ...] = ("--skip-install", "--api")
    """As a server, too."""
    allowing: str = "--gradio-allowed-path"
    """What says that the page may have files of a folder."""
    checkpoints: tuple[str, ...] = ("whole-sd1",)
    """Names of MAKERS; the first is loaded. Forge's kin know models by their size."""
    models: str = "Stable-diffusion"
    embeddings: str = "embeddings"
    settings: Mapping[str, Any] = field(default_factory=dict)


_A1111 = (
    *("--skip-torch-cuda-test", "--no-download-sd-model", "--skip-prepare-environment", "--skip-version-check"),
    "--disable-nan-check",
)
_FORGE = (*_A1111, "--always-cpu", "--all-in-fp32")
STARTS = {
    "a1111": Start(
        (*_A1111, "--do-not-download-clip", "--no-half", "--precision", "full", "--use-cpu", "all"),
        checkpoints=("small-sd1", "small-sdxl"),
    ),
    "reforge": Start((*_FORGE, "--do-not-download-clip")),
    "forge": Start((*_FORGE, "--do-not-download-clip")),
    "forge-classic": Start(_FORGE, embeddings="models/embeddings"),
    "forge-neo": Start(
        (
            *("--skip-torch-cuda-test", "--skip-prepare-environment", "--skip-version-check"),
            *("--skip-python-version-check", "--cpu", "--force-fp32"),
        ),
        embeddings="models/embeddings",
        settings={"VERSION_UID": "PY313"},  # without it, it takes its settings for old ones and waits for a key
    ),
    "sdnext": Start(
        ("--skip-all", "--skip-requirements", "--skip-torch", "--skip-git", "--skip-extensions", "--quick"),
        serving=(),
        allowing="--allowed-paths",
        checkpoints=("tiny-sd1", "tiny-sdxl"),
        models="Diffusers",
        embeddings="models/embeddings",
        settings={"server_rate_limit": 1000, "samples_format": "png"},
    ),
}
MAKERS = {"small-sd1": "a1111", "small-sdxl": "xl", "whole-sd1": "whole", "tiny-sd1": "tiny", "tiny-sdxl": "tiny"}
START_S = 600
STARTED = "Startup time: "
"""What every host prints after all else."""


def environment(work):
    home = {"HF_HOME": str(work / "huggingface"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    more = {"LOANWORD_LIBRARY": str(work / "library.sqlite"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **home, **more}


def checkpoints(options):
    """The files of the random checkpoints, made where they are missing."""
    folder = options.work / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    webui_models.cached_clip(options.work / "huggingface", 2)
    for name in STARTS[options.host].checkpoints:
        if not [*folder.glob(f"{name}*")]:
            maker = MAKERS[name]
            python = options.python if maker == "tiny" else options.ldm_python
            run = map(str, [python, HERE / "webui_models.py", maker, options.ldm, folder])
            subprocess.run([*run], env=environment(options.work), check=True, capture_output=True)
        yield from folder.glob(f"{name}*")


def data_folder(options):
    """A new data folder of the WebUI: loanword linked into its extensions, the checkpoints, one more folder."""
    start = STARTS[options.host]
    data = Path(tempfile.mkdtemp(prefix=f"{options.host}-", dir=options.work))
    for name in ("extensions", start.embeddings, "converted", f"models/{start.models}", "models/Lora"):
        (data / name).mkdir(parents=True)
    (data / "extensions/sd-webui-loanword").symlink_to(ROOT)
    for made in checkpoints(options):
        (data / "models" / start.models / made.name).symlink_to(made)
    settings = {"sd_model_checkpoint": start.checkpoints[0], "live_previews_enable": False, **start.settings}
    (data / "config.json").write_text(json.dumps({**settings, "loanword_folders": str(data / "converted")}))
    return data


def command(options, data, *script):
    return list(map(str, [options.python, *script, "--data-dir", data, *STARTS[options.host].flags]))


def _wait_for(process, log):
    """Wait until it says that it has started: a host that is asked before may not be able to serve its API any more."""
    deadline = time.monotonic() + START_S
    while STARTED not in log.read_text(encoding="utf-8", errors="replace"):
        assert process.poll() is None, f"it ended with status {process.returncode}, see {log}"
        assert time.monotonic() < deadline, f"it did not start in {START_S} s, see {log}"
        time.sleep(1)


@contextmanager
def server(options, data):
    """The WebUI as users start it, its environment active, on a port of its own; gives a function that asks it."""
    start = STARTS[options.host]
    run = [*command(options, data, "launch.py"), *start.serving, "--server-name", "127.0.0.1", "--port", options.port]
    run += [start.allowing, data, start.allowing, options.checkout]
    log = open(data / "server.log", "w", encoding="utf-8")  # noqa: SIM115  # closed with the process
    process = subprocess.Popen(
        list(map(str, run)),
        cwd=options.checkout,
        env={**environment(options.work), "PATH": f"{Path(options.python).parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=log,
        stderr=subprocess.STDOUT,
    )

    def ask(path, body=None, headers=None):
        request = urllib.request.Request(
            f"{ask.url}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read().decode()

    ask.url, ask.process = f"http://127.0.0.1:{options.port}", process
    try:
        _wait_for(process, data / "server.log")
        yield ask
    finally:
        process.terminate()
        process.wait(30)
        log.close()
