"""The nodes that make files: *Convert embedding*, *Bundle into LoRA* and *Unbundle LoRA*."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from ...converters.bundles import bundle
from ...converters.files import read_all
from ...converters.targets import TARGETS
from ...converters.writing import render, with_original_hash
from ...embeddings.dtypes import DTYPES
from ...embeddings.errors import CannotWrite, NotAnEmbedding
from .choices import embedding_chosen, embedding_labels, lora_chosen, lora_names, state_of_chosen
from .fitting import embeddings_of
from .node import Input, Node, Output, Result
from .places import EMBEDDINGS, OUTPUT, PLACES, keep, lora_place, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding

AS_IT_IS = "as it is"


def convert(embedding: str, program: str, dtype: str, place: str, name: str = "") -> Result:
    """Write an embedding as another program reads it."""
    entry = embedding_chosen(embedding)
    found = [with_original_hash(each) for each in embeddings_of(entry)]
    if name.strip():
        if len(found) > 1:
            raise CannotWrite(f"{embedding!r} stands for {len(found)} embeddings; choose one of them to name it")
        found = [each.renamed(name.strip()) for each in found]
    return _written(found, program, dtype, place)


def bundle_into(lora: str, embedding: str, name: str) -> Result:
    """Write a copy of a LoRA with an embedding inside."""
    path = lora_chosen(lora)
    place = lora_place(name.strip() or os.path.splitext(os.path.basename(path))[0] + "-bundle")
    os.makedirs(os.path.dirname(place), exist_ok=True)
    bundle(path, embeddings_of(embedding_chosen(embedding)), place)
    return _result([place])


def unbundle(lora: str, program: str, place: str) -> Result:
    """Write the embeddings inside a LoRA as files of their own."""
    path = lora_chosen(lora)
    try:
        found = read_all(path)
    except NotAnEmbedding as error:
        raise NotAnEmbedding(f"has no embeddings inside, it is {error.message.partition(';')[0]}", path) from None
    return _written([with_original_hash(each) for each in found], program, AS_IT_IS, place)


def _written(embeddings: Sequence[Embedding], program: str, dtype: str, place: str) -> Result:
    files = render(embeddings, target=program, dtype=None if dtype == AS_IT_IS else dtype)
    return _result(keep(files, place))


def _result(paths: list[str]) -> Result:
    paths_module: Any = importlib.import_module("folder_paths")
    getattr(paths_module, "filename_list_cache", {}).pop("embeddings", None)
    text = "\n".join(map(shown, paths))
    return Result((text,), text)


_EMBEDDING = Input("embedding", "COMBO", "One of the embeddings in ComfyUI's folders.", options=embedding_labels)
_LORA = Input("lora", "COMBO", "One of ComfyUI's LoRAs; it is not changed.", options=lora_names)
_PROGRAM = Input(
    "program", "COMBO", "The program that is to read the result.", default="comfyui", options=lambda: tuple(TARGETS)
)
_PLACE = Input(
    "place",
    "COMBO",
    f"{OUTPUT} for other programs, {EMBEDDINGS} to use it here. Nothing is ever replaced.",
    default=OUTPUT,
    options=lambda: PLACES,
)
_FILES = Output("STRING", "files", "The files that were written, one a line.")

CONVERT = Node(
    key="LoanwordConvertEmbedding",
    title="Convert embedding",
    description="Writes an embedding in the form that another program reads, every number kept.",
    inputs=(
        _EMBEDDING,
        _PROGRAM,
        Input(
            "dtype",
            "COMBO",
            "The type of the numbers; only another one than the file's rounds them.",
            default=AS_IT_IS,
            options=lambda: (AS_IT_IS, *DTYPES),
        ),
        _PLACE,
        Input("name", "STRING", "The new trigger word; empty keeps the name.", default="", optional=True),
    ),
    outputs=(_FILES,),
    run=convert,
    changes=state_of_chosen,
    search_aliases=("textual inversion", "safetensors", "rename embedding", "export embedding"),
    writes=True,
)
BUNDLE = Node(
    key="LoanwordBundleLora",
    title="Bundle into LoRA",
    description="Writes a copy of a LoRA with an embedding inside, as AUTOMATIC1111, SD.Next and OneTrainer use it.",
    inputs=(
        _LORA,
        _EMBEDDING,
        Input("name", "STRING", "The name of the new file in output/loras; empty makes one up.", default=""),
    ),
    outputs=(_FILES,),
    run=bundle_into,
    changes=state_of_chosen,
    search_aliases=("textual inversion", "embed in lora", "pivotal tuning"),
    writes=True,
)
UNBUNDLE = Node(
    key="LoanwordUnbundleLora",
    title="Unbundle LoRA",
    description="Writes the embeddings that are inside a LoRA as files of their own.",
    inputs=(_LORA, _PROGRAM, _PLACE),
    outputs=(_FILES,),
    run=unbundle,
    search_aliases=("textual inversion", "extract embedding from lora", "pivotal tuning"),
    writes=True,
)
