"""A corpus of hostile files: each gets the verdict of its manifest.

LOANWORD_HOSTILE_HEAVY=1 adds its largest files. The files are read in processes of their own, with an audit hook as the
oracle for what reading does, and with torch and safetensors as the oracles for what is read.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hostile_corpus import make_corpus, needs_generator

HEAVY = os.environ.get("LOANWORD_HOSTILE_HEAVY") == "1"
pytestmark = [
    needs_generator,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it"),
]
CLASSES = (
    *("control", "exec-opcode", "exec-gadget", "exec-evasion", "abuse-allowed", "tensor", "pickle-dos", "zip"),
    *("zip-bomb", "legacy", "truncate", "bitflip", "safetensors", "image", "name", "fs"),
)
SECONDS, MEGABYTES = 1.0, 256
LONGEST_WAIT = 20.0
"""Seconds by the clock, which on a busy machine says little; a file that blocks for ever is what it catches."""
CHILDREN = 2
HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent / "checkout"), str(HERE)])}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The manifest's entries with what reading each of them gave; made once, however many processes run the tests."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    done = base / "hostile.json"
    try:
        (base / "hostile").mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 600
        while not done.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
    else:
        made = made_report(base / "hostile")
        partial = done.with_suffix(".partial")
        partial.write_text(json.dumps(made))
        partial.rename(done)
    return json.loads(done.read_text())


def made_report(folder):
    entries = make_corpus(folder, folder / "markers", heavy=HEAVY)
    files = [str(folder / entry["file"]) for entry in entries if entry["file"]]
    results = {}
    children = [child(folder, files[number::CHILDREN]) for number in range(CHILDREN)]
    for process, output in children:
        process.wait(timeout=300)
        results |= {result["path"]: result for result in map(json.loads, output.read_text().splitlines())}
    for entry in entries:
        if entry["file"]:
            entry["path"] = str(folder / entry["file"])
            entry["result"] = results.get(entry["path"], {"verdict": "crash", "message": "the process died"})
            entry["result"]["marker"] = os.path.exists(entry["forbid"]["marker"])
            if entry["result"]["verdict"] != "read" and not os.path.isdir(entry["path"]):
                os.unlink(entry["path"])  # hundreds of megabytes, which nobody looks at again
    return entries


def child(folder, files):
    """A process that reads the files, and the file with its report."""
    output = folder / f"report-{time.monotonic_ns()}"
    command = [sys.executable, str(HERE / "hostile_child.py"), str(folder / "control")]
    with output.open("w") as file:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, env=ENVIRONMENT, text=True)
    with process.stdin as names:
        names.write("".join(json.dumps(each) + "\n" for each in files))
    return process, output


def of(report, class_name):
    found = [entry for entry in report if entry["class"] == class_name and entry["file"]]
    assert found
    return found


@pytest.mark.parametrize("class_name", CLASSES)
def test_every_file_gets_its_verdict(report, class_name):
    allowed = {"reject": {"reject"}, "read": {"read"}, "either": {"reject", "read"}}
    wrong = {
        entry["id"]: entry["result"]
        for entry in of(report, class_name)
        if entry["result"]["verdict"] not in allowed[entry["expect"]]
    }
    assert not wrong


@pytest.mark.parametrize("class_name", CLASSES)
def test_what_is_read_has_the_numbers_of_the_manifest(report, class_name):
    for entry in of(report, class_name):
        if entry["result"]["verdict"] == "read" and entry["value"]:
            hashes = {digest for _, digest in entry["result"]["tensors"]}
            assert hashes == {each["sha256"] for each in entry["value"]["tensors"].values()}, entry["id"]
            if entry["value"]["name"] and entry["class"] != "name":
                assert entry["value"]["name"] in entry["result"]["names"][0], entry["id"]


@pytest.mark.parametrize("class_name", CLASSES)
def test_no_payload_runs_and_reading_does_nothing_but_read(report, class_name):
    acted = {
        entry["id"]: entry["result"].get("events")
        for entry in of(report, class_name)
        if entry["result"].get("events") or entry["result"]["marker"]
    }
    assert not acted


@pytest.mark.parametrize("class_name", CLASSES)
def test_no_file_costs_much_time_or_memory(report, class_name):
    costly = {
        entry["id"]: [entry["result"][what] for what in ("seconds", "waited", "megabytes")]
        for entry in of(report, class_name)
        if entry["result"]["seconds"] > SECONDS
        or entry["result"]["waited"] > LONGEST_WAIT
        or entry["result"]["megabytes"] > MEGABYTES
    }
    assert not costly


@pytest.mark.parametrize("class_name", CLASSES)
def test_every_refusal_is_one_line_that_begins_with_the_path(report, class_name):
    for entry in of(report, class_name):
        if entry["result"]["verdict"] == "reject":
            message = entry["result"]["message"]
            assert message.isprintable(), entry["id"]
            assert len(message) < 400 + 4 * len(entry["path"]) + 100, entry["id"]
            assert message[:20] == entry["path"][:20], entry["id"]


def test_what_torch_reads_too_has_the_same_numbers(report):
    """Of the files that both take: a refusal of either proves nothing, two different readings do."""
    torch = pytest.importorskip("torch")
    compared = 0
    for entry in report:
        if not entry["file"] or entry["result"]["verdict"] != "read" or entry["path"].endswith((".png", ".webp")):
            continue
        content = Path(entry["path"]).read_bytes()
        if content[:2] not in (b"PK", b"\x80\x02"):
            continue
        try:
            loaded = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        except Exception:  # noqa: BLE001  # whatever torch says, it does not read it
            continue
        digests = {digest_of(each) for each in floats(loaded)}
        assert {digest for _, digest in entry["result"]["tensors"]} <= digests, entry["id"]
        compared += 1
    assert compared > 100


def floats(value):
    """Every tensor of floating-point numbers in what torch loaded."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        value = list(value.values())
    return [each for item in value for each in floats(item)] if isinstance(value, (list, tuple)) else []


