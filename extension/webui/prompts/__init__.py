"""Making embeddings work in the host's prompts: registering, the words for them, the infotext."""
