"""Bytes to payloads and back: one file per container, told apart by their first bytes."""
