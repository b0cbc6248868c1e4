"""A Dask cluster on this machine: its executor does the work unchanged, and may lose workers."""

import os
import signal

import loanword
import pytest
from loanword.converters.many import intake
from scale.collection import contents, environment, make, rows

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes, each with one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as started:
            yield started


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_worker_loses_no_file_and_writes_none_twice(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "CHUNK", 16)
    make(tmp_path / "in", 1500)
    expected = loanword.convert_many(tmp_path / "in", tmp_path / "out", jobs=0, report=tmp_path / "expected.jsonl")
    files = contents(tmp_path / "out")
    os.rename(tmp_path / "out", tmp_path / "was")
    killed = []

    def kill_one(done, _):
        if done > 200 and not killed:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    with distributed.Client(cluster) as client:
        totals = loanword.convert_many(
            tmp_path / "in",
            tmp_path / "out",
            executor=client.get_executor(),
            jobs=2,
            report=tmp_path / "report.jsonl",
            progress=kill_one,
        )
    assert killed
    assert totals == expected
    assert contents(tmp_path / "out") == files
    report = rows(tmp_path / "report.jsonl")
    assert report == rows(tmp_path / "expected.jsonl")
    assert len({(row["source"], row["part"]) for row in report}) == len(report)
