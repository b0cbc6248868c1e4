"""Paths of what is to be read: local files and folders, and files of repositories on the Hugging Face Hub.

Source: diffusers 0.42, `utils/hub_utils.py`, `_get_model_file`, and `loaders/textual_inversion.py`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from ..embeddings.errors import Unreadable

USUAL_FILES = ("learned_embeds.safetensors", "learned_embeds.bin")
_REPOSITORY = re.compile(r"\w[\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class HubOptions:
    """Which file of a repository or folder, and how to fetch it; the names are diffusers'."""

    weight_name: str | None = None
    subfolder: str | None = None
    revision: str | None = None
    variant: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    force_download: bool = False
    local_files_only: bool | None = None
    proxies: dict[str, str] | None = None
    hf_token: str | bool | None = None
    use_safetensors: bool | None = None


def local_path(source: str | os.PathLike[str], options: HubOptions) -> str:
    """The file or folder that `source` means, downloaded where it is a repository; raises Unreadable."""
    path = os.fspath(source)
    if os.path.isdir(path):
        return _in_folder(path, options)
    if (
        os.path.exists(path)
        or not _REPOSITORY.fullmatch(path)
        or os.path.splitext(path)[1] in (".pt", ".bin", ".safetensors")
    ):
        return path
    return _download(path, options)


def _file_names(options: HubOptions) -> list[str]:
    if options.weight_name:
        return [options.weight_name]
    names = [
        name for name in USUAL_FILES if options.use_safetensors is None or (".safe" in name) == options.use_safetensors
    ]
    return [_with_variant(name, options.variant) for name in names]


def _with_variant(name: str, variant: str | None) -> str:
    stem, suffix = os.path.splitext(name)
    return f"{stem}.{variant}{suffix}" if variant else name


def _in_folder(folder: str, options: HubOptions) -> str:
    """The folder itself, or the one file of it that was asked for."""
    inner = os.path.join(folder, options.subfolder) if options.subfolder else folder
    if not (options.weight_name or options.variant):
        return inner
    candidates = [os.path.join(each, name) for each in (inner, folder) for name in _file_names(options)]
    for candidate in candidates:
        if os.path.isfile(candidate):
            return candidate
    raise Unreadable(f"has no file {_file_names(options)[0]!r}; look into the folder for its name", folder)


def _download(repository: str, options: HubOptions) -> str:
    from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]  # its progress bar's
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    arguments: dict[str, Any] = {
        "subfolder": options.subfolder,
        "revision": options.revision,
        "cache_dir": options.cache_dir,
        "force_download": options.force_download,
        "local_files_only": bool(options.local_files_only),
        "token": options.hf_token,
        **({"proxies": options.proxies} if options.proxies else {}),
    }
    missing = ""
    for name in _file_names(options):
        try:
            return hf_hub_download(repository, name, **arguments)  # pyright: ignore[reportUnknownVariableType]
        except LocalEntryNotFoundError:
            missing = f"{name!r} is not in the cache, and the Hub cannot be reached; go online once, or pass a path"
        except EntryNotFoundError:
            missing = missing or f"has no file {name!r}; pass weight_name= with the name of its embedding file"
        except RevisionNotFoundError:
            missing = f"has no revision {options.revision!r}; look at its page for branches and tags"
            break
        except RepositoryNotFoundError:
            missing = (
                "is neither a local path nor a repository on the Hub that you may read; check it, or pass hf_token="
            )
            break
        except HFValidationError:
            missing = "is neither a local path nor a possible name of a repository; check the path"
            break
        except OSError as error:
            raise Unreadable(f"could not be fetched from the Hub ({error}); try again", repository) from error
    raise Unreadable(missing, repository)
