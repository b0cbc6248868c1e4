"""Very many files are read by several processes: the index is the same, whatever becomes of those processes."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time

import loanword
import pytest
from loanword.converters.indexing import reader
from loanword.embeddings import library_reading
from loanword.embeddings.library import MEMORY, Library
from samples import some

FILES = 1200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("many")
    content = loanword.render(loanword.Embedding("style", {"clip_l": some(1)}))[0].content
    for number in range(FILES):
        (top / f"style-{number}.safetensors").write_bytes(content[:-4] + number.to_bytes(4, "little"))
    (top / "half.pt").write_bytes(b"PK\3\4")
    loanword.write(loanword.Embedding("\ud800x", {"clip_l": some(1)}), top / "Größe.bin", format="diffusers")
    os.rename(top / "Größe.bin", os.path.join(os.fsencode(top), b"gr\xf6sse.bin"))
    return str(top)


@pytest.fixture(autouse=True)
def several(monkeypatch):
    monkeypatch.setattr(library_reading, "WORTH_A_PROCESS", 100)
    monkeypatch.setattr(library_reading, "_cores", lambda: 3)


def scanned(folder, read_by):
    with Library(MEMORY, read_by) as library:
        scan = library.scan([folder])
        return len(scan.added), [*library.files([folder])], library.page([folder], loanword.Query(text="gr")).total


@pytest.fixture(scope="module")
def alone(folder):
    return scanned(folder, dataclasses.replace(reader(), command=()))


def slow(path):
    """The reader of a process that does its part late, so that others have to do theirs."""
    time.sleep(0.002)
    return reader().read(path)


def test_processes_find_what_one_alone_finds(folder, alone):
    assert scanned(folder, dataclasses.replace(reader(), read=slow)) == alone
    assert alone[0] == FILES + 2


def test_processes_really_read(folder):
    mine = []

    def read(path):
        mine.append(path)
        return slow(path)

    scanned(folder, dataclasses.replace(reader(), read=read))
    assert 0 < len(mine) < FILES


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit",
        "print('ready', flush=True); input(); raise SystemExit",
        "print('ready', flush=True); input(); print('{]', flush=True)",
        "print('something else')",
    ],
)
def test_what_failing_processes_leave_is_read_all_the_same(folder, alone, code):
    command = (sys.executable, "-I", "-c", code)
    assert scanned(folder, dataclasses.replace(reader(), read=slow, command=command)) == alone


def test_a_command_that_cannot_be_started_does_no_harm(folder, alone):
    assert scanned(folder, dataclasses.replace(reader(), command=("/nowhere/python",))) == alone


def test_cancelling_ends_the_processes(folder):
    before = {thread.name for thread in threading.enumerate()}
    with Library(MEMORY, reader()) as library:
        told = []
        library.scan([folder], progress=lambda *done: told.append(done), cancelled=lambda: len(told) >= 5)
        assert len(told) == 5
    assert {thread.name for thread in threading.enumerate()} <= before


def test_the_other_process_imports_nothing_from_where_it_starts(tmp_path, folder):
    for name in ("json", "numpy", "loanword", "sqlite3"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    path = os.path.join(folder, "style-1.safetensors")
    line = json.dumps([[path, [1, 1, 0, 1]]]) + "\n"
    command = reader().command
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, input=line, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True, timeout=60
    )
    ready, answer, again = done.stdout.splitlines()
    assert (ready, again) == ("ready", "ready")
    assert json.loads(answer)[0][0] == path
    assert not (tmp_path / "ran").exists()
