import os

from modules.paths_internal import extensions_dir

extensions = []


class Extension:
    def __init__(self, name, path, enabled=True, is_builtin=False):
        self.name = name
        self.canonical_name = name.lower()
        self.path = path
        self.enabled = enabled
        self.is_builtin = is_builtin

    def list_files(self, subdir, extension):
        from modules import scripts

        folder = os.path.join(self.path, subdir)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return [
            scripts.ScriptFile(self.path, name, os.path.join(folder, name))
            for name in names
            if os.path.splitext(name)[1].lower() == extension and os.path.isfile(os.path.join(folder, name))
        ]


def active():
    return [each for each in extensions if each.enabled]


def list_extensions():
    extensions.clear()
    for name in sorted(os.listdir(extensions_dir)):
        path = os.path.join(extensions_dir, name)
        if os.path.isdir(path):
            extensions.append(Extension(name, path))
