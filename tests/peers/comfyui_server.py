"""A real ComfyUI with this repository among its custom nodes, started and asked over its API."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = "random-sd15.safetensors"
PATIENCE = 180


class Comfy:
    """A running ComfyUI with folders of its own; `prepare` gets them before it starts.

    `modern`: whether it has the V3 API for nodes, which came with 0.3.48; before, nodes are a mapping.
    """

    def __init__(self, checkout, interpreter, port, base, prepare=lambda _: None):
        self.base, self.port = Path(base), port
        self.modern = Path(checkout, "comfy_api/latest/_io.py").is_file()
        for folder in ("custom_nodes", "models/embeddings/sub", "models/checkpoints", "models/loras", "output"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        (self.base / "custom_nodes/loanword").symlink_to(ROOT)
        prepare(self.base)
        maker = [interpreter, ROOT / "tests/peers/comfyui_checkpoint.py", checkout]
        subprocess.run([*maker, self.base / "models/checkpoints" / CHECKPOINT], check=True, capture_output=True)
        self.log = (self.base / "log.txt").open("w", encoding="utf-8")
        flags = ["--cpu", "--listen", "127.0.0.1", "--disable-auto-launch"]
        places = ["--port", str(port), "--base-directory", str(base), *_flags_known_to(checkout, base)]
        environment = {**os.environ, "LOANWORD_LIBRARY": f"{base}/library.sqlite", "HF_HUB_OFFLINE": "1"}
        command = [interpreter, "main.py", *flags, *places]
        self.process = subprocess.Popen(
            command, cwd=checkout, stdout=self.log, stderr=subprocess.STDOUT, env=environment
        )

    def __enter__(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/system_stats")
            except OSError:
                time.sleep(0.5)
            else:
                return self
        raise SystemExit(f"ComfyUI does not start:\n{self.said()[-3000:]}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def said(self):
        """Its log so far."""
        return (self.base / "log.txt").read_text(encoding="utf-8", errors="replace")

    def get(self, path):
        """The answer to a GET request."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            content = answer.read()
            return json.loads(content) if "json" in answer.headers["Content-Type"] else content

    def run(self, prompt):
        """What came of a workflow: its outputs by node, or the error's text."""
        body = json.dumps({"prompt": prompt}).encode()
        url = f"http://127.0.0.1:{self.port}/prompt"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                number = json.load(answer)["prompt_id"]
        except urllib.error.HTTPError as error:
            return error.read().decode()
        deadline = time.monotonic() + PATIENCE
        while not (history := self.get(f"/history/{number}")) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not history:
            return f"nothing came of it in {PATIENCE} seconds"
        status = history[number]["status"]
        errors = [message[1]["exception_message"] for message in status["messages"] if message[0] == "execution_error"]
        return errors[0] if errors else history[number]["outputs"]

    def picture(self, outputs):
        """The bytes of the picture that a workflow saved."""
        if not isinstance(outputs, dict):
            return outputs
        (saved,) = outputs["7"]["images"]
        pixels = self.get("/view?" + urllib.parse.urlencode(saved))
        return pixels[pixels.index(b"IDAT") :]


def _flags_known_to(checkout, base):
    """Flags that older ones do not have."""
    known = Path(checkout, "comfy/cli_args.py").read_text(encoding="utf-8")
    flags = {"--disable-api-nodes": [], "--database-url": [f"sqlite:///{base}/comfyui.db"]}
    return [part for flag, values in flags.items() if f'"{flag}"' in known for part in (flag, *values)]


def small(prompt, text=None):
    """A workflow that runs in a second, with another prompt where one is given."""
    prompt["1"]["inputs"]["ckpt_name"] = CHECKPOINT
    prompt["4"]["inputs"].update(width=64, height=64)
    prompt["5"]["inputs"].update(steps=2)
    if text is not None:
        prompt["2"]["inputs"]["text"] = text
    return prompt


def alone(node, **inputs):
    """A workflow of one node."""
    return {"1": {"class_type": node, "inputs": inputs}}
