"""Run the real ComfyUI with this repository among its custom nodes, and use it: over its API, and in its editor.

    python tests/peers/comfyui.py CHECKOUT [--python INTERPRETER] [--only use|hostile] [--screenshots FOLDER]

CHECKOUT may be an old one, from before ComfyUI's V3 API (0.3.47 and earlier), to see the nodes' older form. INTERPRETER
has what ComfyUI's requirements.txt names; PYTHONPATH may name the front end of an old one. The editor is driven with
playwright and /usr/bin/chromium where playwright is installed here. LOANWORD_HOSTILE may name a generator of files that
attack readers, which needs torch and Pillow here.
"""

import argparse
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "checkout"), str(ROOT / "tests")]

import comfyui_editor
import comfyui_hostile
import loanword
import samples
from comfyui_server import CHECKPOINT, Comfy, alone, small
from loanword.extension.comfyui.nodes import NODES
from loanword.extension.comfyui.workflows import workflow

EXAMPLES = {"SD1.5_embedding": False, "SD1.5_embedding_node": True}


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


def lists(comfy):
    """Nodes, help pages, the editor's script, templates, embeddings."""
    known = comfy.get("/object_info")
    way = "the V3 API" if comfy.modern else "the older mapping"
    missing = [node.key for node in NODES if known.get(node.key, {}).get("display_name") != node.title]
    yield check(f"every node is listed, by {way}", not missing, missing)
    told = [(node.key, each.key) for node in NODES for each in node.inputs if not tooltip(known, node, each)]
    yield check("every input has its tooltip", not told, told)
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


def tooltip(known, node, given):
    """What ComfyUI tells the editor of an input."""
    inputs = known[node.key]["input"]
    _, options = {**inputs["required"], **inputs.get("optional", {})}[given.key]
    return options["tooltip"] == given.tooltip


def runs(comfy):
    """Both workflows over the API; every embedding changes the picture."""
    pictures = {}
    for name, node in EXAMPLES.items():
        found = comfy.run(small(workflow(api=True, node=node)))
        yield check(f"{name} runs over the API", isinstance(found, dict) and "7" in found, found)
        pictures[name] = comfy.picture(found)
    yield check("both make the same picture", len(set(pictures.values())) == 1)
    texts = ["", *(f"embedding:{name}" for name in ("my cat", "cat", "dog", "picture", "pti", "sub/neon", "NEON.pt"))]
    pixels = {text: comfy.picture(comfy.run(small(workflow(api=True), f"a {text} here"))) for text in texts}
    yield check("every embedding changes the picture", len(set(pixels.values())) == len(texts) - 1, pixels.keys())
    yield check(
        "a name is found in any case, with a suffix", pixels["embedding:NEON.pt"] == pixels["embedding:sub/neon"]
    )
    loanword.write(made("come later", 7), comfy.base / "models/embeddings/later.pt")
    later = comfy.picture(comfy.run(small(workflow(api=True), "a embedding:later here")))
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


def files(comfy):
    """The nodes that write; names in a workflow lead nowhere else."""
    convert = {"embedding": "my cat", "program": "a1111", "dtype": "as it is", "place": "output/embeddings", "name": ""}
    for name, written in (("", "my cat"), ("../../../evil", "evil"), ("/etc/evil", "etc_evil"), ("..\\worse", "worse")):
        found = comfy.run(alone("LoanwordConvertEmbedding", **{**convert, "name": name}))
        path = f"output/embeddings/{written}.safetensors"
        right = isinstance(found, dict) and found["1"]["text"] == [path] and (comfy.base / path).is_file()
        yield check(f"convert as {name!r} writes {path}", right, found)
    for key, value in (("embedding", "../../../../etc/passwd"), ("place", "../../"), ("program", "sh")):
        found = comfy.run(alone("LoanwordConvertEmbedding", **{**convert, key: value}))
        yield check(f"{key} {value!r} is refused", isinstance(found, str), found)
    look = alone("LoanwordInspectEmbedding", embedding="my cat", clip=["2", 1])
    look["2"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}}
    look["3"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 1]}}
    found = comfy.run(look)
    yield check("inspect says and shows", isinstance(found, dict) and "nearest" in found["1"]["text"][0], found)
    lora = comfy.base / "models/loras/style.safetensors"
    lora.write_bytes(lora_file())
    bundled = {"lora": "style.safetensors", "embedding": "cat", "name": "../bundled"}
    found = comfy.run(alone("LoanwordBundleLora", **bundled))
    bundle = comfy.base / "output/loras/bundled.safetensors"
    yield check("bundle writes a LoRA", bundle.is_file(), found)
    shutil.move(bundle, comfy.base / "models/loras")
    taken = {"lora": "bundled.safetensors", "program": "comfyui", "place": "models/embeddings"}
    found = comfy.run(alone("LoanwordUnbundleLora", **taken))
    yield check("unbundle gives it back", (comfy.base / "models/embeddings/cat.safetensors").is_file(), found)


def lora_file():
    from loanword.converters.containers.safetensors import save_safetensors
    from loanword.converters.payload import Draft

    return save_safetensors(Draft(samples.lora_tensors()))


def used(comfy, shots):
    """What people do with it, over the API and in the editor."""
    embeddings(comfy.base / "models/embeddings")
    yield from lists(comfy)
    yield from runs(comfy)
    yield from files(comfy)
    if importlib.util.find_spec("playwright"):
        for each in comfyui_editor.checks(comfy.port, Path(shots or comfy.base / "shots"), CHECKPOINT, list(EXAMPLES)):
            yield check(*each)
    else:
        print("playwright is missing: the editor is left out")


def attacked(comfy):
    """What attackers do."""
    loanword.write(made("my cat", 3), comfy.base / "models/embeddings")
    for each in comfyui_hostile.checks(comfy):
        yield check(*each)


def unfailing(comfy, checks):
    """The checks, and whether loanword's own code failed anywhere."""
    yield from checks
    errors = [line for line in comfy.said().splitlines() if line.endswith("please report this")]
    yield check("loanword failed nowhere", not errors, errors)


def main():
    """Everything, one after another; the exit status is 0 where all of it is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--port", type=int, default=8288)
    parser.add_argument("--screenshots")
    parser.add_argument("--only", choices=("use", "hostile"))
    given = parser.parse_args()
    right, place = [], (given.checkout, given.python, given.port)
    if given.only != "hostile":
        with tempfile.TemporaryDirectory() as base, Comfy(*place, base) as comfy:
            right += unfailing(comfy, used(comfy, given.screenshots))
    if given.only != "use" and comfyui_hostile.GENERATOR:
        with tempfile.TemporaryDirectory() as base, Comfy(*place, base, comfyui_hostile.prepare) as comfy:
            right += unfailing(comfy, attacked(comfy))
    else:
        print("hostile files are left out")
    print(f"{sum(right)} of {len(right)} right")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
