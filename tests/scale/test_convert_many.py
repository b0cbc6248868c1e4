"""`convert_many`: every file once, every outcome in the report, the same whoever does the work and in which order."""

import os
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import loanword
import pytest
from click.testing import CliRunner
from loanword.__main__ import main
from loanword.converters.many import intake
from loanword.converters.many.facts import COLUMNS
from scale.collection import contents, embedding, make, rows


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """A working folder with a collection in `in/`, of which a chunk holds only a few files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(intake, "CHUNK", 4)
    make(Path("in"))
    return Path("in")


class Backwards(Executor):
    """Does what was submitted last first, after a while."""

    def __init__(self):
        self.tasks = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.tasks.append((future, lambda: fn(*args, **kwargs)))
        threading.Timer(0.01, self.work).start()
        return future

    def work(self):
        future, task = self.tasks.pop()
        future.set_result(task())


def converted(collection, out="out", **options):
    totals = loanword.convert_many(collection, out, report="report.jsonl", **options)
    return totals, contents(out), rows("report.jsonl")


def emptied(folder="out"):
    os.rename(folder, f"was-{time.monotonic_ns()}")


def test_every_file_has_its_outcome(collection):
    totals, files, report = converted(collection, jobs=0)
    assert totals == loanword.Totals(converted=44, identical=0, skipped=2, failed=4, duplicates=2)
    assert {row["source"] for row in report} == {*map(str, filter(Path.is_file, collection.rglob("*")))}
    assert {row["output"] for row in report if row["outcome"] == "converted"} == {
        os.path.join("out", *name.split("/")) for name in files
    }
    outcomes = {Path(row["source"]).name: (row["outcome"], row["code"]) for row in report}
    assert outcomes["cut.pt"] == ("failed", "damaged")
    assert outcomes["page.pt"] == ("skipped", "not-an-embedding")
    assert outcomes["several.bin"] == ("failed", "collision")
    assert outcomes["猫 [v2].pt"] == ("converted", "")


def test_the_report_has_the_same_simple_columns_in_every_row(collection):
    _, _, report = converted(collection, jobs=0)
    assert {tuple(row) for row in report} == {tuple(COLUMNS)}
    kinds = {column: {type(row[column]) for row in report} for column in COLUMNS}
    assert kinds == {column: {int if column in ("part", "output_bytes") else str} for column in COLUMNS}


def test_the_report_names_the_first_file_with_the_same_vectors(collection):
    _, _, report = converted(collection, jobs=0)
    twins = {row["source"]: row["duplicate_of"] for row in report if row["duplicate_of"]}
    first = os.path.join("in", "1", "style00001.safetensors")
    assert twins == {os.path.join("in", "twins", name): first for name in ("twin.pt", "another twin.safetensors")}


def test_of_files_that_become_the_same_the_first_has_the_place(collection):
    _, files, report = converted(collection, jobs=0)
    outcomes = {row["source"]: (row["outcome"], row["reason"]) for row in report}
    first, place = os.path.join("in", "twins", "namesake.bin"), os.path.join("out", "twins", "namesake.safetensors")
    assert outcomes[first] == ("converted", "")
    for name in ("namesake.pt", "namesake.safetensors", "several.bin"):
        reason = f"{first} becomes {place} too; rename one of them"
        assert outcomes[os.path.join("in", "twins", name)] == ("failed", reason)
    assert loanword.read(files["twins/namesake.safetensors"], name="namesake") == embedding("namesake", 103)
    assert not {"twins/cat.safetensors", "twins/dog.safetensors"} & {*files}, "of several, all or none"


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("first", [["in/twins/namesake.safetensors", "in"], ["in/twins/several.bin", "in/twins"]])
def test_what_is_named_first_comes_first(first):
    _, _, report = converted(first, jobs=0, executor=Backwards())
    assert next(row["outcome"] for row in report if row["source"] == first[0]) == "converted"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "executor",
    [Backwards, lambda: ThreadPoolExecutor(3), lambda: None],
    ids=["backwards", "three threads", "two processes"],
)
def test_the_order_in_which_workers_finish_makes_no_difference(collection, executor, overwrite):
    expected = converted(collection, jobs=0, overwrite=overwrite)
    emptied()
    assert converted(collection, jobs=2, executor=executor(), overwrite=overwrite) == expected


def test_settling_leaves_alone_what_was_there_before(collection):
    theirs = {"twins/namesake.safetensors": b"theirs", "twins/cat.safetensors": b"theirs, too"}
    for name, content in theirs.items():
        Path("out", name).parent.mkdir(parents=True, exist_ok=True)
        Path("out", name).write_bytes(content)
    _, files, report = converted(collection, executor=Backwards())
    assert {name: files[name] for name in theirs} == theirs
    outcomes = {row["source"]: row["code"] for row in report}
    assert outcomes[os.path.join("in", "twins", "namesake.bin")] == "already-there"
    assert outcomes[os.path.join("in", "twins", "several.bin")] == "collision"


def test_a_source_that_vanishes_before_places_are_settled_is_told_once(collection):
    vanishing = Path("first/two.bin")
    loanword.write([embedding("namesake", 5), embedding("zebra", 6)], vanishing, format="diffusers")

    def vanish(done, _):
        if done > 4:
            vanishing.unlink(missing_ok=True)

    loanword.convert_many([vanishing, collection / "twins"], "out", report="report.jsonl", jobs=0, progress=vanish)
    assert [(row["outcome"], row["part"]) for row in rows("report.jsonl") if row["source"] == str(vanishing)] == [
        ("failed", 1)
    ]


def test_a_second_run_finds_everything_identical(collection):
    _, files, _ = converted(collection, jobs=0)
    totals, again, report = converted(collection, jobs=2)
    assert again == files
    assert totals == loanword.Totals(converted=0, identical=44, skipped=2, failed=4, duplicates=2)
    assert all(row["output"] for row in report if row["outcome"] == "identical")


def test_what_is_there_and_different_is_kept_unless_overwriting_is_asked_for(collection):
    _, files, _ = converted(collection, jobs=0)
    Path("out/0/style00000.safetensors").write_bytes(b"mine")
    totals, _, report = converted(collection, jobs=0)
    assert (totals.identical, totals.skipped) == (43, 3)
    assert Path("out/0/style00000.safetensors").read_bytes() == b"mine"
    assert next(row["code"] for row in report if "style00000" in row["source"]) == "already-there"
    totals, replaced, _ = converted(collection, jobs=0, overwrite=True)
    assert totals.converted == 44
    assert replaced == files


def test_results_below_the_sources_are_no_sources(collection):
    totals, _, report = converted(collection, "in/converted", jobs=0)
    assert totals.converted == 44
    again, _, second = converted(collection, "in/converted", jobs=0)
    assert again == loanword.Totals(converted=0, identical=44, skipped=2, failed=4, duplicates=2)
    assert not [row for row in (*report, *second) if "converted" in row["source"]]


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("sources", ["in", ["in/twins", "in/0"], ["in/**/*.bin"], ["in/1/style00001.safetensors"]])
def test_overwriting_where_the_originals_are_is_refused(sources):
    before = contents("in")
    with pytest.raises(loanword.CannotWrite, match="lies where the results go"):
        loanword.convert_many(sources, "in", jobs=0, overwrite=True)
    assert contents("in") == before


def test_converting_beside_the_originals_keeps_them(collection):
    before = contents("in")
    totals, after, _ = converted(collection, "in", jobs=0)
    assert {name: after[name] for name in before} == before
    assert {*after} - {*before} == {"twins/twin.safetensors", "ünï/猫 _v2.safetensors"}
    assert totals.converted == 2


@pytest.mark.usefixtures("collection")
def test_sources_may_be_an_iterator_that_is_not_read_ahead_of_the_workers():
    read = done = 0

    def sources():
        nonlocal read
        for read in range(40):
            yield Path("in") / str(read % 7) / f"style{read:05}.safetensors"

    def progress(now_done, _):
        nonlocal done
        done = now_done
        assert read - done <= 4 * 6, "at most two chunks for each worker, and one more, are under way"

    totals = loanword.convert_many(sources(), "out", executor=ThreadPoolExecutor(2), jobs=2, progress=progress)
    assert (totals.converted, done) == (40, 40)


def test_a_file_that_is_named_twice_is_converted_once(collection):
    totals, _, report = converted([collection, "in/0/*", "in/0/style00000.safetensors"], jobs=0)
    assert (totals.converted, len(report)) == (44, 52)


def test_the_places_and_reasons_are_told(collection):
    told = []
    loanword.convert_many(collection, "out", jobs=0, tell=told.append)
    places = [path for outcome in told for path in outcome.paths]
    assert sorted(places) == sorted(str(Path("out", name)) for name in contents("out"))
    assert [outcome.found.path for outcome in told] == sorted(outcome.found.path for outcome in told)
    assert {outcome.reason for outcome in told if outcome.kind == "done"} == {""}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_no_text_are_reported_all_the_same(collection):
    os.rename("in/0/style00000.safetensors", b"in/0/\xff.safetensors")
    _, files, report = converted(collection, jobs=0)
    assert len(files) == 43 + ("0/\udcff.safetensors" in files)
    assert any(row["source"] == os.path.join("in", "0", "\\udcff.safetensors") for row in report)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"target": "comfyu"}, loanword.UnknownName),
        ({"format": "nonsense"}, loanword.UnknownName),
        ({"container": "nonsense"}, loanword.UnknownName),
        ({"dtype": "float12"}, loanword.UnknownName),
        ({"encoder": "nonsense"}, loanword.UnknownName),
        ({"target": "comfyui", "format": "kohya"}, loanword.CannotWrite),
        ({"report": "in"}, loanword.CannotWrite),
        ({"report": "s3://bucket/report.jsonl"}, loanword.CannotWrite),
    ],
)
def test_what_would_fail_for_every_file_is_said_at_once(collection, options, error):
    with pytest.raises(error):
        loanword.convert_many(collection, "out", jobs=0, **options)
    assert not Path("out").exists()


def test_a_destination_that_looks_like_a_file_is_refused(collection):
    with pytest.raises(loanword.CannotWrite, match="name of a file"):
        loanword.convert_many(collection, "out.safetensors", jobs=0)


def loan(*arguments):
    return CliRunner().invoke(main, ["convert", *arguments])


@pytest.mark.usefixtures("collection")
def test_the_command_does_the_same_with_processes_and_a_report():
    plain = loan("in", "--out", "plain")
    result = loan("in", "--out", "out", "--jobs", "2", "--report", "report.jsonl")
    assert (plain.exit_code, result.exit_code) == (1, 1), "the damaged file, and those that want the same place"
    assert contents("out") == contents("plain")
    assert sorted(result.stdout.splitlines()) == sorted(plain.stdout.replace("plain", "out").splitlines())
    assert result.stderr.startswith("44 converted, 2 skipped, 4 failed\n")
    assert result.stderr.endswith("2 have the same vectors as an earlier file; report.jsonl says which\n")
    assert len(rows("report.jsonl")) == 52, "one row for each file, three for the one that would become three"
    again = loan("in", "--out", "out", "--resume")
    assert again.stdout == ""
    assert again.stderr.startswith("0 converted, 44 identical, 2 skipped, 4 failed\n")


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    "options",
    [["--jobs", "2"], ["--jobs", "0", "--out", "o"], ["--resume", "--out", "-"], ["--out", "o", "--name", "x"]],
)
def test_wrong_usage_is_exit_status_2(options):
    assert loan("in", *options, "--report", "r.jsonl").exit_code == 2
