"""What is inside an embedding: its numbers, the words and embeddings near it, pictures and sentences that say so.

For every host alike: nothing here knows a WebUI or ComfyUI.
"""
