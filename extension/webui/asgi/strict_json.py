"""JSON of requests and answers.

What is read has one meaning or none: no doubled keys, no numbers beyond what programs agree on, no nesting that takes
a parser's stack. What is written is ASCII without the signs that mean something in HTML, so that a name with a script
in it stays text wherever it ends up.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from .refusal import Refusal

MOST_DIGITS = 16
DEEPEST = 8
_MARKUP = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'"}


def parse(content: bytes) -> dict[str, Any]:
    """The object that `content` says; raises Refusal (400) where it is no such JSON."""
    try:
        tree = json.loads(
            content.decode(), object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON as it should be") from None
    if not isinstance(tree, dict) or _depth(cast("object", tree)) > DEEPEST:
        raise Refusal(400, "the body should be a JSON object, and not a deep one")
    return cast("dict[str, Any]", tree)


def write(value: object) -> bytes:
    """`value`, made of plain values and dataclasses, as JSON; numbers that JSON has not become null."""
    return json.dumps(_plain(value), allow_nan=False).translate(_MARKUP).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise Refusal(400, "the body names something twice")
    return entries


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise Refusal(400, f"the body has a number of over {MOST_DIGITS} digits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if len(digits) > 2 * MOST_DIGITS or not math.isfinite(number):
        raise Refusal(400, "the body has a number that is too long or too large")
    return number


def _refuse(name: str) -> NoReturn:
    raise Refusal(400, f"the body has {name}, which is no number in JSON")


def _depth(tree: object) -> int:
    """How deep lists and objects are nested; deeper than the limit it is not looked into."""
    level: list[object] = [tree]
    depth = 0
    while level and depth <= DEEPEST:
        depth += 1
        inner = [item for each in level for item in _members(each)]
        level = [item for item in inner if isinstance(item, (dict, list))]
    return depth


def _members(tree: object) -> list[object]:
    if isinstance(tree, dict):
        return [*cast("dict[str, object]", tree).values()]
    return cast("list[object]", tree)
