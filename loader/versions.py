"""The libraries that the loader works with, and the oldest version of each that it is tested with."""

from __future__ import annotations

import functools
import importlib.metadata

from ..embeddings.errors import CannotLoad

OLDEST = {"torch": "2.4", "transformers": "4.57.6", "diffusers": "0.35.2"}


@functools.cache
def check_versions() -> None:
    """Raise CannotLoad, saying what to install, where a library is missing or too old."""
    from packaging.version import Version

    for library, oldest in OLDEST.items():
        needed = f"loading into pipelines needs {oldest} or newer; run: pip install --upgrade {library}"
        try:
            found = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            raise CannotLoad(f"{library} is not installed, {needed}") from None
        if Version(found) < Version(oldest):
            raise CannotLoad(f"{library} {found} is installed, {needed}")
