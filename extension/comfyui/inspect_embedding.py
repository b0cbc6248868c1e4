"""The node *Inspect embedding*: what an embedding is, in words and in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...converters.container import all_containers
from ...converters.format import all_formats
from ...embeddings.text_encoders import BASE_MODELS, TEXT_ENCODERS
from ..insight.inside import inside
from ..insight.sentences import sentences
from ..insight.token_tables import TokenTable
from .choices import embedding_chosen, embedding_labels, state_of_chosen
from .fitting import embeddings_of, encoder_of
from .node import Input, Node, Output, Result
from .places import shown
from .portrait import portrait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...embeddings.embedding import Embedding


def inspect(embedding: str, clip: Any = None) -> Result:
    """Facts, numbers and a picture; with a model's text encoders also the words that are near."""
    entry = embedding_chosen(embedding)
    tables = dict(token_tables(clip)) if clip is not None else {}
    found = [(each, inside(each, tables)) for each in embeddings_of(entry)]
    text = "\n".join(line for each, seen in found for line in (*facts(each, entry.path), *sentences(seen)))
    return Result((text, portrait(found)), text)


def facts(embedding: Embedding, path: str) -> Iterator[str]:
    """What its file says of it, a line each."""
    origin = embedding.provenance
    yield embedding.name + (f", also known as {', '.join(embedding.aliases)}" if embedding.aliases else "")
    yield f"for {BASE_MODELS[embedding.base_model].title if embedding.base_model else 'an unknown base model'}"
    for key, vectors in embedding.vectors.items():
        yield f"{TEXT_ENCODERS[key].title}: {vectors.shape[0]} x {vectors.shape[1]}, {vectors.dtype}"
    titles = [
        table[key].title
        for table, key in ((all_formats(), origin.format), (all_containers(), origin.container))
        if key is not None
    ]
    yield f"{shown(path)} ({', '.join(titles)})"
    if origin.step is not None:
        yield f"trained for {origin.step} steps"
    if origin.checkpoint_name:
        yield f"trained on {origin.checkpoint_name}"
    yield from embedding.warnings


def token_tables(clip: Any) -> Iterator[tuple[str, TokenTable]]:
    """The token tables of a model's text encoders, by encoder."""
    for name in [*clip.tokenizer.__dict__]:
        tokenizer = getattr(clip.tokenizer, name)
        encoder = getattr(clip.cond_stage_model, name, None)
        if encoder is None or not hasattr(tokenizer, "inv_vocab"):
            continue
        key = encoder_of(tokenizer.embedding_key, tokenizer.embedding_size)
        weight = encoder.transformer.get_input_embeddings().weight.detach().float().cpu().numpy()
        if key is not None:
            yield key, TokenTable(weight, [tokenizer.inv_vocab.get(row, "") for row in range(len(weight))])


INSPECT = Node(
    key="LoanwordInspectEmbedding",
    title="Inspect embedding",
    description="Says what an embedding is: its model, its vectors, where it comes from, and which words are near it.",
    inputs=(
        Input("embedding", "COMBO", "One of the embeddings in ComfyUI's folders.", options=embedding_labels),
        Input("clip", "CLIP", "A model's text encoders, to find the words that are near.", optional=True),
    ),
    outputs=(
        Output("STRING", "text", "What is known of it, a line each."),
        Output("IMAGE", "picture", "Its vectors, each a row, and how alike they are."),
    ),
    run=inspect,
    changes=state_of_chosen,
    search_aliases=("textual inversion", "embedding info", "embedding metadata"),
    writes=True,
)
