"""Everything that the tab can say: what its scripts say themselves, and what the server's code says of files and work.

A sentence of the server is a text with gaps, `{}`. Its clauses, between semicolons, are translated one by one, and so
is what stands before or after a colon.
"""

import ast
import errno
import json
import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPOKEN = ("embeddings", "converters", "converters/formats", "converters/containers", "extension", "extension/insight")
SILENT = {
    "converters/collection.py": "the command line's",
    "converters/indexing.py": "a program for another process",
    "converters/remote.py": "the command line's",
    "converters/verification.py": "the command line's",
    "embeddings/embedding.py": "for who writes code",
    "embeddings/indexed.py": "for who writes code",
    "embeddings/library.py": "SQL",
    "embeddings/library_directions.py": "SQL",
    "embeddings/library_query.py": "SQL",
    "embeddings/library_records.py": "SQL",
    "embeddings/library_remarks.py": "SQL",
    "embeddings/library_scope.py": "SQL",
    "embeddings/library_store.py": "SQL",
    "embeddings/prompt_syntaxes.py": "the command line's",
    "extension/insight/model_folders.py": "the command line's",
    "extension/webui/api/openapi.py": "describes the API, in English",
    "extension/webui/api/routes.py": "describes the API, in English",
    "extension/webui/asgi/fields.py": "refuses what the tab does not ask",
    "extension/webui/asgi/multipart.py": "refuses what the tab does not ask",
    "extension/webui/asgi/strict_json.py": "refuses what the tab does not ask",
    "extension/webui/register.py": "the console's",
    "extension/webui/catalogue/scanning.py": "the console's",
    "extension/webui/settings.py": "shown by the host, see of_the_settings",
}
"""Files whose texts nobody reads in the tab, and why."""

_CALL = re.compile(r"\bsay(?:Count)?\(")
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[()\[\]{}]')
_LETTERS = re.compile(r"[^\W\d_]{2}")
_PROSE = re.compile(r"(?:^|[ (])(?:[a-z]{2,}|an? [A-Z]\w+)(?=$|[ ,.:;?)'])")
"""A word in small letters, or something with its article."""
_CODE = re.compile(r" \| |\w\[|%s")
_KEYS = {"TI hashes", "preferred weight", "loanword's API failed", "offset points", "upper right"}
"""Names of other programs' fields and options, and what only the console shows."""
_UNSAID = ("annotation", "returns", "written_by")
"""What holds types, or names of programs that are nowhere shown."""


def of_the_page():
    """The strings inside calls of `say` and `sayCount`."""
    found = set()
    for script in (ROOT / "javascript").glob("*.js"):
        source = script.read_text("utf-8")
        for call in _CALL.finditer(source):
            depth = 1
            for part in _PART.finditer(source, call.end()):
                text = part.group()
                if text.startswith('"'):
                    found.add(json.loads(text))
                else:
                    depth += 1 if text in "([{" else -1
                if not depth:
                    break
    return {text for text in found if _LETTERS.search(text)} - {"negative"}


def of_the_server():
    """The clauses in the literals of the code whose messages the tab shows."""
    files = [path for folder in SPOKEN for path in (ROOT / folder).glob("*.py")]
    files += (ROOT / "extension/webui").rglob("*.py")
    spoken = [path for path in files if path.relative_to(ROOT).as_posix() not in SILENT]
    texts = {text for path in spoken for text in _literals(ast.parse(path.read_text("utf-8")))}
    said = {clause for text in texts for clause in _clauses(text) if " " in clause and _PROSE.search(clause)}
    return said - _KEYS


def of_the_settings():
    """What the host's Settings page shows of loanword's settings, as it shows it."""
    from loanword.extension.webui.settings import PROGRAMS, SECTION, SETTINGS

    shown = {SECTION[1]}
    for setting in SETTINGS.values():
        choices = setting.arguments.get("choices", [])
        shown |= {setting.label, f"({setting.info})", setting.arguments.get("placeholder", "")}
        shown |= set() if choices == PROGRAMS else set(choices)
    return {text for text in shown if " " in text}


def of_the_tables():
    """The titles that the server gives to keys, and that are words rather than names."""
    from loanword.embeddings.health import FINDINGS
    from loanword.extension.webui.api.reading import SORT_TITLES

    return {*SORT_TITLES.values(), *(each.title for each in FINDINGS.values())}


def of_the_pictures():
    """The words that are written in pictures."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "extension/insight").glob("*.py"))
    return {word for call in re.findall(r"\.said\(([^()]+)\)", source) for word in re.findall(r'"([^"]+)"', call)}


def of_the_system():
    """What Linux says of a file that it does not give, as messages have it."""
    codes = errno.EACCES, errno.EIO, errno.ELOOP, errno.ENOENT, errno.ENXIO, errno.EPERM
    return {os.strerror(code).lower() for code in codes}


def _literals(node):
    """The texts below a node; an f-string is one, with gaps, and so are those inside its gaps."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(each.value if isinstance(each, ast.Constant) else "{}" for each in node.values)
        for each in node.values:
            yield from _literals(each.value) if isinstance(each, ast.FormattedValue) else ()
    elif isinstance(node, ast.Constant):
        yield from [node.value] if isinstance(node.value, str) and not _CODE.search(node.value) else []
    else:
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_unsaid(node, name, child):
                    yield from _literals(child)


def _is_unsaid(node, name, child):
    docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    return docstring or name in _UNSAID or (isinstance(node, ast.keyword) and node.arg in _UNSAID)


def _clauses(text):
    for clause in text.split("; "):
        yield re.sub(r"^(?:{})+: |^, |: {}$", "", clause.strip().removesuffix("."))
