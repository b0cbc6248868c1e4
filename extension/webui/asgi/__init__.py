"""Serving JSON to browsers and scripts, strictly: what the API is built on, which knows nothing of embeddings."""
