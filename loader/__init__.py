"""Embeddings into diffusers pipelines."""
