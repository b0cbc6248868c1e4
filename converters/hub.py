"""Single files of the Hugging Face Hub: its file system lists the whole folder of a file before it reads a byte of it.

Source: huggingface_hub, `hf_file_system.py` and `hf_api.py` (`HfApi.file_exists`).
"""

from __future__ import annotations

import functools
from typing import Any


def beginning(path: str, most: int) -> bytes:
    """The first bytes of a file, `most` at most, by one request; raises FileNotFoundError and what the Hub raises."""
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.hf_file_system import HfFileSystemStreamFile

    address = _address(_file_system().resolve_path(path))
    stream: Any = HfFileSystemStreamFile(_file_system(), path)
    if address is not None:
        stream.url = lambda: address  # its own looks first whether that is a folder
    try:
        with stream:
            return stream.read(most)
    except EntryNotFoundError as error:
        raise FileNotFoundError(path) from error


def exists(path: str) -> bool:
    """Whether there is a file; raises what the Hub raises."""
    store = _file_system()
    resolved = store.resolve_path(path)
    if _address(resolved) is None:
        return bool(store.exists(path))
    return bool(
        store._api.file_exists(  # noqa: SLF001  # it has the token and the address of the file system
            resolved.repo_id, resolved.path_in_repo, repo_type=resolved.repo_type, revision=resolved.revision
        )
    )


@functools.cache
def _file_system() -> Any:
    """One for all threads: each new one would ask again whether the repository exists."""
    from huggingface_hub import HfFileSystem

    return HfFileSystem()


def _address(resolved: Any) -> str | None:
    """Where a file of a repository is; None for one of a bucket, of which older versions know nothing."""
    from huggingface_hub import hf_hub_url

    if not hasattr(resolved, "repo_id"):
        return None
    return hf_hub_url(
        resolved.repo_id,
        resolved.path_in_repo,
        repo_type=resolved.repo_type,
        revision=resolved.revision,
        endpoint=_file_system().endpoint,
    )
