"""The corpus of hostile files, which a generator beside the project makes: LOANWORD_HOSTILE is its path."""

import json
import os
import subprocess
import sys

import pytest

GENERATOR = os.environ.get("LOANWORD_HOSTILE")
needs_generator = pytest.mark.skipif(not GENERATOR, reason="LOANWORD_HOSTILE names no generator of hostile files")


def make_corpus(folder, markers, *, heavy=False):
    """Make the files in `folder`; their payloads would leave something in `markers`. Returns the manifest's entries."""
    for library in ("torch", "PIL"):
        pytest.importorskip(library, reason=f"the generator needs {library}")
    options = [] if heavy else ["--no-heavy"]
    command = [sys.executable, GENERATOR, str(folder), "--markers", str(markers), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=500)
    return json.loads((folder / "manifest.json").read_text())["entries"]
