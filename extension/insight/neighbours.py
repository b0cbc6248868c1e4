"""The embeddings of the library that are most like one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Neighbour:
    """An embedding that is like another: its file, its position in it, its name, and how similar it is (cosine)."""

    path: str
    position: int
    name: str
    similarity: float
