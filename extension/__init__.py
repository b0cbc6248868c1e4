"""Embeddings in other programs: WebUIs and ComfyUI."""
