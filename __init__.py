"""loanword: textual-inversion embeddings, read and written for every program, and loaded into diffusers."""

__version__ = "0.1.0"
