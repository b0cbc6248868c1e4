"""Stands in for ComfyUI's module of this name, as far as loanword asks it; the contract check compares them."""

import os

folder_names_and_paths = {}
filename_list_cache = {}
output_directory = ""


def set_up(base):
    """Folders below `base`, as ComfyUI has them."""
    global output_directory  # noqa: PLW0603  # as there
    suffixes = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
    for name in ("embeddings", "loras", "checkpoints"):
        folder = os.path.join(base, "models", name)
        os.makedirs(folder, exist_ok=True)
        folder_names_and_paths[name] = ([folder], suffixes)
    output_directory = os.path.join(base, "output")
    os.makedirs(output_directory, exist_ok=True)


def get_folder_paths(folder_name):
    return list(folder_names_and_paths[folder_name][0])


def get_output_directory():
    return output_directory


def get_filename_list(folder_name):
    folders, suffixes = folder_names_and_paths[folder_name]
    found = set()
    for top in folders:
        for folder, _, names in os.walk(top, followlinks=True):
            paths = [os.path.relpath(os.path.join(folder, name), top) for name in names]
            found.update(path for path in paths if os.path.splitext(path)[1].lower() in suffixes)
    return sorted(found)


def get_full_path(folder_name, filename):
    harmless = os.path.relpath(os.path.join("/", filename), "/")
    paths = [os.path.join(folder, harmless) for folder in get_folder_paths(folder_name)]
    return next((path for path in paths if os.path.isfile(path)), None)
