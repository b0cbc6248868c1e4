"""Attention weights in prompts: read from one program's grammar, written in another's.

Source: A1111's `prompt_parser.py` (`(text)` 1.1 times, `[text]` 1/1.1 times, `(text:1.3)`), ComfyUI's `sd1_clip.py`
(the same without square brackets), compel's `prompt_parser.py` (`(text)1.3`, `(text)++`, `word--`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

STEP = 1.1
DEEPEST = 50
"""Brackets within more brackets than this are text."""
_EXPLICIT = re.compile(r"(?s)(.*):\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*")
_COMPEL_SUFFIX = re.compile(r"\++|-+|[0-9]+\.?[0-9]*|\.[0-9]+")
_COMPEL_WORD = re.compile(r"([^\s()+,\\-][^\s()+,\\]*?)(\++|--+)(?![\w+-])")


@dataclass(frozen=True)
class Weighted:
    """A part of a prompt with a weight of its own, on top of those around it."""

    parts: tuple[Part, ...]
    weight: float


Part: TypeAlias = "str | Weighted"


def read_parentheses(text: str, *, square: bool, depth: int = 0) -> tuple[Part, ...]:
    """The parts of a prompt of A1111 or, without `square` brackets, of ComfyUI. Unbalanced brackets are text."""
    closing = {**_closing(text, "()"), **(_closing(text, "[]") if square else {})} if depth < DEEPEST else {}
    parts: list[Part] = []
    plain = ""
    position = 0
    while position < len(text):
        if text[position] == "\\":
            plain += text[position : position + 2]
            position += 2
            continue
        end = closing.get(position)
        inner = text[position + 1 : end] if end is not None else ""
        if end is None or (text[position] == "[" and _is_schedule(inner)):
            plain += text[position]
            position += 1
            continue
        if plain:
            parts.append(plain)
        parts.append(_bracketed(text[position], inner, square=square, depth=depth + 1))
        plain, position = "", end + 1
    return (*parts, plain) if plain else tuple(parts)


def read_compel(text: str, depth: int = 0) -> tuple[Part, ...]:
    """The parts of a prompt of compel, diffusers' and InvokeAI's weighting. Parentheses alone weigh nothing."""
    closing = _closing(text, "()") if depth < DEEPEST else {}
    parts: list[Part] = []
    plain = ""
    position = 0
    while position < len(text):
        word = _COMPEL_WORD.match(text, position) if not plain or not plain[-1].isalnum() else None
        end = closing.get(position)
        if text[position] == "\\":
            plain += text[position : position + 2]
            position += 2
        elif word:
            parts += [plain, Weighted((word[1],), _compel_weight(word[2]))]
            plain, position = "", word.end()
        elif end is not None:
            suffix = _COMPEL_SUFFIX.match(text, end + 1)
            weight = _compel_weight(suffix[0]) if suffix else 1.0
            parts += [plain, Weighted(read_compel(text[position + 1 : end], depth + 1), weight)]
            plain, position = "", suffix.end() if suffix else end + 1
        else:
            plain += text[position]
            position += 1
    return tuple(part for part in (*parts, plain) if part != "")


def write_parentheses(parts: Iterable[Part]) -> str:
    """The parts as A1111 and ComfyUI read them."""
    return _written(parts, lambda inner, weight: f"({inner})" if weight == STEP else f"({inner}:{_number(weight)})")


def write_compel(parts: Iterable[Part]) -> str:
    """The parts as compel reads them."""
    return _written(parts, lambda inner, weight: f"({inner}){_number(weight)}")


def _written(parts: Iterable[Part], weigh: Callable[[str, float], str]) -> str:
    def each() -> Iterator[str]:
        for part in parts:
            if isinstance(part, str):
                yield part
            else:
                inner = _written(part.parts, weigh)
                yield inner if part.weight == 1 else weigh(inner, part.weight)

    return "".join(each())


def _is_schedule(inner: str) -> bool:
    """Whether square brackets with this in them choose words by time; a weight in round brackets in them does not."""
    closing = _closing(inner, "()")
    position = 0
    while position < len(inner):
        if inner[position] in ":|":
            return True
        position = closing.get(position, position) + 1
    return False


def _bracketed(bracket: str, inner: str, *, square: bool, depth: int) -> Weighted:
    explicit = _EXPLICIT.fullmatch(inner) if bracket == "(" else None
    if explicit:
        return Weighted(read_parentheses(explicit[1], square=square, depth=depth), float(explicit[2]))
    return Weighted(read_parentheses(inner, square=square, depth=depth), STEP if bracket == "(" else 1 / STEP)


def _closing(text: str, brackets: str) -> dict[int, int]:
    """The position of every opening bracket that is closed, and of the one that closes it."""
    pairs: dict[int, int] = {}
    pending: list[int] = []
    escaped = False
    for position, character in enumerate(text):
        if escaped or character == "\\":
            escaped = not escaped
        elif character == brackets[0]:
            pending.append(position)
        elif character == brackets[1] and pending:
            pairs[pending.pop()] = position
    return pairs


def _compel_weight(suffix: str) -> float:
    return STEP ** len(suffix) if suffix[0] == "+" else 0.9 ** len(suffix) if suffix[0] == "-" else float(suffix)


def _number(weight: float) -> str:
    return f"{weight:.4g}"
