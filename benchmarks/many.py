"""How `convert_many` behaves with very many files: memory, throughput with more workers, and what ten million cost.

    make bench                               100,000 files
    python benchmarks/many.py --files 2000

Every run is a process of its own (and its workers), over .pt files of 8 x 768 float32 as AUTOMATIC1111 saves them, in
a warm cache. Throughput is that of the fastest of some alternating rounds, start of the workers and report included.
Outputs are deleted at the end only: file systems are slow to use the place of what was deleted a moment ago.
Memory is the most that the process and its workers held together. Where moto and s3fs are installed, the same is done
from S3 to S3, to count requests and the processor time they take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from spreading import spread

ROOT = Path(__file__).resolve().parents[1]
FEW = 10_000
"""What memory is compared with."""
TIMED = 20_000
"""What throughput is measured with: enough for the start of the workers to matter little."""
ROUNDS = 5
MOST_GROWTH, LEAST_SPEEDUP = 1.10, 1.7
TEN_MILLION = 10_000_000


@dataclass(frozen=True)
class Run:
    """What a run took: seconds, the most memory in MB, and processor seconds of all its processes."""

    seconds: float
    memory: float
    processor: float
    converted: int


def make(folder: Path, files: int) -> None:
    """Files that differ, a thousand in a folder."""
    from loanword import Embedding, Vectors, render

    for number in range(files):
        place = folder / f"{number // 1000:04}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        data = number.to_bytes(4, "little") * (8 * 768)
        word = Embedding(f"style-{number}", {"clip_l": Vectors("float32", (8, 768), bytes(data))})
        (place / f"style-{number}.pt").write_bytes(render(word, format="a1111", container="torch-zip")[0].content)


def convert(sources: list[str], out: str, jobs: int, report: str) -> dict[str, float]:
    """One run, and what it took of this process and its workers."""
    from loanword import convert_many

    stop = threading.Event()
    peak = [0.0]
    watcher = threading.Thread(target=watch, args=(stop, peak))
    watcher.start()
    start = time.perf_counter()
    totals = convert_many(sources, out, jobs=jobs, report=report)
    seconds = time.perf_counter() - start
    stop.set()
    watcher.join()
    spent = os.times()
    processor = spent.user + spent.system + spent.children_user + spent.children_system
    return {"seconds": seconds, "memory": peak[0], "processor": processor, "converted": totals.converted}


def watch(stop: threading.Event, peak: list[float]) -> None:
    """Look ten times a second at what this process and its workers hold."""
    import psutil

    own = psutil.Process()
    while not stop.wait(0.1):
        held = 0
        for process in (own, *own.children(recursive=True)):
            try:
                held += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak[0] = max(peak[0], held / 2**20)


def run(sources: list[str], jobs: int, folder: Path, out: str | None = None, **environment: str) -> Run:
    """A run in a process of its own, into an empty folder; what was written before is on the disk when it begins."""
    if hasattr(os, "sync"):
        os.sync()
    place = out or tempfile.mkdtemp(dir=folder)
    command = [sys.executable, __file__, "--run", *sources, "--out", place, "--jobs", str(jobs)]
    command += ["--report", str(folder / "report.jsonl")]
    known = {**os.environ, "PYTHONPATH": str(ROOT / "checkout"), "OMP_NUM_THREADS": "1", **environment}
    known.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, env=known, stdout=subprocess.PIPE, text=True, check=True)
    return Run(**json.loads(done.stdout))


def folders(folder: Path, files: int) -> list[str]:
    """The folders with the first so many files."""
    return [str(place) for place in sorted((folder / "in").iterdir())[: -(-files // 1000)]]


def throughput(folder: Path, files: int) -> dict[int, Run]:
    """The fastest of some rounds with one worker and with two."""
    best: dict[int, Run] = {}
    for _ in range(ROUNDS):
        for jobs in (1, 2):
            done = run(folders(folder, files), jobs, folder)
            assert done.converted == files
            best[jobs] = min(done, best.get(jobs, done), key=lambda each: each.seconds)
    return best


def object_store(folder: Path, files: int) -> tuple[Run, int] | None:
    """What files beyond the first thousand take from S3 to S3, and the requests that the server saw for all of them.

    None where there is no server to ask.
    """
    try:
        import fsspec
        import moto.server  # noqa: F401
        import s3fs  # noqa: F401
    except ImportError:
        return None
    log = folder / "requests.log"
    with log.open("wb") as written:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        server = subprocess.Popen(command, stdout=written, stderr=written)
    try:
        while "Running on" not in log.read_text():
            time.sleep(0.1)
        address = log.read_text().split("Running on ")[1].split()[0]
        known = {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        os.environ.update(known)
        store = fsspec.filesystem("s3")
        store.mkdir("archive")
        for source in folders(folder, files):
            store.put(source, f"archive/in/{Path(source).name}", recursive=True)
        some = run(["s3://archive/in/0000/"], 2, folder, "s3://archive/some", XDG_CACHE_HOME=str(folder), **known)
        before = log.read_text().count(" /archive")
        every = run(["s3://archive/in/"], 2, folder, "s3://archive/every", XDG_CACHE_HOME=str(folder), **known)
        more = Run(
            every.seconds - some.seconds,
            every.memory,
            every.processor - some.processor,
            every.converted - some.converted,
        )
        return more, round((log.read_text().count(" /archive") - before) * more.converted / every.converted)
    finally:
        server.terminate()
        server.wait()


def model(local: Run, remote: tuple[Run, int] | None, folder: Path) -> None:
    """Print what ten million files of this kind cost."""
    read = sum(path.stat().st_size for place in folders(folder, 1000) for path in Path(place).iterdir()) / 1000
    hours = local.processor / local.converted * TEN_MILLION / 3600
    print(f"\n{TEN_MILLION:,} such files, from what was measured:")
    print(f"  bytes         {read * TEN_MILLION / 1e9:,.0f} GB read, about as many written")
    print(f"  disk to disk  {hours:,.1f} core-hours ({local.processor / local.converted * 1e3:.2f} ms a file)")
    if remote is None or not remote[0].converted:
        print("  S3 to S3      not measured: takes moto, flask and s3fs, and more than 1,000 files")
        return
    done, requests = remote
    each = requests / done.converted
    hours = done.processor / done.converted * TEN_MILLION / 3600
    print(f"  S3 to S3      {each * TEN_MILLION / 1e6:,.1f} million requests ({each:.2f} a file), ", end="")
    print(f"{hours:,.1f} core-hours ({done.processor / done.converted * 1e3:.2f} ms a file)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--report", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(convert(arguments.run, arguments.out, arguments.jobs, arguments.report)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        spread(name)
        return measured(Path(name), arguments.files)


def measured(folder: Path, files: int) -> int:
    """Everything, printed; 0 where the bars are reached."""
    few, timed = min(FEW, files // 10), min(TIMED, files)
    make(folder / "in", files)
    speeds = throughput(folder, timed)
    speedup = speeds[1].seconds / speeds[2].seconds
    print(f"{timed:,} files of 8 x 768 float32, best of {ROUNDS}")
    for jobs, done in speeds.items():
        print(f"  {jobs} worker(s)  {done.seconds:7.2f} s  {timed / done.seconds:8,.0f} files a second")
    print(f"  speed-up {speedup:.2f}, bar {LEAST_SPEEDUP}")
    some, everything = (run(folders(folder, number), 2, folder) for number in (few, files))
    growth = everything.memory / some.memory
    print("\nmemory of the process and two workers together")
    for number, done in ((few, some), (files, everything)):
        print(f"  {number:9,} files {done.memory:6.0f} MB")
    print(f"  growth {growth:.3f}, bar {MOST_GROWTH}")
    model(everything, object_store(folder, min(files, 3000)), folder)
    return 0 if growth <= MOST_GROWTH and speedup >= LEAST_SPEEDUP else 1


if __name__ == "__main__":
    sys.exit(main())
