"""SD.Next, which puts embeddings into the tokenizers and text encoders of the loaded model itself."""

from __future__ import annotations

from .a1111 import A1111


class SDNext(A1111):
    """Vladimir Mandic's SD.Next."""

    key = "sdnext"
    title = "SD.Next"
    target = "sdnext"
