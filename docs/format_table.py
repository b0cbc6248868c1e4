"""Writes the table of formats and programs into README.md: what loanword writes for each program, of each format.

Every cell comes from converting that format's samples (`tests/samples.py`) for that program.
"""

from __future__ import annotations

import re
from pathlib import Path

import loanword
import samples

ROOT = Path(__file__).resolve().parents[1]
MARKS = "<!-- format table: `make readme` writes it -->\n", "<!-- end of the format table -->\n"


def table() -> str:
    """The table, and below it the reasons for what cannot be written."""
    programs = loanword.TARGETS.values()
    notes: dict[str, int] = {}
    lines = [
        "| format | " + " | ".join(program.title for program in programs) + " |",
        "|---" * (len(programs) + 1) + "|",
    ]
    for key, row in loanword.formats().items():
        groups = [sample.embeddings for sample in samples.PAYLOADS if sample.format == key]
        cells = [_cell(groups, program.key, notes) for program in programs]
        lines.append(f"| {row.title} (`{key}`) | " + " | ".join(cells) + " |")
    lines += ["", *(f"{number}. {reason}" for reason, number in notes.items())]
    return "\n".join(lines) + "\n"


def _cell(groups: list[tuple[loanword.Embedding, ...]], program: str, notes: dict[str, int]) -> str:
    """The formats that are written for a program, or the number of the reason why none is."""
    written: set[str] = set()
    reasons: dict[str, None] = {}
    for embeddings in groups:
        for embedding in embeddings:
            try:
                written |= {f"`{file.format}`" for file in loanword.render(embedding, target=program)}
            except loanword.CannotWrite as error:
                reasons.setdefault(str(error).partition(": ")[2])
    if written:
        return ", ".join(sorted(written))
    return "— " + ", ".join(f"({notes.setdefault(reason, len(notes) + 1)})" for reason in reasons)


def with_table(readme: str) -> str:
    """README's text with the table as it is now."""
    start, end = map(re.escape, MARKS)
    return re.sub(f"(?s)({start}).*?({end})", lambda found: f"{found[1]}\n{table()}\n{found[2]}", readme)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
