"""The WebUI extension: its tab, its API, and what each host does differently.

`register.py` is what a host calls. `hosts/` has a file for each host; `prompts/` makes embeddings work in its prompts;
`catalogue/` is what the tab shows of files, `actions/` what is done with them, `api/` where both are asked for, and
`asgi/` what that is served with.
"""
