"""Run the real ComfyUI with this repository among its custom nodes, and use it: over its API, and in its editor.

    python tests/peers/comfyui.py CHECKOUT [--python INTERPRETER] [--screenshots FOLDER] [--port PORT]

INTERPRETER has what ComfyUI's requirements.txt names. The editor is driven with playwright and /usr/bin/chromium where
playwright is installed here. LOANWORD_HOSTILE may name a folder of files that attack readers, with a manifest.json
whose `entries` name them (`file`) and a folder `_markers` that is empty as long as none of their code runs.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "checkout"), str(ROOT / "tests")]

import comfyui_editor
import loanword
import samples
from loanword.extension.comfyui.nodes import NODES
from loanword.extension.comfyui.workflows import workflow

CHECKPOINT = "random-sd15.safetensors"
PATIENCE = 180
EXAMPLES = {"SD1.5_embedding": False, "SD1.5_embedding_node": True}


class Comfy:
    """A running ComfyUI with folders of its own."""

    def __init__(self, checkout, interpreter, port, base):
        self.base, self.port = Path(base), port
        for folder in ("custom_nodes", "models/embeddings/sub", "models/checkpoints", "models/loras", "output"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        (self.base / "custom_nodes/loanword").symlink_to(ROOT)
        maker = [interpreter, ROOT / "tests/peers/comfyui_checkpoint.py", checkout]
        subprocess.run([*maker, self.base / "models/checkpoints" / CHECKPOINT], check=True, capture_output=True)
        self.log = (self.base / "log.txt").open("w", encoding="utf-8")
        flags = ["--cpu", "--listen", "127.0.0.1", "--disable-auto-launch", "--disable-api-nodes"]
        places = ["--port", str(port), "--base-directory", str(base), "--database-url", f"sqlite:///{base}/comfyui.db"]
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
            time.sleep(0.2)
        status = history[number]["status"]
        errors = [message[1]["exception_message"] for message in status["messages"] if message[0] == "execution_error"]
        return errors[0] if errors else history[number]["outputs"]


def check(what, right, found=""):
    """Print what was looked at; returns whether it is right."""
    print(f"{'ok   ' if right else 'WRONG'} {what}" + ("" if right else f": {str(found)[:1500]}"), flush=True)
    return right


def embeddings(folder):
    """Embeddings in forms that ComfyUI does not read, or reads wrong; no two with the same vectors."""
    cat, dog = made("<cat>", 2), made("<dog>", 1)
    loanword.write([cat, dog], folder / "two.bin", format="diffusers")
    loanword.write(made("my cat", 3), folder, format="kohya")
    loanword.write(made("porsche911_ti", 8), folder / "porsche911_ti.pt")
    loanword.write(made("neon", 4, "clip_g"), folder / "sub", target="comfyui")
    loanword.write(made("picture", 5), folder / "picture.png")
    loanword.write(made("pti", 6, "clip_g"), folder / "pti.safetensors", format="cog-pti")
    (folder / "pti.safetensors").rename(folder / "pti.pti")


def made(name, count, *encoders):
    """An embedding with so many vectors for CLIP-L, and for others."""
    return loanword.Embedding(name, {key: samples.some(count, key) for key in ("clip_l", *encoders)})


def small(prompt, text=None):
    """A workflow that runs in a second, with another prompt where one is given."""
    prompt["1"]["inputs"]["ckpt_name"] = CHECKPOINT
    prompt["4"]["inputs"].update(width=64, height=64)
    prompt["5"]["inputs"].update(steps=2)
    if text is not None:
        prompt["2"]["inputs"]["text"] = text
    return prompt


def lists(comfy):
    """Nodes, help pages, the editor's script, templates, embeddings."""
    known = comfy.get("/object_info")
    yield check(
        "every node is listed", all(known.get(node.key, {}).get("display_name") == node.title for node in NODES)
    )
    extension = "/extensions/loanword"
    pages = [comfy.get(f"{extension}/docs/{node.key}.md").decode() for node in NODES]
    yield check("every node has a help page", all(page.startswith("# ") for page in pages))
    yield check("the editor is told of the script", f"{extension}/loanword.js" in comfy.get("/extensions"))
    templates = comfy.get("/workflow_templates")["loanword"]
    yield check("the example workflows are templates", set(EXAMPLES) == set(templates), templates)
    same = [comfy.get(f"/api/workflow_templates/loanword/{name}.json") for name in EXAMPLES]
    yield check("they are what the command line writes", same == [workflow(node=node) for node in EXAMPLES.values()])
    for path in ("/embeddings", "/api/embeddings"):
        names = comfy.get(path)
        wanted = {"my cat", "porsche911_ti", "sub/neon", "two", "cat", "dog", "picture", "pti"}
        yield check(f"{path} lists what loanword reads", wanted == set(names) and len(names) == len(wanted), names)


