"""loanword in a real WebUI: `python tests/peers/webui.py a1111|forge|reforge CHECKOUT --python PYTHON`.

CHECKOUT is the path of the WebUI's repository, PYTHON the interpreter of its environment. Everything it writes goes
into a new folder below --work; random checkpoints and a cache without weights stay there for the next time. Forge's
checkpoint is made by AUTOMATIC1111's code: --ldm CHECKOUT and --ldm-python PYTHON say where that is.

It starts the WebUI twice with loanword in its `extensions/`: once without a server, where `webui_inside.py` compares
conditioning, and once as a user does, with the hostile corpus (--hostile FOLDER) in its embedding folder. Then it
compares speed, without loanword in the WebUI (`webui_scan.py`). Exit status 0 where everything was right.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[1:1] = [str(HERE), str(ROOT / "checkout")]

import loanword
import webui_files
import webui_models

COMMON = [
    *("--skip-torch-cuda-test", "--no-download-sd-model", "--do-not-download-clip", "--skip-prepare-environment"),
    *("--skip-version-check", "--disable-nan-check"),
]
ON_CPU = {
    "a1111": ["--no-half", "--precision", "full", "--use-cpu", "all"],
    "reforge": ["--always-cpu", "--all-in-fp32"],
    "forge": ["--always-cpu", "--all-in-fp32"],
}
CHECKPOINTS = {"a1111": ("small-sd1", "small-sdxl"), "reforge": ("whole-sd1",), "forge": ("whole-sd1",)}
MAKERS = {"small-sd1": "a1111", "small-sdxl": "xl", "whole-sd1": "whole"}

FASTER = 10
"""How many times as fast as the host's own reader a first scan has to be."""

outcomes = []


def say(what, outcome, detail=""):
    outcomes.append(outcome)
    print(f"{outcome}: {what}{f' ({detail})' if detail else ''}", flush=True)


@contextmanager
def check(what):
    try:
        yield
    except Exception as error:
        say(what, "wrong", f"{type(error).__name__}: {error}")
    else:
        say(what, "right")


