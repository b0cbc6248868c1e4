"""Embeddings for ComfyUI's folders, and models that read prompts."""

import loanword
import samples

SD1 = {"clip_l": 768}
SD2 = {"clip_h": 1024}
SDXL = {"clip_l": 768, "clip_g": 1280}
SD3 = {"clip_l": 768, "clip_g": 1280, "t5xxl": 4096}
FLUX = {"clip_l": 768, "t5xxl": 4096}


def made(name, count=2, *encoders, seed=0):
    """An embedding with so many vectors for CLIP-L, or for the encoders that are named."""
    return loanword.Embedding(name, {key: samples.some(count, key, seed=seed) for key in encoders or ("clip_l",)})


def rows(embedding, key="clip_l"):
    """Its vectors for an encoder, as lists."""
    return embedding.vectors[key].numpy().tolist()
