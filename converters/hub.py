"""Single files of the Hugging Face Hub: its file system lists the whole folder of a file before it reads a byte of it.

Source: huggingface_hub, `hf_file_system.py` and `hf_api.py` (`HfApi.file_exists`).
"""

from __future__ import annotations

import functools
from typing import Any


class FileByFile:
    """The Hub's file system, but for what is asked of a single file, which is asked of that file alone."""

    def __init__(self, store: Any) -> None:
        """Around fsspec's own."""
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """The bytes of a file, from its beginning by one request; raises FileNotFoundError and what the Hub raises."""
        if start:
            return self._store.cat_file(path, start=start, end=end)
        from huggingface_hub.errors import EntryNotFoundError
        from huggingface_hub.hf_file_system import HfFileSystemStreamFile

        address = _address(_file_system().resolve_path(path))
        stream: Any = HfFileSystemStreamFile(_file_system(), path)
        if address is not None:
            stream.url = lambda: address  # its own looks first whether that is a folder
        try:
            with stream:
                return stream.read(-1 if end is None else end)
        except EntryNotFoundError as error:
            raise FileNotFoundError(path) from error

    def exists(self, path: str) -> bool:
        """Whether there is a file; raises what the Hub raises."""
        resolved = _file_system().resolve_path(path)
        if _address(resolved) is None:
            return self._store.exists(path)
        return _file_system()._api.file_exists(  # noqa: SLF001  # it has the token and the address of the file system
            resolved.repo_id, resolved.path_in_repo, repo_type=resolved.repo_type, revision=resolved.revision
        )

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:  # noqa: ARG002
        """Write a file; the Hub cannot be told to write only where nothing is, and fsspec would list the folder."""
        self._store.pipe_file(path, value)


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
