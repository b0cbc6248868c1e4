"""loanword in a real WebUI: `python tests/peers/webui.py HOST CHECKOUT --python PYTHON`.

HOST is a1111, forge, reforge, forge-classic or forge-neo, CHECKOUT the path of the WebUI's repository, PYTHON the
interpreter of its environment. Everything it writes goes into a new folder below --work; random checkpoints and a cache
without weights stay there for the next time. Checkpoints are made by AUTOMATIC1111's code: for the others
--ldm CHECKOUT and --ldm-python PYTHON say where that is.

It starts the WebUI twice with loanword in its `extensions/`: once without a server, where `webui_inside.py` compares
conditioning, and once as a user does, with the hostile corpus (--hostile FOLDER) in its embedding folder; where
playwright is installed here, `webui_page.py` then uses its page in Chromium and presses its "Reload UI". Last it
compares speed, without loanword in the WebUI (`webui_scan.py`). Exit status 0 where everything was right.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[1:1] = [str(HERE), str(ROOT / "checkout")]

import loanword
import webui_files
import webui_page
from outcomes import check, say, status
from webui_running import FLAGS, command, data_folder, environment, server

FASTER = 10
"""How many times as fast as the host's own reader a first scan has to be."""


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
    if key := {"a1111": "xl", "forge": "engines", "forge-neo": "engines"}.get(options.host):
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


def as_a_user(options):
    """The whole WebUI, with hostile files beside good ones."""
    data = data_folder(options)
    folder = data / "embeddings"
    webui_page.make_library(folder)
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
            assert "lwgood: " in hashes(generated(ask, "a lwgood"))
        with check("a file added in a subfolder works, and is listed after a refresh"):
            (folder / "below").mkdir()
            loanword.write(webui_files.embedding("lwadded", "sd1", 2), folder / "below", format="a1111")
            assert "lwadded: " in hashes(generated(ask, "a lwadded"))
            ask("/loanword/v1/refresh", {}, token)
            listed(ask, "lwadded")
            ask("/sdapi/v1/refresh-embeddings", {})
            assert "lwadded" in json.loads(ask("/sdapi/v1/embeddings"))["loaded"]
        with check("the last picture becomes a preview"):
            ask("/loanword/v1/preview", {"id": listed(ask, "lwadded")["id"]}, token)
            assert (folder / "below/lwadded.preview.png").is_file()
        in_the_page(options, ask, data)
        with check("it is still up, and nothing ran"):
            assert ask.process.poll() is None
            markers = Path(options.hostile or data, "_markers")
            assert not markers.exists() or not any(markers.iterdir()), list(markers.iterdir())
        with check("nothing was renamed"):
            assert not [*folder.rglob("*.corrupted")]


def in_the_page(options, ask, data):
    """The page, "Reload UI", and what generation makes of embeddings after it."""
    if not importlib.util.find_spec("playwright"):
        print("playwright is missing: the page is left out")
        return

    def reloaded():
        with check('after the host\'s "Reload UI" embeddings work in prompts, and are listed'):
            assert "<lwdog>: " in hashes(generated(ask, "a <lwdog>"))
            assert {*webui_page.SEVERAL, "lwgood"} <= {*json.loads(ask("/sdapi/v1/embeddings"))["loaded"]}
            listed(ask, "<lwdog>")

    webui_page.use(ask.url, data, options.pictures or data / "pictures", reloaded)


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
    """The infotext of a picture of a prompt."""
    size = {"width": 64, "height": 64, "steps": 1}
    return json.loads(json.loads(ask("/sdapi/v1/txt2img", {"prompt": prompt, **size}))["info"])["infotexts"][0]


def hashes(infotext):
    return infotext.split("TI hashes: ")[1].split('"')[1]


def until(true, seconds):
    """Wait for what goes on in the background."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(1)


def listed(ask, name):
    """What the tab's list says of an embedding that works in prompts, once it does."""

    def found():
        items = json.loads(ask(f"/loanword/v1/embeddings?q={urllib.parse.quote(name)}"))["items"]
        return [item for item in items if item["name"] == name and item["use"]["by"]]

    until(found, 120)
    return found()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("host", choices=FLAGS)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "loanword-webui"))
    parser.add_argument("--ldm", type=Path)
    parser.add_argument("--ldm-python")
    parser.add_argument("--hostile", type=Path)
    parser.add_argument("--pictures", type=Path, help="where pictures of the page go")
    parser.add_argument("--port", type=int, default=17860)
    parser.add_argument("--files", type=int, default=10_000, help="that are scanned; not in Forge and Forge Neo")
    parser.add_argument("--only", choices=("inside", "server", "scans"))
    options = parser.parse_args()
    options.checkout, options.work = options.checkout.resolve(), options.work.resolve()
    options.ldm, options.ldm_python = options.ldm or options.checkout, options.ldm_python or options.python
    options.work.mkdir(parents=True, exist_ok=True)
    if options.only in (None, "inside"):
        inside(options)
    if options.only in (None, "server"):
        as_a_user(options)
    if options.only in (None, "scans") and options.host not in ("forge", "forge-neo"):
        scans(options)
    return status()


if __name__ == "__main__":
    sys.exit(main())
