"""Stands in for ComfyUI's module of this name: text encoders whose conditioning is the tokens' own vectors."""

import torch

from . import sd1_clip


class Tokenizers:
    """One tokenizer for each text encoder, as ComfyUI's SDXLTokenizer has them."""

    def __init__(self, **tokenizers):
        self.__dict__.update(tokenizers)

    def tokenize_with_weights(self, text, return_word_ids=False, **options):
        return {
            name.removeprefix("clip_"): each.tokenize_with_weights(text, return_word_ids, **options)
            for name, each in self.__dict__.items()
        }


class _Encoder:
    """A text encoder of which only the token table is there."""

    def __init__(self, width):
        self.transformer = self
        self.table = torch.nn.Embedding(16, width)

    def get_input_embeddings(self):
        return self.table


class _Encoders:
    pass


class CLIP:
    def __init__(self, folders, encoders):
        tokenizers = {
            key: sd1_clip.SDTokenizer(
                embedding_directory=folders, embedding_size=width, embedding_key=key, pad_with_end=key == "clip_l"
            )
            for key, width in encoders.items()
        }
        self.tokenizer = Tokenizers(**tokenizers)
        self.cond_stage_model = _Encoders()
        self.cond_stage_model.__dict__.update({key: _Encoder(width) for key, width in encoders.items()})

    def tokenize(self, text, return_word_ids=False, **options):
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **options)

    def encode_from_tokens_scheduled(self, tokens):
        return [[tokens, {"pooled_output": None}]]
