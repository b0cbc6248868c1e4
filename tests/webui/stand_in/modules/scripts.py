import inspect
import os
import sys
from collections import namedtuple

from modules import errors, extensions, paths, script_callbacks, script_loading

AlwaysVisible = object()
ScriptFile = namedtuple("ScriptFile", ["basedir", "filename", "path"])
ScriptClassData = namedtuple("ScriptClassData", ["script_class", "path", "basedir", "module"])

scripts_data = []
current_basedir = paths.script_path


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

    def show(self, is_img2img):
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
    found = []
    root = os.path.join(paths.script_path, scriptdirname)
    for name in sorted(os.listdir(root)) if os.path.isdir(root) else []:
        if os.path.splitext(name)[1].lower() == extension:
            found.append(ScriptFile(paths.script_path, name, os.path.join(root, name)))
    if include_extensions:
        for each in extensions.active():
            found += each.list_files(scriptdirname, extension)
    return found


def list_files_with_name(filename):
    folders = [paths.script_path, *(each.path for each in extensions.active())]
    paths_of_name = [os.path.join(folder, filename) for folder in folders]
    return [path for path in paths_of_name if os.path.isfile(path)]


def load_scripts():
    global current_basedir
    scripts_data.clear()
    script_callbacks.clear_callbacks()
    before = sys.path
    for file in list_scripts("scripts", ".py"):
        try:
            sys.path = [file.basedir, *before]
            current_basedir = file.basedir
            module = script_loading.load_module(file.path)
            for each in vars(module).values():
                if inspect.isclass(each) and issubclass(each, Script) and each is not Script:
                    scripts_data.append(ScriptClassData(each, file.path, file.basedir, module))
        except Exception:
            errors.report(f"Error loading script: {file.filename}", exc_info=True)
        finally:
            sys.path = before
            current_basedir = paths.script_path


reload_scripts = load_scripts
