import inspect
import os
import sys
from typing import Any, NamedTuple

from modules import errors, extensions, paths, script_callbacks, script_loading

AlwaysVisible = object()

scripts_data = []
current_basedir = paths.script_path


class ScriptFile(NamedTuple):
    basedir: str
    filename: str
    path: str


class ScriptClassData(NamedTuple):
    script_class: type
    path: str
    basedir: str
    module: Any


class Script:
    name = None
    section = None
    filename = None
    is_txt2img = False
    is_img2img = False
    alwayson = False

    def title(self):
        raise NotImplementedError

    def ui(self, is_img2img):
        pass

    def show(self, is_img2img):  # noqa: ARG002
        return True

    def process(self, p, *args):
        pass

    def after_extra_networks_activate(self, p, *args, **kwargs):
        pass

    def postprocess(self, p, processed, *args):
        pass


def basedir():
    return current_basedir


def list_scripts(scriptdirname, extension, *, include_extensions=True):
    root = os.path.join(paths.script_path, scriptdirname)
    names = sorted(os.listdir(root)) if os.path.isdir(root) else []
    found = [
        ScriptFile(paths.script_path, name, os.path.join(root, name))
        for name in names
        if os.path.splitext(name)[1].lower() == extension
    ]
    if include_extensions:
        for each in extensions.active():
            found += each.list_files(scriptdirname, extension)
    return found


def list_files_with_name(filename):
    folders = [paths.script_path, *(each.path for each in extensions.active())]
    paths_of_name = [os.path.join(folder, filename) for folder in folders]
    return [path for path in paths_of_name if os.path.isfile(path)]


def load_scripts():
    global current_basedir  # noqa: PLW0603  # so it is in the hosts
    scripts_data.clear()
    script_callbacks.clear_callbacks()
    before = sys.path
    for file in list_scripts("scripts", ".py"):
        try:
            sys.path = [file.basedir, *before]
            current_basedir = file.basedir
            module = script_loading.load_module(file.path)
            scripts_data.extend(
                ScriptClassData(each, file.path, file.basedir, module)
                for each in vars(module).values()
                if inspect.isclass(each) and issubclass(each, Script) and each is not Script
            )
        except Exception:  # noqa: BLE001  # an extension never stops its host
            errors.report(f"Error loading script: {file.filename}", exc_info=True)
        finally:
            sys.path = before
            current_basedir = paths.script_path


reload_scripts = load_scripts
