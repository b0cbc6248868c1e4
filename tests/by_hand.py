"""What a pipeline must compute for a prompt with embeddings, worked out by hand and without loanword.

Token ids are put together piece by piece: text as the pipeline's own tokenizer tokenizes it, an embedding as rows of
the token table that no text uses and that hold its vectors for as long as the reference is computed. So the encoders'
own code computes hidden states and pooled outputs, as if the words had always been in the vocabulary.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from loanword import TEXT_ENCODERS, Embedding, Vectors
from transformers import BatchEncoding


def embedding(name, count=3, keys=("clip_l",), *, seed=None, scale=0.5, dtype="float32", **fields):
    """An embedding of random vectors, always the same for the same arguments."""
    random = np.random.default_rng(sum(map(ord, name)) if seed is None else seed)
    arrays = {key: random.standard_normal((count, TEXT_ENCODERS[key].width)).astype(np.float32) for key in keys}
    vectors = {key: Vectors.from_numpy(array * scale, dtype) for key, array in arrays.items()}
    return Embedding(name, vectors, **fields)


@dataclass
class HandTokenizer:
    """Stands in for a tokenizer: knows the ids of a few prompts, worked out by hand."""

    plain: object
    prompts: dict
    """Prompt -> its parts: text and Embeddings."""
    rows: dict
    """Name of an embedding -> the ids of the rows that hold its vectors."""

    @property
    def model_max_length(self):
        return self.plain.model_max_length

    def __getattr__(self, name):
        return getattr(self.plain, name)

    def __call__(self, text, padding=False, max_length=None, truncation=False, return_tensors=None, **_options):
        texts = [text] if isinstance(text, str) else list(text)
        limit = max_length or self.model_max_length
        rows = [self.ids(each, limit if truncation else None) for each in texts]
        length = {"max_length": limit, "longest": max(map(len, rows)), True: max(map(len, rows))}.get(padding)
        masks = [[1] * len(row) + [0] * ((length or len(row)) - len(row)) for row in rows]
        pad = self.plain.pad_token_id
        rows = [row + [pad] * (len(mask) - len(row)) for row, mask in zip(rows, masks, strict=True)]
        return BatchEncoding({"input_ids": rows, "attention_mask": masks}, tensor_type=return_tensors)

    def ids(self, text, limit):
        leading, trailing = self.frame()
        inner = []
        for part in self.parts_of(text):
            if isinstance(part, Embedding):
                inner += self.rows[part.name]
            else:
                inner += self.plain(part, add_special_tokens=False)["input_ids"]
        room = len(inner) if limit is None else limit - len(leading) - len(trailing)
        return leading + inner[:room] + trailing

    def parts_of(self, text):
        """The parts of a text that is one of the prompts, or that holds one in a template's midst."""
        for prompt, parts in self.prompts.items():
            before, found, after = text.partition(prompt)
            if found:
                rest = [before + parts[0], *parts[1:]] if isinstance(parts[0], str) else [before, *parts]
                return [*rest[:-1], rest[-1] + after] if isinstance(rest[-1], str) else [*rest, after]
        return [text]

    def frame(self):
        """What the tokenizer puts before and after every text."""
        with_text, alone = self.plain("a")["input_ids"], self.plain("a", add_special_tokens=False)["input_ids"]
        before = next(i for i in range(len(with_text)) if with_text[i : i + len(alone)] == alone)
        return with_text[:before], with_text[before + len(alone) :]


def unused_rows(encoder, count):
    """Ids below CLIP's start and end tokens (the highest id must stay the end token's) that no prompt here has."""
    rows = encoder.get_input_embeddings().weight.shape[0]
    last = min(rows, 49000)
    return list(range(last - count, last))


@contextmanager
def by_hand(pipe, parts, prompts):
    """`pipe` with tokenizers and tables prepared by hand for `prompts`.

    `parts` names, for each tokenizer of the pipeline, its text encoder and that encoder's key.
    """
    used = {part.name: part for each in prompts.values() for part in each if isinstance(part, Embedding)}
    with ExitStack() as stack:
        for tokenizer, (encoder, key) in parts.items():
            rows = stack.enter_context(rows_with(getattr(pipe, encoder), key, used.values()))
            plain = getattr(pipe, tokenizer)
            setattr(pipe, tokenizer, HandTokenizer(plain, prompts, rows))
            stack.callback(setattr, pipe, tokenizer, plain)
        yield pipe


@contextmanager
def rows_with(encoder, key, embeddings):
    """The encoder's table with the embeddings' vectors in unused rows, by name."""
    vectors = {each.name: torch.from_numpy(each.vectors[key].numpy()) for each in embeddings if key in each.vectors}
    total = sum(map(len, vectors.values()))
    free = unused_rows(encoder, total)
    table = encoder.get_input_embeddings().weight
    with torch.no_grad():
        before = table[free].clone()
        rows, start = {each.name: [] for each in embeddings}, 0
        for name, block in vectors.items():
            rows[name] = free[start : start + len(block)]
            table[rows[name]] = block.to(table)
            start += len(block)
        try:
            yield rows
        finally:
            table[free] = before


def outputs(result):
    """The tensors in what `encode_prompt` returns."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [tensor for each in result or () if each is not None for tensor in outputs(each)] if result else []


def assert_same(found, expected, tolerance=1e-5):
    found, expected = outputs(found), outputs(expected)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
