"""loanword in a real WebUI: `python tests/peers/webui.py HOST CHECKOUT --python PYTHON`.

HOST is a1111, forge, reforge, forge-classic, forge-neo or sdnext, CHECKOUT the path of the WebUI's repository, PYTHON
the interpreter of its environment. Everything it writes goes into a new folder below --work; random checkpoints and a
cache without weights stay there for the next time. Checkpoints are made by AUTOMATIC1111's code: for the others
--ldm CHECKOUT and --ldm-python PYTHON say where that is. SD.Next has pipelines of diffusers, and needs neither.

It starts the WebUI twice with loanword in its `extensions/`: once without a server, where `webui_inside.py` compares
conditioning (in SD.Next, pictures are compared), and once as a user does, with the hostile corpus (--hostile FOLDER) in
its embedding folder; where playwright is installed here, `webui_page.py` then uses its page in Chromium and presses its
"Reload UI". Last it compares speed, without loanword in the WebUI (`webui_scan.py`). Exit status 0 where everything was
right.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import importlib.util
import io
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
from PIL import Image
from webui_running import STARTS, command, data_folder, environment, server

SMALL = {"width": 64, "height": 64, "steps": 2}
OVERTAKEN = "Cannot add middleware after an application has started"
"""What hosts that share AUTOMATIC1111's start fail with when a request comes between their server and their API."""
FASTER = 10
"""How many times as fast as the host's own reader a first scan has to be."""


def lora_with_embedding(data, folder):
    """A LoRA that changes nothing, with an embedding inside; and the same embedding in a file of its own."""
    rows = loanword.Vectors.from_numpy(webui_files.np.zeros((4, 768), "float32"))
    columns = loanword.Vectors.from_numpy(webui_files.np.zeros((768, 4), "float32"))
    layer = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    from safetensors.numpy import save_file

    plain = data / "models/plain.safetensors"
    save_file({f"{layer}.lora_down.weight": rows.numpy(), f"{layer}.lora_up.weight": columns.numpy()}, plain)
    inside = webui_files.embedding("lwinside.lora", "sd1", 7)
    loanword.bundle(plain, inside, data / "models/Lora/lwlora.safetensors")
    loanword.write(inside.replace(name="referenceinside"), folder / "references", format="kohya")
    return {"name": "lwlora", "word": "lwinside.lora", "reference": "referenceinside"}


def inside(options):
    """Conditioning, in a WebUI without a server."""
    data = data_folder(options)
    folder = data / STARTS[options.host].embeddings
    cases = webui_files.make(folder, "sd1")
    plan = {
        "folder": str(folder),
        "work": str(data),
        "here": str(HERE),
        "cases": [*map(dataclasses.asdict, cases)],
    }
    plan["lora"] = lora_with_embedding(data, folder)
    if key := {"a1111": "xl", "forge": "engines", "forge-neo": "engines"}.get(options.host):
        plan[key] = [*map(dataclasses.asdict, webui_files.make(folder, "sdxl"))]
    (data / "plan.json").write_text(json.dumps(plan))
    before = contents(folder)
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
        after = contents(folder)
        assert all(after.get(path) == content for path, content in before.items())


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


def in_pictures(options):
    """The same by pictures, of a server: where a word has the vectors of another, it makes the same picture."""
    data = data_folder(options)
    folder = data / STARTS[options.host].embeddings
    cases = {base: webui_files.make(folder, base) for base in webui_files.ENCODERS}
    before = contents(folder)
    with server(options, data) as ask:
        for base, when in (("sd1", "at the start"), ("sdxl", "SDXL"), ("sd1", "SD 1.x again")):
            ask("/sdapi/v1/options", {"sd_model_checkpoint": f"Diffusers/tiny-{base}"})
            plain = pixels(ask, "nothing much")
            found = {each: (pixels(ask, each.word), pixels(ask, each.reference)) for each in cases[base]}
            wrong = [each.file for each, (word, same) in found.items() if word != same or word == plain]
            what = f"{len(found) - len(wrong)} of {len(found)} files give the reference's picture, {when}"
            say(what, "wrong" if wrong else "right", "; ".join(wrong))
    with check("no file of the user was changed, renamed or moved"):
        assert contents(folder) == before


def as_a_user(options):
    """The whole WebUI, with hostile files beside good ones."""
    data = data_folder(options)
    folder = data / STARTS[options.host].embeddings
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
            assert used(options, ask, "lwgood")
        with check("a file added in a subfolder works, and is listed after a refresh"):
            (folder / "below").mkdir()
            loanword.write(webui_files.embedding("lwadded", "sd1", 2), folder / "below", format="a1111")
            assert used(options, ask, "lwadded")
            ask("/loanword/v1/refresh", {}, token)
            listed(ask, "lwadded")
            if options.host != "sdnext":  # it has no such address
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
            assert used(options, ask, "<lwdog>")
            assert {*webui_page.SEVERAL, "lwgood"} <= {*json.loads(ask("/sdapi/v1/embeddings"))["loaded"]}
            listed(ask, "<lwdog>")

    folders = data / STARTS[options.host].embeddings, data / "converted"
    webui_page.use(ask.url, options.host, folders, options.pictures or data / "pictures", reloaded)
    if OVERTAKEN in (data / "server.log").read_text(encoding="utf-8", errors="replace"):
        print("the WebUI lost its API in its own start: its page asked it for something just then")


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
    return json.loads(json.loads(ask("/sdapi/v1/txt2img", {"prompt": prompt, **SMALL}))["info"])["infotexts"][0]


def pixels(ask, word):
    """A picture of a prompt with a word, without what is written in its file."""
    answer = json.loads(ask("/sdapi/v1/txt2img", {"prompt": f"a photo of {word} in red", "seed": 1, **SMALL}))
    with Image.open(io.BytesIO(base64.b64decode(answer["images"][0].rpartition(",")[2]))) as picture:
        return picture.tobytes()


def used(options, ask, name):
    """Whether a picture's infotext has the hash of an embedding. SD.Next names none there: whether it has loaded it."""
    infotext = generated(ask, f"a {name}")
    if options.host == "sdnext":
        return name in json.loads(ask("/sdapi/v1/embeddings"))["loaded"]
    return f"{name}: " in infotext.split("TI hashes: ")[1].split('"')[1]


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
    parser.add_argument("host", choices=STARTS)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "loanword-webui"))
    parser.add_argument("--ldm", type=Path)
    parser.add_argument("--ldm-python")
    parser.add_argument("--hostile", type=Path)
    parser.add_argument("--pictures", type=Path, help="where pictures of the page go")
    parser.add_argument("--port", type=int, default=17860)
    parser.add_argument("--files", type=int, default=10_000, help="to scan; where the reader is AUTOMATIC1111's")
    parser.add_argument("--only", choices=("inside", "server", "scans"))
    options = parser.parse_args()
    options.checkout, options.work = options.checkout.resolve(), options.work.resolve()
    options.ldm, options.ldm_python = options.ldm or options.checkout, options.ldm_python or options.python
    options.work.mkdir(parents=True, exist_ok=True)
    if options.only in (None, "inside"):
        (in_pictures if options.host == "sdnext" else inside)(options)
    if options.only in (None, "server"):
        as_a_user(options)
    if options.only in (None, "scans") and options.host in ("a1111", "reforge", "forge-classic"):
        scans(options)
    return status()


if __name__ == "__main__":
    sys.exit(main())
