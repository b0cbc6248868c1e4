"""A real WebUI with a data folder of its own: what it is started with, and its server."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import webui_models

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

A1111 = [
    *("--skip-torch-cuda-test", "--no-download-sd-model", "--skip-prepare-environment", "--skip-version-check"),
    "--disable-nan-check",
]
LIKE_FORGE = [*A1111, "--always-cpu", "--all-in-fp32"]
FLAGS = {
    "a1111": [*A1111, "--do-not-download-clip", "--no-half", "--precision", "full", "--use-cpu", "all"],
    "reforge": [*LIKE_FORGE, "--do-not-download-clip"],
    "forge": [*LIKE_FORGE, "--do-not-download-clip"],
    "forge-classic": LIKE_FORGE,
    "forge-neo": [
        *("--skip-torch-cuda-test", "--skip-prepare-environment", "--skip-version-check"),
        *("--skip-python-version-check", "--cpu", "--force-fp32"),
    ],
}
"""Per host: it runs without a graphics card, and asks nobody for anything."""
CHECKPOINTS = {"a1111": ("small-sd1", "small-sdxl")}
WHOLE = ("whole-sd1",)
"""The checkpoints of the hosts that know models by their size."""
MAKERS = {"small-sd1": "a1111", "small-sdxl": "xl", "whole-sd1": "whole"}
START_S = 600


def environment(work):
    home = {"HF_HOME": str(work / "huggingface"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    more = {"LOANWORD_LIBRARY": str(work / "library.sqlite"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **home, **more}


def checkpoints(options):
    """The random checkpoints, made where they are missing."""
    folder = options.work / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    webui_models.cached_clip(options.work / "huggingface", 2)
    for name in CHECKPOINTS.get(options.host, WHOLE):
        if not (folder / f"{name}.safetensors").exists():
            command = [options.ldm_python, HERE / "webui_models.py", MAKERS[name], options.ldm, folder]
            subprocess.run(list(map(str, command)), env=environment(options.work), check=True, capture_output=True)
    return folder


def data_folder(options):
    """A new data folder of the WebUI: loanword linked into its extensions, the checkpoints, one more folder."""
    data = Path(tempfile.mkdtemp(prefix=f"{options.host}-", dir=options.work))
    for name in ("extensions", "embeddings", "converted", "models/Stable-diffusion", "models/Lora"):
        (data / name).mkdir(parents=True)
    (data / "extensions/sd-webui-loanword").symlink_to(ROOT)
    made = checkpoints(options)
    names = CHECKPOINTS.get(options.host, WHOLE)
    for name in names:
        for file in made.glob(f"{name}.*"):
            (data / "models/Stable-diffusion" / file.name).symlink_to(file)
    settings = {"sd_model_checkpoint": names[0], "live_previews_enable": False}
    (data / "config.json").write_text(json.dumps({**settings, "loanword_folders": str(data / "converted")}))
    return data


def command(options, data, *script):
    return list(map(str, [options.python, *script, "--data-dir", data, *FLAGS[options.host]]))


@contextmanager
def server(options, data):
    """The WebUI as users start it, on a port of its own; gives a function that asks it."""
    run = command(options, data, "launch.py")
    run += ["--skip-install", "--api", "--server-name", "127.0.0.1", "--port", str(options.port)]
    run += ["--gradio-allowed-path", str(data), "--gradio-allowed-path", str(options.checkout)]
    log = open(data / "server.log", "w", encoding="utf-8")  # noqa: SIM115  # closed with the process
    process = subprocess.Popen(
        run, cwd=options.checkout, env=environment(options.work), stdout=log, stderr=subprocess.STDOUT
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
        deadline = time.monotonic() + START_S
        while True:
            assert process.poll() is None, f"it ended with status {process.returncode}, see {data}/server.log"
            assert time.monotonic() < deadline, f"it did not answer in {START_S} s, see {data}/server.log"
            try:
                ask("/loanword/v1/session")  # mounted after all else
                break
            except (urllib.error.URLError, OSError):
                time.sleep(1)
        yield ask
    finally:
        process.terminate()
        process.wait(30)
        log.close()
