"""A text encoder's token table, and the words of it that are nearest to vectors."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .directions import units_of, usable
from .words import readable, spelling_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

_BLOCK = 8192
"""Rows compared at once: more are no faster, and the memory they take grows."""
_SPARE = 8
"""So many more candidates than are wanted are compared in float64: float32 may swap neighbours, but not by far."""


@dataclass(frozen=True, eq=False)
class TokenTable:
    """The token table of a loaded text encoder: `rows` is (n_tokens, width) float32, `words` the token of each row.

    A table may have more rows than words (T5's does); rows without a word are no one's neighbours. Keep the object
    while the model is loaded: what is computed once for all its rows stays with it.
    """

    rows: NDArray[np.float32]
    words: Sequence[str]

    @functools.cached_property
    def norms(self) -> NDArray[np.float32]:
        """The L2 norm of each row that has a word."""
        import numpy as np

        blocks = [np.sqrt(np.einsum("ij,ij->i", block, block)) for _, block in self._blocks()]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    @functools.cached_property
    def usual_norms(self) -> tuple[float, float, float] | None:
        """The norms below which 5, 50 and 95 in 100 words are; None for an empty table."""
        import numpy as np

        norms = self.norms[self._sound]
        if not norms.size:
            return None
        low, median, high = (float(each) for each in np.percentile(norms, (5, 50, 95)))
        return low, median, high

    def nearest(self, vectors: NDArray[np.float64], count: int) -> list[list[tuple[str, float]]]:
        """For each vector, the `count` words with the highest cosine similarity; none for NaN, infinities and zeros."""
        if not count:
            return [[] for _ in vectors]
        sound = usable(vectors)
        units = units_of(vectors[sound])
        found = iter(self._ranked(units, self._candidates(units, count + _SPARE), count) if len(units) else [])
        return [next(found) if each else [] for each in sound]

    @functools.cached_property
    def _sound(self) -> NDArray[np.bool_]:
        import numpy as np

        named = np.fromiter((bool(word) for word in self.words[: len(self.norms)]), bool, len(self.norms))
        return named & np.isfinite(self.norms) & (self.norms > 0)

    @functools.cached_property
    def _spelling(self) -> Callable[[str], str]:
        return spelling_of(self.words)

    def _blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        import numpy as np

        stop = min(len(self.rows), len(self.words))
        for start in range(0, stop, _BLOCK):
            yield start, self.rows[start : min(start + _BLOCK, stop)].astype(np.float32, copy=False)

    def _candidates(self, units: NDArray[np.float64], count: int) -> NDArray[np.intp]:
        """For each unit vector the rows of every block that are most similar to it: (n_vectors, some rows)."""
        import numpy as np

        narrow = units.astype(np.float32)
        lengths = np.where(self._sound, self.norms, np.float32(np.inf))
        best: list[NDArray[np.intp]] = []
        for start, block in self._blocks():
            with np.errstate(invalid="ignore", over="ignore"):
                similarity = narrow @ block.T
                similarity /= lengths[start : start + len(block)]
            similarity[:, ~self._sound[start : start + len(block)]] = -np.inf
            top = min(count, len(block))
            best.append(np.argpartition(similarity, -top, axis=1)[:, -top:] + start)
        return np.concatenate(best, axis=1) if best else np.zeros((len(units), 0), np.intp)

    def _ranked(
        self, units: NDArray[np.float64], rows: NDArray[np.intp], count: int
    ) -> Iterator[list[tuple[str, float]]]:
        import numpy as np

        for unit, candidates in zip(units, rows, strict=True):
            chosen = np.sort(candidates[self._sound[candidates]])
            similarity = np.clip(units_of(self.rows[chosen].astype(np.float64)) @ unit, -1, 1)
            order: list[int] = np.argsort(-similarity, kind="stable")[:count].tolist()
            yield [(readable(self.words[int(chosen[i])], self._spelling), float(similarity[i])) for i in order]
