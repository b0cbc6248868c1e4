"""How long loanword makes the start of a WebUI, and that it loads no torch there.

    .venv-gradio-3.41.2/bin/python benchmarks/webui_start.py

The small WebUI of `tests/webui/stand_in` has imported all that a real one has (Gradio, FastAPI, numpy, Pillow) and made
a page of its own when it runs loanword's script and every callback of a start: settings, tab, API. Counted is the
processor's time of the fastest round, each a process of its own, so that what else the machine does is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, MOST_MS = 7, 100

START = """
import importlib, json, sys, time
stand_in, folder = sys.argv[1:]
sys.path.insert(0, stand_in)
sys.argv = ["webui.py", "--data-dir", folder]
for name in ("gradio", "fastapi", "numpy", "PIL.Image", "safetensors", "logging", "dataclasses", "importlib.util"):
    importlib.import_module(name)
from modules import extensions, scripts, script_callbacks, sd_hijack, shared
from fastapi import FastAPI

import gradio

with gradio.Blocks(analytics_enabled=False):
    gradio.HTML("the host's own page, which has been made before")
app = FastAPI()
took, before = {}, time.process_time()

def lap(what):
    global before
    took[what], before = 1000 * (time.process_time() - before), time.process_time()

extensions.list_extensions()
scripts.load_scripts()
lap("script")
script_callbacks.ui_settings_callback()
lap("settings")
tabs = script_callbacks.ui_tabs_callback()
lap("tab")
script_callbacks.app_started_callback(None, app)
lap("API")
assert tabs and scripts.scripts_data, "loanword is not there"
heavy = [name for name in ("torch", "transformers", "diffusers") if name in sys.modules]
print(json.dumps({"took": took, "heavy": heavy}))
"""


def rounds():
    """What each round took, in milliseconds by part of the start."""
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("embeddings", "models/Lora", "extensions"):
                Path(folder, name).mkdir(parents=True)
            Path(folder, "extensions/loanword").symlink_to(ROOT)
            command = [sys.executable, "-c", START, str(ROOT / "tests/webui/stand_in"), folder]
            library = {"LOANWORD_LIBRARY": str(Path(folder, "library.sqlite")), "MPLCONFIGDIR": folder}
            done = subprocess.run(command, env={**os.environ, **library}, capture_output=True, text=True, check=True)
            yield json.loads(done.stdout.splitlines()[-1])


def main():
    found = list(rounds())
    best = min(found, key=lambda each: sum(each["took"].values()))
    total = sum(best["took"].values())
    parts = ", ".join(f"{what} {took:.0f}" for what, took in best["took"].items())
    heavy = {name for each in found for name in each["heavy"]}
    good = total < MOST_MS and not heavy
    verdict = "ok" if good else "MISSED"
    print(f"a WebUI's start takes {total:.0f} ms more with loanword ({parts}); at most {MOST_MS}, {verdict}")
    if heavy:
        print(f"loaded at the start: {', '.join(sorted(heavy))}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
