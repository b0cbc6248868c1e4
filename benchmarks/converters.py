"""How fast files are read and converted, as ratios to torch, safetensors and reading the raw bytes, in one run.

    make bench                                   10,000 files
    python benchmarks/converters.py --files 500

Every contestant runs in a process of its own, on one core, over the same files in a warm cache. What is compared is
the fastest of three rounds; imports and the first file are not counted, but for the two measures of whole processes.
Outputs are deleted at the end only: file systems are slow to use the place of what was deleted a moment ago.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spreading import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3


@dataclass(frozen=True)
class Run:
    """What a contestant took: seconds, and the most memory in MB."""

    seconds: float
    memory: float


@dataclass(frozen=True)
class Measure:
    """Two contestants and the bar: `bar` times is what loanword must be faster, or may be slower."""

    title: str
    ours: str
    theirs: str
    bar: float
    faster: bool = True

    def line(self, runs: dict[str, Run], files: int) -> tuple[str, bool]:
        """A line of the table, and whether the bar was reached."""
        ours, theirs = runs[self.ours].seconds, runs[self.theirs].seconds
        ratio = theirs / ours if self.faster else ours / theirs
        good = ratio >= self.bar if self.faster else ratio <= self.bar
        count = 1 if self.ours.startswith("process") else files
        speeds = f"{ours / count * 1e3:8.3f} ms  {theirs / count * 1e3:8.3f} ms"
        wanted = f"{'>=' if self.faster else '<='} {self.bar:g}"
        verdict = "ok" if good else "MISSED"
        return (
            f"{self.title:58} {speeds}  {ratio:6.2f} x {'faster' if self.faster else 'the time'}  {wanted:7} {verdict}",
            good,
        )


MEASURES = (
    Measure("read .pt: torch.load(weights_only=True)", "read pt", "torch pt", 4),
    Measure(
        "read .safetensors: safetensors.numpy.load_file", "read safetensors", "numpy safetensors", 1.5, faster=False
    ),
    Measure("read .safetensors: the raw bytes", "read safetensors", "raw safetensors", 4, faster=False),
    Measure("convert .pt to .safetensors: torch.load and save_file", "convert", "torch convert", 4),
    Measure("`loanword convert one.pt`: python -c 'import torch'", "process convert", "process torch", 4),
)
MOST_MEMORY = 150


def make(folder: Path, files: int) -> None:
    """Embeddings as AUTOMATIC1111 saves them, and the same as kohya does."""
    import safetensors.torch
    import torch

    for kind in ("pt", "safetensors"):
        (folder / kind).mkdir()
    for number in range(files):
        vectors = torch.full((8, 768), number / files)
        fields = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": f"style-{number}"}
        facts = {"step": 10000, "sd_checkpoint": "a" * 10, "sd_checkpoint_name": "model"}
        torch.save({**fields, **facts}, folder / "pt" / f"style-{number}.pt")
        safetensors.torch.save_file({"emb_params": vectors}, folder / "safetensors" / f"style-{number}.safetensors")


def each(read: Callable[[str], object], files: Iterable[Path]) -> float:
    """The seconds that `read` takes for all files, one after the other, when it has read one already."""
    paths = sorted(map(str, files))
    read(paths[0])
    start = time.perf_counter()
    for path in paths:
        read(path)
    return time.perf_counter() - start


def read_pt(folder: Path) -> float:
    from loanword import read

    return each(read, (folder / "pt").iterdir())


def read_safetensors(folder: Path) -> float:
    from loanword import read

    return each(read, (folder / "safetensors").iterdir())


def torch_pt(folder: Path) -> float:
    import torch

    torch.set_num_threads(1)
    return each(lambda path: torch.load(path, weights_only=True), (folder / "pt").iterdir())


def numpy_safetensors(folder: Path) -> float:
    from safetensors.numpy import load_file

    return each(load_file, (folder / "safetensors").iterdir())


def raw_safetensors(folder: Path) -> float:
    def read(path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    return each(read, (folder / "safetensors").iterdir())


def convert(folder: Path) -> float:
    """What `loanword convert pt/ --out …` does."""
    from loanword import read
    from loanword.converters.batch import Conversion, find, outcomes
    from loanword.converters.writing import Form

    read(folder / "pt" / "style-0.pt")
    start = time.perf_counter()
    conversion = Conversion(tempfile.mkdtemp(dir=folder), Form())
    done = [outcome.kind for outcome in outcomes(find([str(folder / "pt")]), conversion.convert)]
    conversion.finish()
    seconds = time.perf_counter() - start
    assert set(done) == {"done"}
    return seconds


def torch_convert(folder: Path) -> float:
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    out = tempfile.mkdtemp(dir=folder)

    def one(path: str) -> None:
        tensor = torch.load(path, weights_only=True)["string_to_param"]["*"]
        save_file({"emb_params": tensor}, os.path.join(out, f"{Path(path).stem}.safetensors"))

    return each(one, (folder / "pt").iterdir())


def least_convert(folder: Path) -> float:
    """What every checked conversion has to do, with nothing read out of the file and nothing rendered.

    It is read and hashed, the vectors are hashed for ModelSpec, and as many bytes are written, read back, compared and
    named.
    """
    out = tempfile.mkdtemp(dir=folder)

    def one(path: str) -> None:
        with open(path, "rb", buffering=0) as file:
            content = file.read()
        hashlib.sha256(content).hexdigest()
        hashlib.sha256(content[: 8 * 768 * 4]).hexdigest()
        part, whole = os.path.join(out, "part"), os.path.join(out, os.path.basename(path))
        with open(part, "xb+", buffering=0) as file:
            file.write(content)
            file.seek(0)
            assert file.read() == content
        os.rename(part, whole)

    return each(one, (folder / "pt").iterdir())


CONTESTANTS: dict[str, Callable[[Path], float]] = {
    "read pt": read_pt,
    "torch pt": torch_pt,
    "read safetensors": read_safetensors,
    "numpy safetensors": numpy_safetensors,
    "raw safetensors": raw_safetensors,
    "convert": convert,
    "torch convert": torch_convert,
    "least convert": least_convert,
}


def timed(command: list[str]) -> tuple[str, Run]:
    """What a process prints, and what it took as a whole."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return printed, Run(seconds, usage.ru_maxrss / 1024)


