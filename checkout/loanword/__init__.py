"""Stands in for the installed package: makes the folder above `checkout/`, whatever its name, the package loanword."""

import importlib.util
import sys
from pathlib import Path

_root = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location(__name__, _root / "__init__.py", submodule_search_locations=[str(_root)])
assert _spec is not None
assert _spec.loader is not None  # a file location always has one
_module = importlib.util.module_from_spec(_spec)
sys.modules[__name__] = _module
_spec.loader.exec_module(_module)
