"""The WebUI extension: its tab, its API, and what each host does differently."""
