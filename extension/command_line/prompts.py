"""What the command line says of a prompt: the embeddings it names, and what looks like a name but is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...embeddings.text_encoders import BASE_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...embeddings.embedding import Embedding
    from ...embeddings.prompt_syntaxes import PromptCheck, Unknown

HEADINGS = ("written", "embedding", "base model", "tokens", "file")


def rows_of(prompt: str, check: PromptCheck, known: Iterable[Embedding]) -> list[tuple[str, ...]]:
    """A row for each embedding that the prompt names, in its order."""
    rows: list[tuple[str, ...]] = []
    for each in check.found:
        embedding = next(one for one in known if one.name == each.value)
        model = BASE_MODELS[embedding.base_model].title if embedding.base_model else "-"
        path = embedding.provenance.path or "-"
        rows.append((prompt[each.start : each.end], embedding.name, model, str(embedding.tokens), path))
    return rows


def line_of(unknown: Unknown) -> str:
    """One line about a name that no embedding has."""
    hint = f"; did you mean {' or '.join(map(repr, unknown.nearest))}?" if unknown.nearest else ""
    return f"no embedding is called {unknown.name!r}{hint}"
