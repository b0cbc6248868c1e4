"""The small WebUI as a process of its own, with loanword in its extensions folder, for one data folder."""

import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

STAND_IN = Path(__file__).with_name("stand_in") / "webui.py"
CHECKOUT = Path(__file__).resolve().parents[2]
START_S = 60


@dataclass(frozen=True)
class Server:
    url: str
    folder: Path
    process: subprocess.Popen

    @property
    def embeddings(self):
        return self.folder / "embeddings"

    @property
    def loras(self):
        return self.folder / "models" / "Lora"


def data_folder(folder):
    """Where a WebUI keeps what is the user's, with loanword installed."""
    for name in ("embeddings", "models/Lora", "extensions"):
        (folder / name).mkdir(parents=True)
    (folder / "extensions" / "loanword").symlink_to(CHECKOUT, target_is_directory=True)
    return folder


@contextlib.contextmanager
def webui(folder, *options):
    """A running server, which is stopped at the end."""
    port = _free_port()
    command = [sys.executable, STAND_IN, "--data-dir", folder, "--port", str(port), *options]
    environment = {
        **os.environ,
        "LOANWORD_LIBRARY": str(folder / "library.sqlite"),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    environment |= {"MPLCONFIGDIR": str(folder), "PYTHONWARNINGS": "ignore"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder, env=environment)
        try:
            yield Server(_announced(process, folder), folder, process)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _announced(process, folder):
    """The address that the server prints once it is ready."""
    lines = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in process.stdout], daemon=True).start()
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(queue.Empty):
            line = lines.get(timeout=1)
            if line.startswith("ready "):
                return line.split()[1]
    raise RuntimeError((folder / "server.log").read_text())


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
