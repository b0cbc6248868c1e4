"""The index among several processes and threads, when it is damaged, when it cannot be written, among hostile files."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import loanword
import pytest
from hostile_corpus import make_corpus, needs_generator
from loanword.converters.indexing import open_library
from loanword.embeddings import library_store
from loanword.embeddings.library import MEMORY

ROOT = Path(loanword.__file__).parent
FILES = 40


def fill(folder, count=FILES):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        data = number.to_bytes(4, "little") * 768
        embedding = loanword.Embedding(f"style-{number}", {"clip_l": loanword.Vectors("float32", (1, 768), data)})
        (file,) = loanword.render(embedding)
        (folder / f"style-{number}.safetensors").write_bytes(file.content)
        os.utime(folder / f"style-{number}.safetensors", ns=(10**18, 10**18))
    return str(folder)


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "embeddings")


@pytest.fixture
def index(tmp_path):
    return str(tmp_path / "library.sqlite")


def scanning(folder, index, *options):
    """A process that scans."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout"), "LOANWORD_LIBRARY": index}
    command = [sys.executable, "-m", "loanword", "scan", folder, *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def total(index, folder):
    with open_library(index) as library:
        return library.page([folder], loanword.Query()).total


def test_several_processes_scan_at_once(folder, index):
    processes = [scanning(folder, index) for _ in range(4)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert out.splitlines()[1].split()[0] == str(FILES)
    assert total(index, folder) == FILES
    with open_library(index) as library:
        assert library.path == index
        assert library.scan([folder]).unchanged == FILES


def test_processes_that_scan_different_folders_keep_each_others_files(tmp_path, index):
    folders = [fill(tmp_path / f"folder-{number}", 10) for number in range(3)]
    for process in [scanning(folder, index) for folder in folders]:
        assert process.wait(60) == 0
        process.communicate()
    assert total(index, str(tmp_path)) == 30


@pytest.mark.skipif(os.name != "posix", reason="no such signal")
def test_a_scan_that_was_killed_leaves_a_sound_index(tmp_path, index):
    folder = fill(tmp_path / "many", 3000)
    process = scanning(folder, index)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (os.path.exists(index) and os.path.getsize(index) > 200_000):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with open_library(index) as library:
        done = library.page([folder], loanword.Query()).total
        scan = library.scan([folder])
        assert library.path == index
        assert (len(scan.added), scan.unchanged) == (3000 - done, done)
        assert library.page([folder], loanword.Query()).total == 3000


def test_threads_ask_while_one_scans(folder, index):
    with open_library(index) as library:
        failures, seen = [], []

        def ask():
            try:
                while not seen or seen[-1] < FILES:
                    seen.append(library.page([folder], loanword.Query(limit=5)).total)
            except Exception as error:  # noqa: BLE001  # whatever it is has to reach the test
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        scans = [threading.Thread(target=library.scan, args=([folder],)) for _ in range(2)]
        for thread in scans:
            thread.start()
        for thread in (*threads, *scans):
            thread.join(30)
        assert failures == []
        assert library.page([folder], loanword.Query()).total == FILES


DAMAGE = {
    "garbage": lambda _: os.urandom(20_000),
    "empty": lambda _: b"",
    "cut": lambda content: content[: len(content) // 2],
    "text": lambda _: b"not a database",
    "zeros": lambda content: content[:100] + bytes(len(content) - 100),
    "header": lambda content: b"\0" * 16 + content[16:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_index_is_replaced(folder, index, damage):
    assert_mended(folder, index, DAMAGE[damage])


@pytest.mark.parametrize("seed", range(12))
def test_an_index_with_wrong_bytes_is_replaced_or_still_works(folder, index, seed):
    def flipped(content):
        chance = random.Random(seed)
        changed = bytearray(content)
        for _ in range(200):
            changed[chance.randrange(len(changed))] ^= chance.randrange(1, 256)
        return bytes(changed)

    assert_mended(folder, index, flipped)


def assert_mended(folder, index, damage):
    with open_library(index) as library:
        library.scan([folder])
    Path(index).write_bytes(damage(Path(index).read_bytes()))
    with open_library(index) as library:
        library.scan([folder])
        page = library.page([folder], loanword.Query(limit=100))
        assert [*library.files([folder])]
        assert library.duplicates([folder]) == []
    with open_library(index) as library:
        library.scan([folder])
        again = library.page([folder], loanword.Query(limit=100))
    assert page.total <= FILES
    assert again.total <= FILES


def test_an_index_damaged_while_it_is_open_is_replaced(folder, index):
    with open_library(index) as library:
        library.scan([folder])
        with open(index, "r+b") as file:
            file.write(os.urandom(os.path.getsize(index)))
        library.scan([folder])
        assert library.page([folder], loanword.Query()).total == FILES
        assert library.path == index
    assert total(index, folder) == FILES


def test_an_index_that_was_deleted_while_it_is_open_does_no_harm(folder, index):
    with open_library(index) as library:
        library.scan([folder])
        os.unlink(index)
        assert library.scan([folder]).unchanged == FILES
        fill(Path(folder), FILES + 1)
        library.scan([folder])
        assert library.page([folder], loanword.Query()).total == FILES + 1
    assert total(index, folder) == FILES + 1


def test_what_was_in_the_place_of_the_index_is_set_aside_not_deleted(folder, index):
    shutil.copy(os.path.join(folder, "style-1.safetensors"), index)
    content = Path(index).read_bytes()
    with open_library(index) as library:
        library.scan([folder])
        assert library.path == index
    assert Path(f"{index}.damaged").read_bytes() == content


def test_the_database_of_another_program_is_left_alone(folder, index):
    other = sqlite3.connect(index)
    other.execute("CREATE TABLE precious (value)")
    other.commit()
    other.close()
    before = Path(index).read_bytes()
    with open_library(index) as library:
        assert len(library.scan([folder]).added) == FILES
        assert library.page([folder], loanword.Query()).total == FILES
        assert library.path == MEMORY
    assert Path(index).read_bytes() == before


def test_an_index_of_another_version_is_made_anew(folder, index):
    with open_library(index) as library:
        library.scan([folder])
    old = sqlite3.connect(index)
    old.executescript("PRAGMA user_version = 99; DROP TABLE files; CREATE TABLE files (path)")
    old.close()
    with open_library(index) as library:
        assert len(library.scan([folder]).added) == FILES
        assert library.path == index


def test_where_nothing_can_be_written_the_index_is_kept_in_memory(folder, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with open_library(str(tmp_path / "file" / "library.sqlite")) as library:
        assert len(library.scan([folder]).added) == FILES
        assert library.scan([folder]).unchanged == FILES
        assert library.path == MEMORY


def test_where_another_process_never_lets_go_the_index_is_kept_in_memory(folder, index, monkeypatch):
    total(index, folder)
    monkeypatch.setattr(library_store, "PATIENCE", 0.2)
    other = sqlite3.connect(index, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with open_library(index) as library:
        assert len(library.scan([folder]).added) == FILES
        assert library.page([folder], loanword.Query()).total == FILES
        assert library.path == MEMORY
    other.close()


@needs_generator
def test_hostile_files_are_told_apart_and_nothing_in_them_runs(tmp_path, index):
    corpus, markers = tmp_path / "corpus", tmp_path / "markers"
    make_corpus(corpus, markers)
    process = scanning(str(corpus), index, "--json")
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    assert "Warning" not in err
    assert process.returncode == 1  # some cannot be read at all
    assert not markers.exists() or not [*markers.iterdir()]
    with open_library(index) as library:
        found = {file.path: file.kind for file in library.files([str(corpus)])}
    assert len(found) > 1000
    unsafe = [path for path, kind in found.items() if kind == "unsafe-pickle"]
    assert len([path for path in unsafe if "exec-" in path]) > 150
    assert not [path for path, kind in found.items() if kind == "embedding" and f"{os.sep}exec-" in path]
    assert out.startswith("{")
