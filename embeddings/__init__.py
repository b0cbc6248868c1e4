"""What an embedding is. Standard library and numpy only; knows no file format."""
