"""A node of ComfyUI's, told once for both of ComfyUI's ways to define nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ...embeddings.errors import LoanwordError
from .places import with_shown_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Values: TypeAlias = tuple[Any, ...]

CATEGORY = "loanword"


@dataclass(frozen=True)
class Input:
    """What a node takes: an output of another node, or a widget."""

    key: str
    kind: str
    """ComfyUI's name of the type: CLIP, STRING, COMBO, …"""
    tooltip: str
    default: str | None = None
    options: Callable[[], Sequence[str]] | None = None
    """What a COMBO offers now."""
    multiline: bool = False
    optional: bool = False

    @property
    def widget(self) -> dict[str, Any]:
        """What its widget is told, by the names that both ways have for it."""
        told: dict[str, Any] = {"tooltip": self.tooltip}
        if self.default is not None:
            told["default"] = self.default
        if self.multiline:
            told["multiline"] = True
        return told


@dataclass(frozen=True)
class Output:
    """What a node gives."""

    kind: str
    name: str
    tooltip: str


@dataclass(frozen=True)
class Result:
    """What came of running a node: a value for each output, and the text that is shown on it."""

    values: Values
    text: str = ""


@dataclass(frozen=True)
class Node:
    """A node: what users see of it, and the function that gets its inputs by name."""

    key: str
    title: str
    description: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    run: Callable[..., Result]
    changes: Callable[..., str] | None = None
    """What of the disk a result depends on, given the inputs by name: where it is another, the node runs again."""
    search_aliases: tuple[str, ...] = ()
    writes: bool = False
    """Whether it is worth running when nothing is connected to its outputs."""

    def result(self, inputs: Mapping[str, Any]) -> Result:
        """What comes of running it; an error names files as users know them."""
        try:
            return self.run(**inputs)
        except LoanwordError as error:
            raise type(error)(with_shown_paths(str(error))) from None
