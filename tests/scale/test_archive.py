"""A zip archive as the destination of a collection."""

import os
import zipfile
from pathlib import Path

import loanword
import pytest
from click.testing import CliRunner
from loanword.__main__ import main
from loanword.converters.many import intake
from scale.collection import contents, make, rows

ALL = "zip://all/::out/all.zip"
BESIDE = ".loanword-all.zip"


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """A working folder with a collection in `in/`, and what it becomes in `expected/`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(intake, "CHUNK", 4)
    make(Path("in"))
    loanword.convert_many("in", "expected", jobs=0, report="expected.jsonl")
    return Path("in")


def packed(path="out/all.zip"):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("jobs", [0, 2])
def test_it_holds_what_a_folder_would(collection, jobs):
    told = []
    totals = loanword.convert_many(collection, ALL, jobs=jobs, report="report.jsonl", tell=told.append)
    assert totals.converted == 44
    assert packed() == {f"all/{name}": content for name, content in contents("expected").items()}
    assert os.listdir("out") == ["all.zip"]
    report = rows("report.jsonl")
    assert [row["output"] for row in report] == [
        row["output"] and f"zip://all/{Path(row['output']).relative_to('expected').as_posix()}::out/all.zip"
        for row in rows("expected.jsonl")
    ]
    assert BESIDE not in Path("report.jsonl").read_text(encoding="utf-8")
    assert {path for each in told for path in each.paths} <= {row["output"] for row in report}


def test_what_is_in_it_is_read_where_the_report_says(collection):
    pytest.importorskip("fsspec")
    loanword.convert_many(collection, ALL, jobs=0, report="report.jsonl")
    some = next(row for row in rows("report.jsonl") if row["outcome"] == "converted")
    assert loanword.read(some["output"]).name == some["names"]


@pytest.mark.usefixtures("collection")
def test_the_command_packs_one():
    done = CliRunner().invoke(main, ["convert", "in", "--out", "zip://::out.zip"])
    assert done.exit_code == 1, "one of the files is damaged"
    assert packed("out.zip") == contents("expected")
    done = CliRunner().invoke(main, ["convert", "in", "--out", "zip://::out.zip"])
    assert (done.exit_code, "already there" in done.output) == (1, True)


def test_one_that_is_there_is_not_touched(collection):
    os.mkdir("out")
    Path("out/all.zip").write_bytes(b"somebody's")
    for overwrite in (False, True):
        with pytest.raises(loanword.CannotWrite, match="already there"):
            loanword.convert_many(collection, ALL, jobs=0, overwrite=overwrite)
    assert Path("out/all.zip").read_bytes() == b"somebody's"
    assert os.listdir("out") == ["all.zip"]


def test_one_that_appears_meanwhile_is_not_touched_either(collection):
    def appear(*_):
        Path("out/all.zip").write_bytes(b"somebody's")

    with pytest.raises(loanword.CannotWrite, match="already there"):
        loanword.convert_many(collection, ALL, jobs=0, progress=appear)
    assert Path("out/all.zip").read_bytes() == b"somebody's"


@pytest.mark.parametrize("when", ["progress", "tell"])
def test_an_interrupted_run_is_gone_with_on(collection, when):
    """During the work, and when the archive is there but the run has not ended."""
    loanword.convert_many(collection, "zip://all/::undisturbed.zip", jobs=0)

    def interrupt(*seen):
        if when == "tell" or seen[0] > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loanword.convert_many(collection, ALL, jobs=0, **{when: interrupt})
    assert Path("out/all.zip").exists() == (when == "tell")
    done = []
    totals = loanword.convert_many(collection, ALL, jobs=0, progress=lambda number, _: done.append(number))
    assert totals.converted == 44
    assert done[-1:] < [41], "what was done is not done again"
    assert Path("out/all.zip").read_bytes() == Path("undisturbed.zip").read_bytes()
    assert os.listdir("out") == ["all.zip"]


def test_one_can_be_begun_anew(collection):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loanword.convert_many(collection, ALL, jobs=0, progress=interrupt)
    with pytest.raises(loanword.CannotWrite, match="other settings"):
        loanword.convert_many(collection, ALL, jobs=0, target="a1111")
    loanword.convert_many(collection, ALL, jobs=0, target="a1111", resume=False)
    assert all(name.endswith((".pt", ".safetensors")) for name in packed())
    assert os.listdir("out") == ["all.zip"]


def test_beginning_anew_spares_an_archive_and_says_so_at_once(collection):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loanword.convert_many(collection, ALL, jobs=0, progress=interrupt)
    Path("out/all.zip").write_bytes(b"somebody's")
    with pytest.raises(loanword.CannotWrite, match="already there"):
        loanword.convert_many(collection, ALL, jobs=0, resume=False, progress=interrupt)
    assert Path("out/all.zip").read_bytes() == b"somebody's"
    assert contents(f"out/{BESIDE}"), "and what was done stays for a run that goes on"


@pytest.mark.parametrize("destination", ["zip://all/", "zip://all/::s3://bucket/all.zip"])
def test_an_archive_is_written_on_this_machine(collection, destination):
    with pytest.raises(loanword.CannotWrite, match="on this machine"):
        loanword.convert_many(collection, destination, jobs=0)
