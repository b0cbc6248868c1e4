"""Workers die and whole runs are killed: nothing is lost, nothing is done twice, and nothing comes out otherwise."""

import functools
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import loanword
import psutil
import pytest
from loanword.converters.many import intake
from loanword.converters.many.crew import Crew
from loanword.converters.many.dispatch import carry_out
from scale import workers
from scale.collection import JOURNAL, contents, environment, make, rows

KILLS = 20
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to kill")


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """A working folder with a collection in `in/`."""
    monkeypatch.chdir(tmp_path)
    make(Path("in"))
    return Path("in")


def named(_, error):
    return type(error).__name__


def carried_out(work, numbers, jobs=2, executor=None):
    """What each number was answered, in the order of numbers, and how often."""
    chunks = (numbers[start : start + 4] for start in range(0, len(numbers), 4))
    with Crew(executor, jobs) as crew:
        pairs = [
            pair
            for chunk, answers in carry_out(
                work, chunks, crew, at_once=3, give_up=lambda _, error: type(error).__name__
            )
            for pair in zip(chunk, answers, strict=True)
        ]
    return sorted(pairs, key=lambda pair: pair[0])


def test_a_worker_that_dies_loses_nothing(tmp_path):
    work = functools.partial(workers.deadly_once, str(tmp_path))
    assert carried_out(work, list(range(30))) == [(number, 2 * number) for number in range(30)]


def test_an_item_that_kills_every_worker_is_given_up_alone():
    expected = [(number, "BrokenProcessPool" if number == 13 else 2 * number) for number in range(30)]
    assert carried_out(workers.deadly, list(range(30))) == expected


@pytest.mark.parametrize("jobs", [0, 1])
def test_so_is_one_that_fails_in_a_way_nobody_expects(jobs):
    expected = [(number, "ValueError" if number == 13 else 2 * number) for number in range(30)]
    assert carried_out(workers.failing, list(range(30)), jobs=jobs) == expected


def test_an_executor_that_broke_is_said_to_and_another_goes_on(collection, monkeypatch):
    monkeypatch.setattr(intake, "CHUNK", 4)
    expected = loanword.convert_many(collection, "expected", jobs=0)
    broken = ProcessPoolExecutor(1)

    def kill_it(done, _):
        if done > 8:
            for process in [*broken._processes.values()]:
                process.kill()

    with broken, pytest.raises(loanword.CannotWrite, match="takes no more work"):
        loanword.convert_many(collection, "out", executor=broken, jobs=1, progress=kill_it)
    assert Path("out", JOURNAL).exists()
    finished = []
    totals = loanword.convert_many(collection, "out", jobs=0, progress=lambda done, _: finished.append(done))
    assert totals == expected
    assert contents("out") == contents("expected")
    assert finished[-1] < 50, "what was done is not done again"