def environment(work):
    home = {"HF_HOME": str(work / "huggingface"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    more = {"LOANWORD_LIBRARY": str(work / "library.sqlite"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **home, **more}


def checkpoints(options):
    """The random checkpoints, made where they are missing."""
    folder = options.work / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    webui_models.cached_clip(options.work / "huggingface", 2)
    for name in CHECKPOINTS[options.host]:
        if not (folder / f"{name}.safetensors").exists():
            command = [options.ldm_python, HERE / "webui_models.py", MAKERS[name], options.ldm, folder]
            subprocess.run(list(map(str, command)), env=environment(options.work), check=True, capture_output=True)
    return folder


def data_folder(options):
    """A new data folder of the WebUI: loanword linked into its extensions, the checkpoints, nothing else."""
    data = Path(tempfile.mkdtemp(prefix=f"{options.host}-", dir=options.work))
    for name in ("extensions", "embeddings", "models/Stable-diffusion", "models/Lora"):
        (data / name).mkdir(parents=True)
    (data / "extensions/sd-webui-loanword").symlink_to(ROOT)
    made = checkpoints(options)
    for name in CHECKPOINTS[options.host]:
        for file in made.glob(f"{name}.*"):
            (data / "models/Stable-diffusion" / file.name).symlink_to(file)
    (data / "config.json").write_text(
        json.dumps({"sd_model_checkpoint": CHECKPOINTS[options.host][0], "live_previews_enable": False})
    )
    return data


def lora_with_embedding(data):
    """A LoRA that changes nothing, with an embedding inside; and the same embedding in a file of its own."""
    rows = loanword.Vectors.from_numpy(webui_files.np.zeros((4, 768), "float32"))
    columns = loanword.Vectors.from_numpy(webui_files.np.zeros((768, 4), "float32"))
    layer = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    from safetensors.numpy import save_file

    plain = data / "models/plain.safetensors"
    save_file({f"{layer}.lora_down.weight": rows.numpy(), f"{layer}.lora_up.weight": columns.numpy()}, plain)
    inside = webui_files.embedding("lwinside.lora", "sd1", 7)
    loanword.bundle(plain, inside, data / "models/Lora/lwlora.safetensors")
    loanword.write(inside.replace(name="referenceinside"), data / "embeddings/references", format="kohya")
    return {"name": "lwlora", "word": "lwinside.lora", "reference": "referenceinside"}


def command(options, data, *script):
    flags = ["--data-dir", data, *COMMON, *ON_CPU[options.host]]
    return list(map(str, [options.python, *script, *flags]))


def inside(options):
    """Conditioning, in a WebUI without a server."""
    data = data_folder(options)
    cases = webui_files.make(data / "embeddings", "sd1")
    plan = {
        "folder": str(data / "embeddings"),
        "work": str(data),
        "here": str(HERE),
        "cases": [*map(dataclasses.asdict, cases)],
    }
    plan["lora"] = lora_with_embedding(data)
    if key := {"a1111": "xl", "forge": "engines"}.get(options.host):
        plan[key] = [*map(dataclasses.asdict, webui_files.make(data / "embeddings", "sdxl"))]
    (data / "plan.json").write_text(json.dumps(plan))
    before = contents(data / "embeddings")
    run = command(options, data, HERE / "webui_inside.py", data / "plan.json")
    with open(data / "inside.log", "w", encoding="utf-8") as log:
        status = subprocess.run(
            run, cwd=options.checkout, env=environment(options.work), stdout=log, stderr=subprocess.STDOUT, check=False
        )
    for line in (data / "inside.log").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("CHECK "):
            say(**json.loads(line.removeprefix("CHECK ")))
    if status.returncode:
        say("the WebUI without a server ran to its end", "wrong", f"status {status.returncode}, {data}/inside.log")
    with check("no file of the user was changed, renamed or moved"):
        after = contents(data / "embeddings")
        assert all(after.get(path) == content for path, content in before.items())


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


@contextmanager
def server(options, data):
    """The WebUI as users start it, on a port of its own; gives a function that asks it."""
    port = options.port
    run = command(options, data, "launch.py")
    run += ["--skip-install", "--api", "--server-name", "127.0.0.1", "--port", str(port)]
    run += ["--gradio-allowed-path", str(data), "--gradio-allowed-path", str(options.checkout)]
    log = open(data / "server.log", "w", encoding="utf-8")  # noqa: SIM115  # closed with the process
    process = subprocess.Popen(
        run, cwd=options.checkout, env=environment(options.work), stdout=log, stderr=subprocess.STDOUT
    )

    def ask(path, body=None, headers=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read().decode()

    try:
        deadline = time.monotonic() + 300
        while True:
            assert process.poll() is None, f"it ended with status {process.returncode}, see {data}/server.log"
            assert time.monotonic() < deadline, f"it did not answer in five minutes, see {data}/server.log"
            try:
                ask("/loanword/v1/session")  # mounted after all else
                break
            except (urllib.error.URLError, OSError):
                time.sleep(1)
        ask.process = process
        yield ask
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def as_a_user(options):
    """The whole WebUI, with hostile files beside a good one."""
    data = data_folder(options)
    folder = data / "embeddings"
    loanword.write(webui_files.embedding("lwgood", "sd1", 1), folder, format="a1111")
    if options.hostile:
        subprocess.run(["cp", "-a", options.hostile, folder / "hostile"], check=True)  # with its pipes and links
    with server(options, data) as ask:
        with check("it starts, and lists the embedding"):
            until(lambda: "lwgood" in ask("/sdapi/v1/embeddings"), 120)
        with check("its page has the Embeddings tab"):
            page = ask("/config")
            assert "loanword-root" in page
            assert '"Embeddings"' in page
        with check("/loanword/v1/session"):
            session = json.loads(ask("/loanword/v1/session"))
            say("session", "right", session["host"])
        token = {"X-Loanword-Token": session["token"]}
        with check("/loanword/v1/embeddings"):
            listed(ask, "lwgood")
        with check("a picture with an embedding, its hash in the infotext"):
            assert "lwgood: " in generated(ask, "a lwgood")["info"].split("TI hashes")[1]
        with check("a file added in a subfolder works, and is listed after a refresh"):
            (folder / "below").mkdir()
            loanword.write(webui_files.embedding("lwadded", "sd1", 2), folder / "below", format="a1111")
            assert "lwadded: " in generated(ask, "a lwadded")["info"].split("TI hashes")[1]
            ask("/loanword/v1/refresh", {}, token)
            listed(ask, "lwadded")
            ask("/sdapi/v1/refresh-embeddings", {})
            assert "lwadded" in json.loads(ask("/sdapi/v1/embeddings"))["loaded"]
        with check("it is still up, and nothing ran"):
            assert ask.process.poll() is None
            markers = Path(options.hostile or data, "_markers")
            assert not markers.exists() or not any(markers.iterdir()), list(markers.iterdir())
        if options.hostile:
            with check("nothing was renamed"):
                assert not [*folder.rglob("*.corrupted")]


SCANNED = (("a1111", "torch-zip"), ("kohya", "safetensors"), ("diffusers", "torch-zip"), ("a1111", "torch-legacy"))


def scans(options):
    """A first scan beside the host's own reading of the same files, each in a process of its own, three times."""
    data = data_folder(options)
    (data / "extensions/sd-webui-loanword").unlink()
    (data / "many").mkdir()
    for number in range(options.files):
        key, container = SCANNED[number % len(SCANNED)]
        one = webui_files.embedding(f"many{number}", "sd1", number, 4)
        loanword.write(one, data / f"many/{number % 100}", format=key, container=container)
    ours, theirs = [], []
    for _ in range(3):
        (data / "scanned.sqlite").unlink(missing_ok=True)
        shutil.rmtree(data / "cache", ignore_errors=True)
        ours.append(scanned(options, data))
        theirs.append(scanned(options, data, "--host"))
    ratio = min(theirs) / min(ours)
    figures = f"{min(ours):.2f} s, {options.host} {min(theirs):.2f} s"
    what = f"a first scan of {options.files} files is {ratio:.1f} x as fast as the host's own reading"
    say(what, "right" if ratio >= FASTER else "wrong", figures)


def scanned(options, data, *more):
    run = command(options, data, HERE / "webui_scan.py", data / "many", data, ROOT / "checkout")
    done = subprocess.run(
        [*run, *more], cwd=options.checkout, env=environment(options.work), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.rpartition("SCAN ")[2])
    assert found["count"] == options.files, found
    return found["seconds"]


def generated(ask, prompt):
    size = {"width": 64, "height": 64, "steps": 1}
    return json.loads(ask("/sdapi/v1/txt2img", {"prompt": prompt, **size}))


def until(true, seconds):
    """Wait for what goes on in the background."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(1)


def listed(ask, name):
    def found():
        return json.loads(ask(f"/loanword/v1/embeddings?q={name}"))["items"]

    until(found, 120)
    assert any(item["name"] == name and item["use"]["by"] for item in found())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("host", choices=ON_CPU)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "loanword-webui"))
    parser.add_argument("--ldm", type=Path)
    parser.add_argument("--ldm-python")
    parser.add_argument("--hostile", type=Path)
    parser.add_argument("--port", type=int, default=17860)
    parser.add_argument("--files", type=int, default=10_000, help="that are scanned; a1111 and reforge only")
    parser.add_argument("--only", choices=("inside", "server", "scans"))
    options = parser.parse_args()
    options.checkout, options.work = options.checkout.resolve(), options.work.resolve()
    options.ldm, options.ldm_python = options.ldm or options.checkout, options.ldm_python or options.python
    options.work.mkdir(parents=True, exist_ok=True)
    if options.only in (None, "inside"):
        inside(options)
    if options.only in (None, "server"):
        as_a_user(options)
    if options.only in (None, "scans") and options.host != "forge":
        scans(options)
    print(f"{outcomes.count('right')} right, {outcomes.count('wrong')} wrong")
    return 1 if "wrong" in outcomes or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
