"""Files in the body of a form: the strict part of multipart/form-data that browsers and scripts send.

Source: RFC 7578; the HTML standard, "multipart/form-data encoding algorithm", for how names are escaped.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PARTS = 64
LONGEST_HEAD = 8 * 1024
_BOUNDARY = re.compile(r"multipart/form-data *; *boundary=(?:\"([^\"\\]{1,70})\"|([^\s;\",]{1,70})) *", re.IGNORECASE)
_DISPOSITION = re.compile(r"form-data(?: *; *(?:filename|name)=\"[^\"]*\")*", re.IGNORECASE)
_PARAMETER = re.compile(r"; *(filename|name)=\"([^\"]*)\"", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A part of a form: its field, its file name where it is a file, its bytes."""

    field: str
    file_name: str | None
    content: bytes


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts, as the content type says; raises Refusal where it does not."""
    found = _BOUNDARY.fullmatch(content_type)
    if found is None:
        raise Refusal(400, "the form does not say what is between its parts")
    return (found[1] or found[2]).encode("latin-1")


def parts_of(body: bytes, boundary: bytes) -> Iterator[Part]:
    """The parts of a form; raises Refusal where it is not built as it should be."""
    line = b"\r\n--" + boundary
    start = body.find(line[2:])
    if start != 0:
        raise _broken()
    position = len(line) - 2
    for _ in range(MOST_PARTS + 1):
        if body.startswith(b"--", position):
            return
        end = body.find(line, position)
        if end < 0 or not body.startswith(b"\r\n", position):
            raise _broken()
        yield _part(body, position + 2, end)
        position = end + len(line)
    raise Refusal(413, f"the form has over {MOST_PARTS} parts")


def _part(body: bytes, start: int, end: int) -> Part:
    blank = body.find(b"\r\n\r\n", start, min(end, start + LONGEST_HEAD))
    if blank < 0:
        raise _broken()
    try:
        lines = body[start:blank].decode().split("\r\n")
    except UnicodeDecodeError:
        raise _broken() from None
    heads = dict(_head(each) for each in lines)
    disposition = heads.get("content-disposition", "")
    parameters = [(name.lower(), value) for name, value in _PARAMETER.findall(disposition)]
    names = dict(parameters)
    if len(names) != len(parameters) or len(heads) != len(lines) or not _DISPOSITION.fullmatch(disposition):
        raise _broken()
    if heads.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise _broken()
    file_name = names.get("filename")
    return Part(names.get("name", ""), None if file_name is None else _unescaped(file_name), body[blank + 4 : end])


def _head(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise _broken()
    return name.strip().lower(), value.strip()


def _unescaped(name: str) -> str:
    """A file name without the three escapes that browsers make; anything else stays as it was sent."""
    return re.sub(r"%(22|0D|0A)", lambda found: urllib.parse.unquote(found[0]), name, flags=re.IGNORECASE)


def _broken() -> Refusal:
    return Refusal(400, "the form is not built as a form should be")
