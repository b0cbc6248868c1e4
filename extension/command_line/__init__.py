"""The `loanword` command: its option types and what it prints. The commands themselves are in `__main__.py`."""
