"""The loaded checkpoint, as far as an extension looks at it: text encoders with token tables, and no network behind."""

import zlib
from types import SimpleNamespace

import numpy as np

WIDTHS = {"sd1": (768,), "sd2": (1024,), "sdxl": (768, 1280)}
WORDS = ["cat", "dog", "painting", "portrait", "blurry", "hands", "detailed", "watercolour"]


class Rows:
    """A torch tensor, to whoever wants its numbers."""

    def __init__(self, numbers):
        self.numbers = numbers
        self.shape = numbers.shape

    def detach(self):
        return self

    float = cpu = detach

    def numpy(self):
        return self.numbers


class Tokenizer:
    def __init__(self):
        self.ids = {f"{word}</w>": place for place, word in enumerate(WORDS)}

    def get_vocab(self):
        return self.ids


class TextEncoder:
    def __init__(self, width):
        numbers = np.random.default_rng(width).normal(0, 0.02, (len(WORDS), width)).astype(np.float32)
        layer = SimpleNamespace(weight=Rows(numbers))
        self.tokenizer = Tokenizer()
        self.transformer = SimpleNamespace(
            text_model=SimpleNamespace(embeddings=SimpleNamespace(token_embedding=layer))
        )
        self.model = SimpleNamespace(token_embedding=layer)


class Conditioner:
    def __init__(self, widths):
        self.embedders = [TextEncoder(width) for width in widths]
        self.width = sum(widths)

    def tokenize(self, texts):
        return [[zlib.crc32(word.encode()) % 49000 for word in text.lower().split()] or [0] for text in texts]

    def encode_embedding_init_text(self, init_text, nvpt):  # noqa: ARG002
        return np.zeros((nvpt, self.width), np.float32)


class Model:
    def __init__(self, kind):
        self.is_sd1 = kind == "sd1"
        self.is_sd2 = kind == "sd2"
        self.is_sdxl = kind == "sdxl"
        self.is_sd3 = False
        self.cond_stage_model = Conditioner(WIDTHS[kind])


def loaded(kind):
    return None if kind == "none" else Model(kind)
