"""The node *Embedding prompt*: a prompt of any program, encoded, and a report of the embeddings in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...embeddings.prompt_syntaxes import PROMPT_SYNTAXES, translate, unknown_in
from ...embeddings.prompts import PromptNames
from .choices import state_of
from .node import Input, Node, Output, Result
from .places import shown
from .serving import handles, shelf
from .shelf import whole
from .uses import noting_uses
from .workflows import without_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...embeddings.prompt_syntaxes import Unknown
    from ...embeddings.prompts import Reference
    from .shelf import Entry
    from .uses import Use, Uses

AUTOMATIC = "automatic"
_HANDLE = "loanword-{}"


def encode(clip: Any, text: str, syntax: str = AUTOMATIC) -> Result:
    """The conditioning of `text`, and which embeddings went into it."""
    known = shelf().refresh().names
    text = _names_as_they_are(text, known)
    references = known.references(text)
    meant = [(each.syntax, *_meant(text, each)) for each in references if each.value is not None]
    handle_of = {entry: _HANDLE.format(number) for number, entry in enumerate(dict.fromkeys(each[2] for each in meant))}
    names = _names_used(meant, handle_of)
    translated = translate(text, "comfyui", names, source=None if syntax == AUTOMATIC else syntax)
    token = handles.set({handle: entry for entry, handle in handle_of.items()})
    try:
        with noting_uses(whole=True) as uses:
            tokens = clip.tokenize(translated)
    finally:
        handles.reset(token)
    unknown = unknown_in(text, references, [entry.name for entry in known])
    return Result((_conditioning(clip, tokens), report := report_of(uses, unknown)), report)


def _names_used(meant: Iterable[tuple[str, str, Entry]], handle_of: Mapping[Entry, str]) -> PromptNames[str]:
    """The names in a prompt, as `translate` is to find them: those that were announced nowhere else."""
    names: PromptNames[str] = PromptNames()
    for syntax, name, entry in meant:
        handle = handle_of[entry]
        if syntax == "a1111":
            names.add(name, handle)
        else:
            names.add(handle, handle, aliases=(name,))
    return names


def files_of(text: str = "", **_: Any) -> str:
    """The state of the files whose embeddings `text` names."""
    references = shelf().refresh().names.references(text or "")
    return state_of(_meant(text, each)[1] for each in references if each.value is not None)


def _meant(text: str, reference: Reference[Entry]) -> tuple[str, Entry]:
    """A name as it is written, and what it stands for: where it is a path, the file at that path."""
    written = text[reference.start : reference.end].partition(":")[2]
    file = shelf().at_path(written) if reference.syntax == "comfyui" and ("/" in written or "\\" in written) else None
    if file is not None and file.embeddings:
        return written, whole(file)
    if reference.value is None:
        raise ValueError(f"{reference.name!r} stands for nothing")
    return reference.name, reference.value


def _names_as_they_are(text: str, known: Iterable[Entry]) -> str:
    """`text` with the parentheses of names not marked as being no weights, which the names themselves say."""
    if "\\(" in text:
        for entry in known:
            if "(" in entry.name:
                text = text.replace(without_weights(entry.name), entry.name)
    return text


def report_of(uses: Uses, unknown: Iterable[Unknown]) -> str:
    """What a prompt uses, what does not fit the model, and what may be misspelt, a line each."""
    lines = [_line(use) for use in uses.found.values()]
    lines += uses.sentences()
    for each in unknown:
        instead = f"; is {' or '.join(map(repr, each.nearest))} meant?" if each.nearest else ""
        lines.append(f"no embedding is called {each.name!r}{instead}")
    return "\n".join(lines) or "no embeddings are used"


def _line(use: Use) -> str:
    counts = ", ".join(f"{count} in {title}" for title, count in use.counts.items() if count) or "none"
    return f"{use.entry.name} (for {use.made_for}), vectors used: {counts}; {shown(use.entry.path)}"


def _conditioning(clip: Any, tokens: Any) -> Any:
    if hasattr(clip, "encode_from_tokens_scheduled"):
        return clip.encode_from_tokens_scheduled(tokens)
    states, pooled = clip.encode_from_tokens(tokens, return_pooled=True)
    return [[states, {"pooled_output": pooled}]]


EMBEDDING_PROMPT = Node(
    key="LoanwordEmbeddingPrompt",
    title="Embedding prompt",
    description="Encodes a prompt with its embeddings, written as for any program, and reports which ones are used.",
    inputs=(
        Input("clip", "CLIP", "The model's text encoders."),
        Input(
            "text",
            "STRING",
            "The prompt. An embedding is found by its name alone, as embedding:name or as <name>.",
            default="",
            multiline=True,
        ),
        Input(
            "syntax",
            "COMBO",
            "Whose names and weights the prompt has. In A1111's, [brackets] weigh less and names stand alone.",
            default=AUTOMATIC,
            options=lambda: (AUTOMATIC, *PROMPT_SYNTAXES),
        ),
    ),
    outputs=(
        Output("CONDITIONING", "conditioning", "The encoded prompt, for a sampler."),
        Output("STRING", "report", "Which embeddings are used, from which files, and what looks like a slip."),
    ),
    run=encode,
    changes=files_of,
    search_aliases=("textual inversion", "embedding", "clip text encode", "prompt", "A1111"),
)
