"""The commands, a file each or for two that belong together; `__main__.py` lists them."""
