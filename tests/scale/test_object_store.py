"""A real S3 protocol: moto's server on this machine, and the requests that it saw."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import loanword
import pytest
from scale.collection import contents, embedding, make, rows

pytest.importorskip("s3fs")
pytest.importorskip("moto")
pytest.importorskip("flask")
import fsspec

BUCKET = "s3://archive"
LINE = re.compile(r'"(?:\x1b\[\d+m)*([A-Z]+) /archive(?:/([^? ]*))?(?:\?[^ ]*)? HTTP')


class Server:
    """moto's server in a process of its own."""

    def __init__(self, folder):
        self.log = Path(folder, "requests.log")
        self.file = self.log.open("wb")
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        self.process = subprocess.Popen(
            command, stdout=self.file, stderr=self.file, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        self.url = self.waited_for(r"Running on (http://127\.0\.0\.1:\d+)")

    def waited_for(self, pattern):
        for _ in range(600):
            if found := re.search(pattern, self.log.read_text()):
                return found[1]
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text())

    def requests(self, work):
        """What `work` returns, and how many requests of which method the server saw for each key meanwhile."""
        before = len(self.log.read_bytes())
        result = work()
        seen = LINE.findall(self.log.read_bytes()[before:].decode())
        return result, Counter((method, unquote(key)) for method, key in seen)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.file.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    started = Server(folder)
    known = {
        "AWS_ENDPOINT_URL": started.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in known.items():
            patch.setenv(name, value)
        yield started
    started.close()


@pytest.fixture
def store(server):
    """The bucket of the server, empty."""
    assert server.process.poll() is None
    s3 = fsspec.filesystem("s3", skip_instance_cache=True)
    if s3.exists("archive"):
        s3.rm("archive", recursive=True)
    s3.mkdir("archive")
    return s3


def upload(store, folder, prefix):
    for name, content in contents(folder).items():
        store.pipe_file(f"archive/{prefix}/{name}", content)


def held(store, prefix):
    store.invalidate_cache()
    top = f"archive/{prefix}/"
    return {name.removeprefix(top): store.cat_file(name, start=0, end=2**20) for name in store.find(top)}


@pytest.mark.usefixtures("store")
def test_a_small_file_costs_one_request(server):
    (place,), seen = server.requests(lambda: loanword.write(embedding("cat"), f"{BUCKET}/one/"))
    assert seen["PUT", "one/cat.safetensors"] == 1
    found, seen = server.requests(lambda: loanword.read(place))
    assert found == embedding("cat")
    assert seen == {("GET", "one/cat.safetensors"): 1}
    with pytest.raises(loanword.CannotWrite, match="already there"):
        loanword.write(embedding("cat", 2), f"{BUCKET}/one/")
    assert loanword.read(place) == embedding("cat"), "and it is as it was"
    loanword.write(embedding("cat", 2), place, overwrite=True)
    assert loanword.read(place) == embedding("cat", 2)


def test_what_is_not_there_or_empty_is_said_so(store):
    with pytest.raises(loanword.Unreadable, match="no such file"):
        loanword.read(f"{BUCKET}/nothing.pt")
    store.pipe_file("archive/empty.pt", b"")
    with pytest.raises(loanword.FileError, match="empty"):
        loanword.read(f"{BUCKET}/empty.pt")
    with pytest.raises(loanword.Unreadable):
        loanword.read("s3://no-such-bucket/a.pt")


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_collection_costs_a_listing_and_two_requests_a_file(server, store, jobs):
    for number in range(30):
        store.pipe_file(
            f"archive/in/{number}.pt", loanword.render(embedding("style", number), container="torch-zip")[0].content
        )
    totals, seen = server.requests(lambda: loanword.convert_many(f"{BUCKET}/in/", f"{BUCKET}/out", jobs=jobs))
    assert totals.converted == 30
    listings = seen.pop(("GET", ""))
    assert seen == {("GET", f"in/{number}.pt"): 1 for number in range(30)} | {
        ("PUT", f"out/{number}.safetensors"): 1 for number in range(30)
    }
    assert listings <= 3, "of what there is to convert, and of what the destination holds"


def test_a_collection_comes_out_as_it_does_on_a_disk(store, tmp_path):
    make(tmp_path / "in")
    expected = loanword.convert_many(tmp_path / "in", tmp_path / "out", jobs=0)
    upload(store, tmp_path / "in", "in")
    report = tmp_path / "report.jsonl"
    assert loanword.convert_many(f"{BUCKET}/in/", f"{BUCKET}/out", jobs=2, report=report) == expected
    assert held(store, "out") == contents(tmp_path / "out")
    assert all(row["source"].startswith(f"{BUCKET}/in/") for row in rows(report))


def test_a_run_that_is_interrupted_is_taken_up_from_its_local_journal(store, tmp_path, monkeypatch):
    from loanword.converters.many import intake

    monkeypatch.setattr(intake, "CHUNK", 8)
    make(tmp_path / "in", 10)
    upload(store, tmp_path / "in", "in")
    expected = loanword.convert_many(f"{BUCKET}/in/", f"{BUCKET}/expected/", jobs=0)

    def interrupt(done, _):
        if done >= 8:
            raise KeyboardInterrupt

    journal = tmp_path / "journal.sqlite"
    with pytest.raises(KeyboardInterrupt):
        loanword.convert_many(f"{BUCKET}/in/", f"{BUCKET}/out/", jobs=0, journal=journal, progress=interrupt)
    assert journal.exists()
    finished = []
    totals = loanword.convert_many(
        f"{BUCKET}/in/", f"{BUCKET}/out/", jobs=0, journal=journal, progress=lambda done, _: finished.append(done)
    )
    assert totals == expected
    assert held(store, "out") == held(store, "expected")
    assert finished[-1] < len(contents(tmp_path / "in"))
    assert not journal.exists()
    again = loanword.convert_many(f"{BUCKET}/in/", f"{BUCKET}/out/", jobs=0)
    assert (again.converted, again.identical) == (0, expected.converted)