def digest_of(tensor):
    return hashlib.sha256(tensor.detach().float().contiguous().numpy().astype("<f4").tobytes()).hexdigest()


def test_what_safetensors_reads_too_has_the_same_numbers(report):
    library = pytest.importorskip("safetensors")
    compared = 0
    for entry in report:
        if not entry["file"] or entry["result"]["verdict"] != "read" or not entry["path"].endswith(".safetensors"):
            continue
        try:
            loaded = library.deserialize(Path(entry["path"]).read_bytes())
        except library.SafetensorError:
            continue
        for _, tensor in loaded:
            if tensor["dtype"] == "F32":
                digest = hashlib.sha256(bytes(tensor["data"])).hexdigest()
                assert digest in {each for _, each in entry["result"]["tensors"]}, entry["id"]
                compared += 1
    assert compared > 20


# ---- scenarios: what happens to a file while it is read, and to the file that is written


def embedding_file(path, seed=0):
    import loanword
    from loanword.embeddings.embedding import Vectors

    rows = np.random.default_rng(seed).standard_normal((1, 768)).astype(np.float32)
    embedding = loanword.Embedding("cat", {"clip_l": Vectors.from_numpy(rows)})
    loanword.write(embedding, path, format="a1111", overwrite=True)
    return path, loanword.read(path).vectors["clip_l"].tobytes()


def meanwhile(monkeypatch, act):
    """Have `act` done once, right after a file was opened and before any of it is read."""
    from loanword.converters import source

    opened = []
    real = os.fstat

    def fstat(descriptor):
        status = real(descriptor)
        if not opened:
            opened.append(descriptor)
            act()
        return status

    monkeypatch.setattr(source.os, "fstat", fstat)
    return opened


def swapped_for_another(path, other):
    return lambda: os.replace(other, path)


def cut(path):
    return lambda: os.truncate(path, 10)


def grown(path):
    def act():
        with path.open("ab") as file:
            file.write(b"more")

    return act


def changed(path):
    def act():
        with path.open("r+b") as file:
            file.seek(-400, os.SEEK_END)
            file.write(b"changed")

    return act


def test_a_file_that_is_swapped_while_it_is_read_gives_one_of_the_two(tmp_path, monkeypatch):
    import loanword

    path, numbers = embedding_file(tmp_path / "cat.pt")
    other, _ = embedding_file(tmp_path / "other.pt", seed=1)
    assert meanwhile(monkeypatch, swapped_for_another(path, other)) == []
    assert loanword.read(path).vectors["clip_l"].tobytes() == numbers


@pytest.mark.parametrize("act", [cut, grown, changed], ids=["truncated", "grown", "changed"])
def test_a_file_that_changes_while_it_is_read_is_refused_or_read_as_it_is(tmp_path, monkeypatch, act):
    import loanword

    path, numbers = embedding_file(tmp_path / "cat.pt")
    opened = meanwhile(monkeypatch, act(path))
    with pytest.raises(loanword.LoanwordError):
        assert loanword.read(path).vectors["clip_l"].tobytes() == numbers
    assert opened


