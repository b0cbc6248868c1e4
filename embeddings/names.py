"""Names of embeddings: data that came from strangers, on its way to file names, messages and prompts.

Inside loanword a name is the exact string of its file. Nothing but these functions takes it outside.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_FILE_NAME = 200
"""Bytes of UTF-8; leaves room for a suffix in the 255 that file systems take."""

LONGEST_READ = 1000
"""Characters of a name that a file name is made of: names can be a million long, and take as long to normalise."""

GENERIC_STEM = re.compile(
    r"(learned_embeds|embeddings?|model|pytorch_model|archive|delta|checkpoint)(_?[0-9])?"
    r"([-_](steps?-|gs-|s)?[0-9]+|_final|_emb)?",
    re.IGNORECASE,
)
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_PLAIN = re.compile(rf"[A-Za-z0-9_](?:[A-Za-z0-9 ._+-]{{0,{LONGEST_FILE_NAME - 2}}}[A-Za-z0-9_+-])?")
"""What nearly every name is: a file name as it stands."""
_PROMPT_GRAMMAR = re.compile(r"[()\[\]{}<>|:,\\]")


def safe_filename(name: str) -> str:
    """A file name, without suffix, that every system takes: letters, digits, spaces and `._-+` of `name`, in NFC.

    Made of such a file name it is the same again.
    """
    if _PLAIN.fullmatch(name) and not _DEVICE.fullmatch(name):
        return name
    spelled = "".join(c if _is_kept(c) else "\0" for c in unicodedata.normalize("NFC", name[:LONGEST_READ]))
    kept = spelled.strip("\0 .").lstrip("\0 .-").replace("\0", "_")
    while len(kept.encode()) > LONGEST_FILE_NAME:
        kept = kept[:-1].rstrip(" .")
    if not kept:
        return "embedding"
    return f"_{kept}" if _DEVICE.fullmatch(kept) else kept


def _is_kept(character: str) -> bool:
    return character in " ._-+" or unicodedata.category(character)[0] in "LNM"


def is_generic(stem: str) -> bool:
    """Whether a file's stem names what the file is rather than its concept (`learned_embeds`, `embeddings`, …)."""
    return GENERIC_STEM.fullmatch(stem) is not None


def prompt_problem(name: str) -> str | None:
    """Why `name` cannot simply be typed into a prompt, as half a sentence, or None where it can."""
    if not name.strip():
        return "is empty"
    if found := _PROMPT_GRAMMAR.search(name.removeprefix("<").removesuffix(">")):
        return f"contains {found.group()!r}, which prompts use for themselves"
    if not name.isprintable():
        return "contains characters that cannot be typed"
    return None