def runs(comfy):
    """Both workflows over the API; every embedding changes the picture."""
    pictures = {}
    for name, node in EXAMPLES.items():
        found = comfy.run(small(workflow(api=True, node=node)))
        yield check(f"{name} runs over the API", isinstance(found, dict) and "7" in found, found)
        pictures[name] = picture(comfy, found)
    yield check("both make the same picture", len(set(pictures.values())) == 1)
    texts = ["", *(f"embedding:{name}" for name in ("my cat", "cat", "dog", "picture", "pti", "sub/neon", "NEON.pt"))]
    pixels = {text: picture(comfy, comfy.run(small(workflow(api=True), f"a {text} here"))) for text in texts}
    yield check("every embedding changes the picture", len(set(pixels.values())) == len(texts) - 1, pixels.keys())
    yield check(
        "a name is found in any case, with a suffix", pixels["embedding:NEON.pt"] == pixels["embedding:sub/neon"]
    )
    loanword.write(made("come later", 7), comfy.base / "models/embeddings/later.pt")
    later = picture(comfy, comfy.run(small(workflow(api=True), "a embedding:later here")))
    yield check("a file added at run time is used", later not in pixels.values())
    yield check("and listed", "later" in comfy.get("/embeddings"))
    prompt = small(workflow(api=True, node=True), "a My Cat, (neon:1.2), embedding:dog, embedding:pikture, <later>")
    report = comfy.run(prompt)["8"]["text"][0]
    used = [line.split(" (")[0] for line in report.splitlines()[:4]]
    yield check("the node says what is used", used == ["my cat", "neon", "dog", "later"], report)
    yield check("and what may be meant", "'pikture'; is 'picture' meant?" in report, report)
    said = [line for line in comfy.said().splitlines() if line.startswith("loanword: ") and "'neon'" in line]
    yield check("what does not fit is said once", len(said) == 1 and "for SDXL" in said[0], said)
    yield check("ComfyUI warns of no vector", "shape mismatch" not in comfy.said())


def picture(comfy, outputs):
    """The bytes of the picture that a workflow saved."""
    if not isinstance(outputs, dict):
        return outputs
    (saved,) = outputs["7"]["images"]
    pixels = comfy.get("/view?" + urllib.parse.urlencode(saved))
    return pixels[pixels.index(b"IDAT") :]


