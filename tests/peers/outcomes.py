"""What a script of this folder found: each outcome is a line, and counts."""

from __future__ import annotations

from contextlib import contextmanager

outcomes = []


def say(what, outcome, detail=""):
    outcomes.append(outcome)
    print(f"{outcome}: {what}{f' ({detail})' if detail else ''}", flush=True)


@contextmanager
def check(what):
    """Says that the block went well, or what was wrong."""
    try:
        yield
    except Exception as error:
        say(what, "wrong", f"{type(error).__name__}: {error}")
    else:
        say(what, "right")


def status():
    """Says how many there were; the exit status of the script."""
    print(f"{outcomes.count('right')} right, {outcomes.count('wrong')} wrong")
    return 1 if "wrong" in outcomes or not outcomes else 0
