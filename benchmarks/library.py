"""How fast folders are scanned and pages found, as ratios to walking the same folders and to a second, in one run.

    make bench                                   10,000 files
    python benchmarks/library.py --files 500

The files are what a library of embeddings has: .pt of AUTOMATIC1111, .bin of diffusers, .safetensors, some PNG, in
several folders. What is compared is the fastest of several rounds, taken in turn, in a warm cache, on one core but for
the first scan, which uses all. How that compares with a WebUI's own reading `tests/peers/webui.py` says.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "checkout")}
ROUNDS = 30
FOLDERS = 20
SLOWEST_RESCAN = 2.0
"""Times as long as walking the folders."""
SLOWEST_PAGE = 1.0
"""Seconds, for a whole process that asks for the first page of an index that is up to date."""

SCAN = "import sys, loanword; loanword.open_library(sys.argv[1]).scan(sys.argv[2:])"
PAGE = """
import sys, loanword
library = loanword.open_library(sys.argv[1])
library.scan(sys.argv[2:])
assert len(library.page(sys.argv[2:], loanword.Query(text="style", sort="modified")).rows) == 60
"""


def make(top: Path, files: int) -> None:
    """Files as the programs write them: of ten, five .pt, two .bin, three .safetensors; one in fifty a PNG."""
    import loanword
    import safetensors.torch
    import torch

    generator = torch.Generator().manual_seed(0)
    for number in range(files):
        folder = top / f"set-{number % FOLDERS}"
        folder.mkdir(exist_ok=True)
        path, name = str(folder / f"style-{number}"), f"style-{number}"
        vectors = torch.randn((1 + number % 8, 768), generator=generator) * 0.02
        if number % 50 == 9:
            embedding = loanword.Embedding(name, {"clip_l": loanword.Vectors.from_numpy(vectors.numpy())})
            loanword.write(embedding, path + ".png", container="png", format="a1111", durable=False)
        elif number % 10 < 5:
            facts = {"name": name, "step": 10000, "sd_checkpoint": "a" * 10, "sd_checkpoint_name": "model"}
            torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, **facts}, path + ".pt")
        elif number % 10 < 7:
            torch.save({f"<{name}>": vectors[0].clone()}, path + ".bin")
        else:
            safetensors.torch.save_file({"emb_params": vectors}, path + ".safetensors")


def walked(top: str) -> int:
    """How many files there are, by looking at each with os.scandir and stat."""
    pending, found = [top], 0
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    pending.append(entry.path)
                else:
                    found += entry.stat().st_size > 0
    return found


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start


def processor_seconds(work: Callable[[], object]) -> float:
    """What the work takes of this process: other programs on a busy machine do not count."""
    return seconds(work, time.process_time)


def process(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=ENVIRONMENT)


def first_scan(index: str, top: str) -> float:
    """The seconds that a process takes to scan files that nobody knows, without what it takes to start."""
    start = min(seconds(lambda: process("import loanword.converters.indexing, numpy")) for _ in range(3))
    scans: list[float] = []
    for _ in range(3):
        Path(index).unlink(missing_ok=True)
        scans.append(seconds(lambda: process(SCAN, index, top)) - start)
    return min(scans)


def on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measured(index: str, top: str, files: int) -> list[tuple[str, str, bool]]:
    """Title, figure and whether the bar was reached, of each measure."""
    import loanword

    together = first_scan(index, top)
    on_one_core()
    alone = first_scan(index, top)
    page = min(seconds(lambda: process(PAGE, index, top)) for _ in range(3))
    with loanword.open_library(index) as library:
        library.scan([top])
        times = [
            (processor_seconds(lambda: walked(top)), processor_seconds(lambda: library.scan([top])))
            for _ in range(ROUNDS)
        ]
        again = min(
            processor_seconds(lambda: library.page([top], loanword.Query(text="style-1"))) for _ in range(ROUNDS)
        )
    walk, rescan = (min(column) for column in zip(*times, strict=True))
    return [
        (
            "scan of new files, a file: on one core",
            f"{together / files * 1e3:8.3f} ms  {alone / files * 1e3:.3f} ms",
            True,
        ),
        (
            "scan when nothing changed: walking the folders",
            f"{rescan * 1e3:8.1f} ms  {walk * 1e3:.1f} ms  {rescan / walk:.2f} x, bar {SLOWEST_RESCAN:g} x",
            rescan <= SLOWEST_RESCAN * walk,
        ),
        ("first page, the whole process", f"{page * 1e3:8.0f} ms     bar {SLOWEST_PAGE:g} s", page <= SLOWEST_PAGE),
        ("the next page", f"{again * 1e3:8.1f} ms", True),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="keep the files there, and use those that are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        top = arguments.folder or Path(name) / "embeddings"
        if not top.exists():
            top.mkdir()
            make(top, arguments.files)
        lines = measured(os.path.join(name, "library.sqlite"), str(top), walked(str(top)))
    print(f"{arguments.files} files in {FOLDERS} folders\n")
    for title, figure, reached in lines:
        print(f"{title:50} {figure:40} {'ok' if reached else 'MISSED'}")
    return 0 if all(reached for _, _, reached in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
