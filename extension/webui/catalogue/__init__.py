"""The embeddings of the host's folders as the tab shows them, with what users write about them."""