def test_a_script_that_would_start_itself_again_and_again_is_told(collection):
    code = f"import loanword; loanword.convert_many({str(collection)!r}, 'out', jobs=1)"
    Path("script.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "script.py"], env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert 'call it below `if __name__ == "__main__":`, or with jobs=0' in done.stderr


@posix
def test_killing_a_worker_of_the_pool_makes_no_difference(collection, monkeypatch):
    monkeypatch.setattr(intake, "CHUNK", 2)
    expected = loanword.convert_many(collection, "out", jobs=0, report="expected.jsonl"), contents("out")
    os.rename("out", "expected")
    killed = []

    def kill_one(done, _):
        if done > 6 and not killed:
            children = psutil.Process().children()
            workers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
            workers[0].kill()
            killed.append(workers[0])

    totals = loanword.convert_many(collection, "out", jobs=2, report="report.jsonl", progress=kill_one)
    assert killed
    assert (totals, contents("out")) == expected
    assert rows("report.jsonl") == rows("expected.jsonl")


def loan(*arguments):
    command = [sys.executable, "-m", "loanword", "convert", *arguments]
    return subprocess.Popen(
        command, env=environment(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@posix
def test_killed_at_any_moment_and_resumed_it_comes_out_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(Path("in"), 1200)
    run = ("in", "--out", "out", "--report", "report.jsonl", "--jobs", "2", "--resume")
    start = time.monotonic()
    assert loan(*run).wait() == 1
    whole = time.monotonic() - start
    expected = contents("out"), Path("report.jsonl").read_bytes()
    moments = random.Random(5)
    kills = midway = 0
    clear()
    while kills < KILLS:
        process = loan(*run)
        time.sleep(moments.uniform(0.3, 1.0) * whole)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
            midway += 0 < len(contents("out")) - 1 < len(expected[0])
        process.wait()
        if contents("out") and not Path("out", JOURNAL).exists():  # it was finished, even if not gone yet
            assert (contents("out"), Path("report.jsonl").read_bytes()) == expected
            clear()
    assert loan(*run).wait() == 1
    assert (contents("out"), Path("report.jsonl").read_bytes()) == expected
    assert midway > KILLS / 4, "most kills have to hit while files are written"


def clear():
    os.rename("out", f"out-{time.monotonic_ns()}")
    Path("report.jsonl").unlink()
    Path("out").mkdir()


@posix
def test_workers_go_when_their_parent_is_killed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(Path("in"), 500)
    process = loan("in", "--out", "out", "--jobs", "2")
    children = []
    while len(children) < 2:
        children = [each for each in psutil.Process(process.pid).children() if "spawn_main" in str(each.cmdline())]
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_journal_of_other_settings_is_not_gone_on_with(collection):
    interrupted(collection)
    with pytest.raises(loanword.CannotWrite, match="other settings"):
        loanword.convert_many(collection, "out", target="comfyui", jobs=0)
    again = loanword.convert_many(collection, "out", target="comfyui", jobs=0, overwrite=True, resume=False)
    assert again.converted == 44


@pytest.mark.parametrize("resume", [True, False])
def test_two_runs_into_one_place_at_once_are_refused(collection, resume):
    def second(*_):
        with pytest.raises(loanword.CannotWrite, match="another conversion"):
            loanword.convert_many(collection, "out", jobs=0, resume=resume)

    assert loanword.convert_many(collection, "out", jobs=0, progress=second).converted == 44


def test_what_failed_is_tried_again_after_an_interruption(collection):
    Path("out").mkdir()
    Path("out/0").write_text("no folder")
    interrupted(collection, after=40)
    Path("out/0").unlink()
    assert loanword.convert_many(collection, "out", jobs=0).converted == 44


def test_files_that_a_power_failure_took_are_written_again(collection, monkeypatch):
    monkeypatch.setattr(intake, "CHUNK", 4)
    expected = loanword.convert_many(collection, "expected", jobs=0)
    interrupted(collection, after=20)
    empty, gone, *_ = sorted(Path("out").rglob("*.safetensors"))
    os.truncate(empty, 0)
    gone.unlink()
    finished = []
    again = loanword.convert_many(collection, "out", jobs=0, progress=lambda done, _: finished.append(done))
    assert (again, finished[-1]) == (expected, 50 - 24 + 2)
    assert contents("out") == contents("expected")


def test_a_damaged_journal_is_said_to_be_one(collection):
    Path("out").mkdir()
    Path("out", JOURNAL).write_bytes(b"no database" * 100)
    with pytest.raises(loanword.CannotWrite, match="damaged"):
        loanword.convert_many(collection, "out", jobs=0)
    assert loanword.convert_many(collection, "out", jobs=0, resume=False).converted == 44


@pytest.mark.parametrize("place", ["in/0/style00000.safetensors/out", "in/notes"])
def test_a_place_that_cannot_be_is_refused(collection, place):
    Path("in/notes").write_text("no folder")
    with pytest.raises(loanword.CannotWrite, match=r"\.loanword-journal\.sqlite: cannot be made"):
        loanword.convert_many(collection, place, jobs=0)


def interrupted(collection, after=0):
    """A run that was interrupted when more than `after` files were done."""

    def interrupt(done, _):
        if done > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loanword.convert_many(collection, "out", jobs=0, progress=interrupt)


def test_no_worker_is_left_behind(collection):
    loanword.convert_many(collection, "out", jobs=2)
    assert [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())] == []
