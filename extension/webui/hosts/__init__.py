"""One file per WebUI, behind the interface in `host.py`."""
