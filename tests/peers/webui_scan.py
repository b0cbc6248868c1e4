"""How fast loanword scans a folder beside the host's own reader: `webui_scan.py FOLDER DATA FILES HOST-ARGUMENT…`.

Run by `webui.py` in the host's own Python, in its checkout. FOLDER gets FILES embeddings of mixed formats. The host is
loaded without loanword, and both read the same files, whose content is in the machine's cache: loanword into an empty
index, the host by `load_textual_inversion_embeddings(force_reload=True)` for a loaded model.
"""

from __future__ import annotations

import importlib
import json
import sys
import time

FOLDER, DATA, CHECKOUT, *ARGUMENTS = sys.argv[1:]
sys.path[:0] = [".", CHECKOUT]
sys.argv = ["webui.py", *ARGUMENTS]


def loanwords():
    started = time.perf_counter()
    with importlib.import_module("loanword").open_library(f"{DATA}/scanned.sqlite") as library:
        scan = library.scan([FOLDER])
    return time.perf_counter() - started, len(scan.added)


def hosts():
    """The host's own time, without loanword."""
    initialize = importlib.import_module("modules.initialize")
    initialize.imports()
    initialize.initialize()
    assert importlib.import_module("modules.shared").sd_model is not None
    database = importlib.import_module("modules.sd_hijack").model_hijack.embedding_db
    database.clear_embedding_dirs()
    database.add_embedding_dir(FOLDER)
    started = time.perf_counter()
    database.load_textual_inversion_embeddings(force_reload=True)
    return time.perf_counter() - started, len(database.word_embeddings) + len(database.skipped_embeddings)


if __name__ == "__main__":
    if "--host" in ARGUMENTS:
        sys.argv.remove("--host")
        took, count = hosts()
    else:
        took, count = loanwords()
    print("\nSCAN " + json.dumps({"seconds": took, "count": count}))
