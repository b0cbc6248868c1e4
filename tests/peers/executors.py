"""Convert a collection on workers of MPI or Ray, and compare with what one process makes of it.

    mpiexec -n 3 python -m mpi4py.futures tests/peers/executors.py mpi      (mpi4py, and an MPI)
    python tests/peers/executors.py ray                                     (ray)

mpi4py has a `concurrent.futures.Executor`; for Ray, five lines make one.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "checkout"), str(ROOT / "tests")]

import loanword
from loanword.converters.many import intake
from scale.collection import contents, make


@contextmanager
def mpi():
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as executor:
        yield executor


@contextmanager
def ray():
    import ray

    class RayExecutor(Executor):
        def submit(self, work, /, *arguments):
            return ray.remote(lambda: work(*arguments)).remote().future()

    environment = {"PYTHONPATH": f"{ROOT / 'checkout'}:{ROOT / 'tests'}"}
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": environment})
    yield RayExecutor()
    ray.shutdown()


EXECUTORS = {"mpi": mpi, "ray": ray}


def main() -> int:
    intake.CHUNK = 16
    with tempfile.TemporaryDirectory() as name, EXECUTORS[sys.argv[1]]() as executor:
        folder = Path(name)
        make(folder / "in", 400)
        report = folder / "report.jsonl"
        loanword.convert_many(folder / "in", folder / "out", jobs=0, report=report)
        expected = contents(folder / "out"), report.read_bytes()
        (folder / "out").rename(folder / "was")
        totals = loanword.convert_many(folder / "in", folder / "out", executor=executor, jobs=2, report=report)
        same = (contents(folder / "out"), report.read_bytes()) == expected
    print(f"{sys.argv[1]}: {totals}, {'the same to the byte' if same else 'NOT THE SAME'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
