"""Run by a WebUI before each start: says in one line what loanword lacks here. It installs nothing."""

import importlib.util
import sys

NEEDED = (3, 10)


def problem() -> "str | None":
    """What keeps loanword from working in this Python, or None."""
    if sys.version_info < NEEDED:
        found = ".".join(map(str, sys.version_info[:3]))
        return "needs Python {}.{} or newer, this is {}; the extension stays off".format(*NEEDED, found)
    if importlib.util.find_spec("numpy") is None:
        return "needs numpy, which this Python does not have; install the WebUI's own requirements again"
    return None


if __name__ == "__main__" and (found := problem()):
    print(f"loanword: {found}")  # noqa: T201  # the WebUI shows it
