"""CONTRIBUTING.md: the format that it adds in one file really works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import loanword

ROOT = Path(loanword.__file__).parent


def blocks():
    """First line of each Python block, a comment, and the whole block."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.findall(r"```python\n# (.+?)\n(.*?)```", text, re.DOTALL)
    return dict(found)


def test_the_worked_example_adds_a_format_with_one_file(tmp_path):
    example = blocks()
    checkout = tmp_path / "loanword-with-example"
    for folder in ("embeddings", "converters", "checkout"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "__init__.py", checkout)
    (checkout / "converters/formats/example.py").write_text(example["converters/formats/example.py"], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", example["try it"]],
        env={**os.environ, "PYTHONPATH": str(checkout / "checkout")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_it_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:\w+/)+[\w.]*)`", text):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"`make (\w+)`", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
