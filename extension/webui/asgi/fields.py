"""Fields of requests, by dataclasses that say which there are: what a request has beside them is refused."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
import urllib.parse
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ....embeddings.errors import one_line, shortened
from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Fields = TypeVar("Fields")
MOST_PARAMETERS = 32
_INTEGER = re.compile(r"[0-9]{1,9}")


def one_of(default: str, choices: Iterable[str]) -> Any:
    """A field of a dataclass that is one of `choices`."""
    return dataclasses.field(default=default, metadata={"enum": [*choices]})


def between(default: int, least: int, most: int) -> Any:
    """A field of a dataclass that is a number from `least` to `most`."""
    return dataclasses.field(default=default, metadata={"minimum": least, "maximum": most})


def from_json(kind: type[Fields], body: Mapping[str, Any]) -> Fields:
    """A `kind` with the values of a JSON object; raises Refusal (422) where they are not what it has."""
    hints = hints_of(kind)
    _check_known(body, hints)
    values = {name: _value(name, hints[name], value) for name, value in body.items()}
    return _made(kind, values)


def from_query(kind: type[Fields], query: bytes) -> Fields:
    """The same with the parameters of an address: lists have commas, and nothing is named twice."""
    hints = hints_of(kind)
    try:
        pairs = urllib.parse.parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError:
        raise Refusal(400, "the parameters of the address are not built as they should be") from None
    _check_known(dict(pairs), hints)
    if len(dict(pairs)) != len(pairs):
        raise Refusal(422, "a parameter is given twice")
    return _made(kind, {name: _value(name, hints[name], _spelled(name, hints[name], text)) for name, text in pairs})


@functools.cache
def hints_of(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return typing.get_type_hints(kind)


def without_none(hint: Any) -> tuple[Any, bool]:
    """A type, and whether it may be None instead."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        inner = [each for each in typing.get_args(hint) if each is not types.NoneType]
        return inner[0], True
    return hint, False


def _made(kind: type[Fields], values: dict[str, Any]) -> Fields:
    needed = {
        each.name
        for each in dataclasses.fields(cast("Any", kind))
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    }
    if missing := sorted(needed - values.keys()):
        raise Refusal(422, f"{missing[0]} is missing")
    made = kind(**values)
    for each in dataclasses.fields(cast("Any", kind)):
        _check_limits(each.name, getattr(made, each.name), each.metadata)
    return made


def _check_limits(name: str, value: Any, limits: Mapping[str, Any]) -> None:
    """Raise Refusal for what `one_of` and `between` do not allow."""
    if "enum" in limits and value not in limits["enum"]:
        raise Refusal(422, f"{name} is one of {', '.join(limits['enum'])}")
    if "maximum" in limits and not limits["minimum"] <= value <= limits["maximum"]:
        raise Refusal(422, f"{name} is {limits['minimum']} to {limits['maximum']}")


def _check_known(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    if unknown := [each for each in given if each not in known]:
        name = shortened(one_line(unknown[0]), 60)
        raise Refusal(422, f"{name!r} is no field of this request; there are {', '.join(known) or 'none'}")


def _spelled(name: str, hint: Any, text: str) -> Any:
    """What the text of a parameter says, as JSON would have it."""
    kind, _ = without_none(hint)
    if typing.get_origin(kind) is list:
        return [each for each in text.split(",") if each]
    if kind is int:
        if not _INTEGER.fullmatch(text):
            raise Refusal(422, f"{name} is a whole number")
        return int(text)
    return text


def _value(name: str, hint: Any, value: Any) -> Any:
    """`value`, where the field takes it."""
    kind, optional = without_none(hint)
    if value is None and optional:
        return None
    if typing.get_origin(kind) is list:
        (inner,) = typing.get_args(kind)
        if isinstance(value, list):
            return [_value(name, inner, each) for each in cast("list[Any]", value)]
    elif dataclasses.is_dataclass(kind):
        if isinstance(value, dict):
            return from_json(cast("type[Any]", kind), cast("dict[str, Any]", value))
    elif kind is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif type(value) is kind:
        return value
    raise Refusal(422, f"{name} is not of the kind that it should be")
