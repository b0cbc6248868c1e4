"""Options whose values are the keys of a table, looked up only when the option is used or explained."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MOST_LISTED = 12
"""Longer tables are not spelled out in --help."""


class OneOf(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]  # takes none before click 8.4
    """A key of a table, in upper or lower case."""

    def __init__(self, name: str, keys: Callable[[], Iterable[str]]) -> None:
        self.name = name
        self._keys = keys

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The key; a usage error that lists what there is otherwise."""
        typed = str(value).lower()
        keys = {key.lower(): key for key in self._keys()}
        if typed not in keys:
            near = difflib.get_close_matches(typed, keys, n=3)
            advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(keys.values())}"
            self.fail(f"no {self.name} is called {value!r}; {advice}", param, ctx)
        return keys[typed]

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The keys themselves where they are few."""
        del param, ctx
        keys = [*self._keys()]
        return f"[{'|'.join(keys)}]" if len(keys) <= _MOST_LISTED else self.name.upper()

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The keys that begin as typed."""
        del ctx, param
        return [CompletionItem(key) for key in self._keys() if key.startswith(incomplete.lower())]


def programs() -> Iterable[str]:
    """Keys of the programs to write for."""
    from ...converters.targets import TARGETS

    return TARGETS


def formats() -> Iterable[str]:
    """Keys of the formats that are written."""
    from ...converters.format import all_formats

    return [key for key, row in all_formats().items() if row.build is not None]


def containers() -> Iterable[str]:
    """Keys of the containers that are written."""
    from ...converters.container import all_containers
    from ...converters.writing import CONCEPT_FOLDER

    return [*(key for key, row in all_containers().items() if row.save is not None), CONCEPT_FOLDER]


def dtypes() -> Iterable[str]:
    """Names of the dtypes."""
    from ...embeddings.dtypes import DTYPES

    return DTYPES


def syntaxes() -> Iterable[str]:
    """Keys of the ways to name embeddings in prompts."""
    from ...embeddings.prompt_syntaxes import PROMPT_SYNTAXES

    return PROMPT_SYNTAXES


def encoders() -> Iterable[str]:
    """Keys of the text encoders."""
    from ...embeddings.text_encoders import TEXT_ENCODERS

    return TEXT_ENCODERS