def files(comfy):
    """The nodes that write; names in a workflow lead nowhere else."""
    convert = {"embedding": "my cat", "program": "a1111", "dtype": "as it is", "place": "output/embeddings", "name": ""}
    for name, written in (("", "my cat"), ("../../../evil", "evil"), ("/etc/evil", "etc_evil"), ("..\\worse", "worse")):
        found = comfy.run({"1": {"class_type": "LoanwordConvertEmbedding", "inputs": {**convert, "name": name}}})
        path = f"output/embeddings/{written}.safetensors"
        right = isinstance(found, dict) and found["1"]["text"] == [path] and (comfy.base / path).is_file()
        yield check(f"convert as {name!r} writes {path}", right, found)
    for key, value in (("embedding", "../../../../etc/passwd"), ("place", "../../"), ("program", "sh")):
        found = comfy.run({"1": {"class_type": "LoanwordConvertEmbedding", "inputs": {**convert, key: value}}})
        yield check(f"{key} {value!r} is refused", isinstance(found, str), found)
    look = {"1": {"class_type": "LoanwordInspectEmbedding", "inputs": {"embedding": "my cat", "clip": ["2", 1]}}}
    look["2"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}}
    look["3"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 1]}}
    found = comfy.run(look)
    yield check("inspect says and shows", isinstance(found, dict) and "nearest" in found["1"]["text"][0], found)
    lora = comfy.base / "models/loras/style.safetensors"
    lora.write_bytes(lora_file())
    bundled = {"lora": "style.safetensors", "embedding": "cat", "name": "../bundled"}
    found = comfy.run({"1": {"class_type": "LoanwordBundleLora", "inputs": bundled}})
    bundle = comfy.base / "output/loras/bundled.safetensors"
    yield check("bundle writes a LoRA", bundle.is_file(), found)
    shutil.move(bundle, comfy.base / "models/loras")
    taken = {"lora": "bundled.safetensors", "program": "comfyui", "place": "models/embeddings"}
    found = comfy.run({"1": {"class_type": "LoanwordUnbundleLora", "inputs": taken}})
    yield check("unbundle gives it back", (comfy.base / "models/embeddings/cat.safetensors").is_file(), found)


def lora_file():
    from loanword.converters.containers.safetensors import save_safetensors
    from loanword.converters.payload import Draft

    return save_safetensors(Draft(samples.lora_tensors()))


def hostile(comfy):
    """Files that attack their readers: nothing of them runs, and ComfyUI stays up."""
    given = os.environ.get("LOANWORD_HOSTILE")
    if not given:
        print("LOANWORD_HOSTILE names no folder: hostile files are left out")
        return
    folder = Path(given)
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["entries"]
    target = comfy.base / "models/embeddings/hostile"
    files = [folder / entry["file"] for entry in entries if entry["file"]]
    paths = [path for path in files if path.is_file()]
    for number, path in enumerate(paths):
        place = target / str(number)
        place.mkdir(parents=True)
        shutil.copy(path, place)
    names = [f"embedding:hostile/{number}/{path.name}" for number, path in enumerate(paths)]
    for start in range(0, len(names), 40):
        text = " ".join(names[start : start + 40])
        for node in (False, True):
            prompt = small(workflow(api=True, node=node), text)
            comfy.run({key: prompt[key] for key in ("1", "2")} | {"9": shown("2")})
    markers = folder / "_markers"
    ran = sorted(each.name for each in markers.iterdir()) if markers.is_dir() else []
    yield check(f"of {len(paths)} hostile files none runs code", not ran, ran)
    yield check("and ComfyUI stays up", comfy.process.poll() is None and comfy.get("/embeddings"))
    shutil.rmtree(target)


def shown(node):
    return {"class_type": "PreviewAny", "inputs": {"source": [node, 0]}}


def main():
    """Everything, one after another; the exit status is 0 where all of it is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--port", type=int, default=8288)
    parser.add_argument("--screenshots")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as base, Comfy(given.checkout, given.python, given.port, base) as comfy:
        embeddings(comfy.base / "models/embeddings")
        right = [*lists(comfy), *runs(comfy), *files(comfy)]
        if importlib.util.find_spec("playwright"):
            shots = Path(given.screenshots or base, "screenshots")
            right += [check(*each) for each in comfyui_editor.checks(given.port, shots, CHECKPOINT, list(EXAMPLES))]
        else:
            print("playwright is missing: the editor is left out")
        right += hostile(comfy)
        errors = [line for line in comfy.said().splitlines() if "please report" in line]
        right.append(check("loanword failed nowhere", not errors, errors))
    print(f"{sum(right)} of {len(right)} right")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