@pytest.mark.parametrize("act", [cut, changed], ids=["truncated", "changed"])
def test_a_large_file_that_changes_while_it_is_read_is_refused(tmp_path, act):
    import loanword
    from loanword.converters.files import opened_payload
    from pickle_parts import dict_of, pickle_of, tensor, torch_zip

    path = tmp_path / "cat.bin"
    table = np.ones((8192, 768), "<f4")
    path.write_bytes(torch_zip(pickle_of(dict_of({"<cat>": tensor((1, 768), count=table.size)})), [table.tobytes()]))

    def read():
        with opened_payload(path) as payload:
            act(path)()
            os.utime(path, ns=(1, 1))
            assert bytes(payload.tree["<cat>"].fetch()) == table[0].tobytes()

    with pytest.raises(loanword.LoanwordError):
        read()


def test_an_original_is_not_written_over(tmp_path):
    import loanword

    path, numbers = embedding_file(tmp_path / "cat.pt")
    before = path.read_bytes()
    with pytest.raises(loanword.LoanwordError):
        loanword.convert(path, path, format="diffusers")
    assert path.read_bytes() == before
    assert loanword.read(path).vectors["clip_l"].tobytes() == numbers


BESIDE = """
import os, sys
import loanword

opened = []
source, target = sys.argv[1:]
watch = lambda event, given: opened.append(os.fsdecode(given[0])) if event == "open" and given[2] & os.O_RDWR else None
sys.addaudithook(watch)
loanword.convert(source, target)
assert opened and all(each.startswith(os.path.dirname(target)) for each in opened), opened
"""


def test_a_temporary_file_lies_beside_its_target(tmp_path):
    """Another folder may be on another device, from which nothing can be renamed."""
    path, _ = embedding_file(tmp_path / "cat.pt")
    target = tmp_path / "new" / "cat.safetensors"
    subprocess.run([sys.executable, "-c", BESIDE, str(path), str(target)], check=True, env=ENVIRONMENT, timeout=60)


SCENARIOS = {
    "swap-between-check-and-use": "test_hostile.test_a_file_that_is_swapped_while_it_is_read_gives_one_of_the_two",
    "truncate-during-read": "test_hostile.test_a_large_file_that_changes_while_it_is_read_is_refused",
    "append-during-read": "test_hostile.test_a_file_that_changes_while_it_is_read_is_refused_or_read_as_it_is",
    "modify-during-read": "test_hostile.test_a_large_file_that_changes_while_it_is_read_is_refused",
    "ro-outdir": "test_atomic_writes.test_a_folder_that_may_not_be_written_to_is_said_so",
    "disk-full": "test_atomic_writes.test_a_full_disk_leaves_the_old_file_and_nothing_else",
    "kill-mid-write": "test_atomic_writes.test_a_process_killed_at_any_moment_leaves_only_whole_files",
    "concurrent-writers": "test_atomic_writes.test_eight_writers_and_a_reader_see_whole_files_only",
    "write-over-source": "test_hostile.test_an_original_is_not_written_over",
    "out-is-symlink": "test_atomic_writes.test_a_symbolic_link_is_neither_followed_nor_replaced",
    "out-is-dir": "test_atomic_writes.test_a_folder_in_the_place_of_the_file_stays",
    "out-exists": "test_atomic_writes.test_an_existing_file_stays_unless_overwriting_is_allowed",
    "case-collision": "test_writing.test_names_that_a_file_system_cannot_tell_apart_get_numbers",
    "name-collision": "test_writing.test_names_that_a_file_system_cannot_tell_apart_get_numbers",
    "cross-device": "test_hostile.test_a_temporary_file_lies_beside_its_target",
    "fsync-error": "test_atomic_writes.test_a_disk_that_fails_to_flush_gives_no_name",
    "keep-mode": "test_atomic_writes.test_the_permissions_of_a_replaced_file_stay",
}
"""Where each of the corpus's scenarios is played."""


def test_every_scenario_of_the_corpus_is_played_somewhere(report):
    assert {entry["id"].removeprefix("sc-") for entry in report if not entry["file"]} == SCENARIOS.keys()
    for place in SCENARIOS.values():
        module, test = place.split(".")
        assert f"\ndef {test}(" in (HERE / f"{module}.py").read_text(), place
