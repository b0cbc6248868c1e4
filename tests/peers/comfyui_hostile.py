"""Files that attack their readers, each named in prompts of a running ComfyUI and given to the node that inspects."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from comfyui_server import alone, small
from loanword.extension.comfyui.workflows import name_in_prompt, workflow

GENERATOR = os.environ.get("LOANWORD_HOSTILE")
AT_ONCE = 20
"""So many names are in a prompt."""
SECONDS, MEBIBYTES = 20, 1024
"""What a prompt may take of the processor's time, and what all of them may add to the memory that ComfyUI holds."""
NODES = {False: "CLIP Text Encode", True: "Embedding prompt"}
OWN_PROCESS = ("subprocess.Popen", "loanword.converters.indexing")
"""loanword reads many files in processes of its own, which get no names of files on their command line."""


def prepare(base):
    """The files among ComfyUI's embeddings, and the hook that watches ComfyUI's process."""
    node = base / "custom_nodes/audit"
    node.mkdir()
    shutil.copy(Path(__file__).with_name("comfyui_audit.py"), node / "__init__.py")
    os.environ["AUDIT"] = str(base / "audit.txt")
    command = [sys.executable, GENERATOR, _folder(base), "--markers", base / "markers", "--no-heavy"]
    subprocess.run(command, check=True, capture_output=True)


def checks(comfy):
    """What was looked at, whether it is right, and what was found."""
    folder = _folder(comfy.base)
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["entries"]
    files = [f"hostile/{entry['file']}" for entry in entries if entry["file"]]
    state, events = _state(folder), len(_events(comfy))
    good = comfy.picture(comfy.run(small(workflow(api=True), "a embedding:my cat here")))
    plain = comfy.picture(comfy.run(small(workflow(api=True), "a cat here")))
    _memory(comfy)
    memory = _memory(comfy)
    for node, title in NODES.items():
        yield from _named(comfy, files, title, node=node)
    yield from _inspected(comfy, files)
    grown = _memory(comfy) - memory
    yield f"{grown} MB of memory more than before at most, {MEBIBYTES} are allowed", grown <= MEBIBYTES, grown
    ran = sorted(each.name for each in (comfy.base / "markers").iterdir())
    yield f"of {len(files)} files none runs code", not ran, ran
    odd = [event for event in _events(comfy)[events:] if _is_odd(event, comfy.base)]
    yield "Python's audit hook saw nothing that no reader does", not odd, odd[:9]
    yield "every file is as it was", _state(folder) == state, ""
    yield "ComfyUI stays up", comfy.process.poll() is None and "my cat" in comfy.get("/embeddings"), ""
    after = comfy.picture(comfy.run(small(workflow(api=True), "a embedding:my cat here")))
    yield "a good embedding makes the picture that it made before", plain != good == after, ""


def _named(comfy, files, title, *, node):
    """Every file named in prompts."""
    failed, slowest = [], 0.0
    for start in range(0, len(files), AT_ONCE):
        text = " and ".join(name_in_prompt(file) for file in files[start : start + AT_ONCE])
        prompt = small(workflow(api=True, node=node), text)
        prompt = {key: prompt[key] for key in ("1", "2")} | {"9": _shown(int(node))}
        found, seconds = _timed(comfy, prompt)
        slowest = max(slowest, seconds)
        failed += [] if isinstance(found, dict) else [(files[start], found)]
    yield f"{title}: {len(files)} files named in prompts", not failed, failed
    yield f"{title}: {slowest:.1f} s for the slowest prompt, at most {SECONDS}", slowest <= SECONDS, slowest


def _inspected(comfy, files):
    """Everything in the node's list shown, of everything else said in a line that it is none."""
    kind, *told = comfy.get("/object_info")["LoanwordInspectEmbedding"]["input"]["required"]["embedding"]
    labels = kind if isinstance(kind, list) else told[0]["options"]
    asked = {name: _timed(comfy, alone("LoanwordInspectEmbedding", embedding=name)) for name in (*labels, *files)}
    shown = {name for name, (found, _) in asked.items() if isinstance(found, dict)}
    said = {name for name in files if len(str(asked[name][0]).strip().splitlines()) == 1} - shown
    yield f"Inspect embedding: {len(labels)} in its list, all shown", shown >= set(labels), set(labels) - shown
    wrong = set(files) - shown - said
    yield f"Inspect embedding: {len(shown & set(files))} paths shown, {len(said)} refused in a line", not wrong, wrong
    slowest = max(seconds for _, seconds in asked.values())
    yield f"Inspect embedding: {slowest:.1f} s for the slowest, at most {SECONDS}", slowest <= SECONDS, slowest


def _timed(comfy, prompt):
    """What comes of a prompt, and the processor's time that it takes."""
    started = _processor_time(comfy)
    found = comfy.run(prompt)
    return found, _processor_time(comfy) - started


def _processor_time(comfy):
    """Seconds, in ComfyUI's process and in those that it has waited for."""
    fields = Path(f"/proc/{comfy.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _shown(output):
    return {"class_type": "PreviewAny", "inputs": {"source": ["2", output]}}


def _folder(base):
    return base / "models/embeddings/hostile"


def _state(folder):
    """What each file below the folder is like."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).digest() if path.is_file() else None
        found[path] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
    return found


def _events(comfy):
    return (comfy.base / "audit.txt").read_text(encoding="utf-8").splitlines()


def _is_odd(event, base):
    """Whether it is none of loanword's processes, and nothing in the folders into which ComfyUI writes."""
    written = any(f"{base}/{folder}/" in event for folder in ("input", "output", "temp", "user"))
    return not written and not all(part in event for part in OWN_PROCESS)


def _memory(comfy):
    """The most that ComfyUI's process has held since this was asked before, in MB."""
    place = Path(f"/proc/{comfy.process.pid}")
    held = int((place / "status").read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) // 1024
    (place / "clear_refs").write_text("5", encoding="ascii")
    return held