def contestant(key: str, folder: Path) -> Run:
    """One run of a contestant that times itself, imports not counted."""
    printed, whole = timed([sys.executable, __file__, "--run", key, "--folder", str(folder)])
    return Run(json.loads(printed), whole.memory)


def whole_process(key: str, folder: Path) -> Run:
    """One run of a whole process."""
    if key == "process torch":
        return timed([sys.executable, "-c", "import torch"])[1]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        return timed([sys.executable, "-m", "loanword", "convert", str(folder / "pt" / "style-0.pt"), "--out", out])[1]


def compete(folder: Path) -> dict[str, Run]:
    """The best of some rounds of everyone."""
    best: dict[str, Run] = {}
    runners = [(key, contestant) for key in CONTESTANTS]
    runners += [(key, whole_process) for key in ("process convert", "process torch")] * 3
    for _ in range(ROUNDS):
        for key, runner in runners:
            run = runner(key, folder)
            known = best.get(key, run)
            best[key] = Run(min(known.seconds, run.seconds), max(known.memory, run.memory))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--run", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if arguments.make:
        make(arguments.folder, arguments.files)
        return 0
    if arguments.run:
        print(CONTESTANTS[arguments.run](arguments.folder))
        return 0
    with tempfile.TemporaryDirectory() as name:
        spread(name)
        folder = Path(name)
        timed([sys.executable, __file__, "--make", "--files", str(arguments.files), "--folder", name])
        runs = compete(folder)
    print(
        f"{arguments.files} files of 8 x 768 float32, one core; milliseconds a file (or a process), best of {ROUNDS}\n"
    )
    print(f"{'':58} {'loanword':>11}  {'peer':>11}")
    reached = True
    for measure in MEASURES:
        line, good = measure.line(runs, arguments.files)
        print(line)
        reached &= good
    memory = runs["convert"].memory
    reached &= memory < MOST_MEMORY
    least = runs["least convert"].seconds / arguments.files * 1e3
    allowed = runs["torch convert"].seconds / arguments.files * 1e3 / 4
    print(f"\nreading, hashing, writing, reading back and naming, with nothing else, take {least:.3f} ms a file;")
    print(f"4 x as fast as torch would be {allowed:.3f} ms")
    print(f"peak memory of the conversion: {memory:.0f} MB, bar {MOST_MEMORY} MB")
    print(f"peak memory of torch's: {runs['torch convert'].memory:.0f} MB")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
