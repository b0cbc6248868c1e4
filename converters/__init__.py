"""Files to embeddings and back."""
