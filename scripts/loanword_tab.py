# ruff: noqa: INP001  # the WebUI runs every file in here
"""Where a WebUI finds loanword; what there is to do is in `extension/webui/register.py`."""

import importlib
import sys
from pathlib import Path

if (checkout := str(Path(__file__).resolve().parents[1] / "checkout")) not in sys.path:
    sys.path.insert(0, checkout)
Generation = importlib.import_module("loanword.extension.webui.register").register(__file__)
