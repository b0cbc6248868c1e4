"""Places of files, on this machine or behind a URL: told apart, taken apart and put together.

A URL is what begins with a scheme of two letters or more and `://`, chains included (`zip://a.pt::s3://bucket/b.zip`).
Only what the user names is ever one: no place that is put together from the content of a file can begin like that.
"""

from __future__ import annotations

import os
import posixpath
import re

_URL = re.compile(
    r"(?P<start>(?:[A-Za-z][A-Za-z0-9+.-]+::)*(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://)(?P<path>.*?)(?P<chained>::.*)?",
    re.DOTALL,
)


def is_url(place: str) -> bool:
    """Whether `place` is a URL and no path of this machine."""
    return "://" in place and _URL.fullmatch(place) is not None


def joined(place: str, *names: str) -> str:
    """The place of what is called so below `place`; a last name that is empty gives the folder, with its slash."""
    if not is_url(place):
        return os.path.join(place, *names)
    start, path, chained = taken_apart(place)
    return start + posixpath.join(path, *(name.replace(os.sep, "/") for name in names)) + chained


def name_of(place: str) -> str:
    """The name of a file without its folder."""
    return posixpath.basename(taken_apart(place)[1]) if is_url(place) else os.path.basename(place)


def folder_of(place: str) -> str:
    """The folder of a file; empty where that is the current one."""
    if not is_url(place):
        return os.path.dirname(place)
    start, path, chained = taken_apart(place)
    return start + posixpath.dirname(path) + chained


def taken_apart(url: str) -> tuple[str, str, str]:
    """How a URL begins, its path, and what that is in: "zip://", "a.pt" and "::s3://bucket/b.zip"."""
    found = _URL.fullmatch(url)
    return (found["start"], found["path"], found["chained"] or "") if found else ("", url, "")


def scheme_of(place: str) -> str:
    """How a file is reached, in lower case: "s3", "memory", "zip"; "file" where it is no URL."""
    found = _URL.fullmatch(place)
    return found["scheme"].lower() if found else "file"


def is_archive(place: str) -> bool:
    """Whether a place lies in a zip archive."""
    return scheme_of(place) == "zip"


def same_key(place: str) -> str:
    """The same for every spelling of a place, upper and lower case included where the system makes no difference."""
    return place if is_url(place) else os.path.normcase(os.path.abspath(place))
