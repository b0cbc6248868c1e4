# ruff: noqa: ARG001  # the signatures are the hosts'
import json
import os

from modules import scripts

localizations = {}


def list_localizations(dirname):
    localizations.clear()
    for file in scripts.list_scripts("localizations", ".json"):
        localizations.setdefault(os.path.splitext(file.filename)[0], []).append(file.path)


def localization_js(current_localization_name):
    data = {}
    for path in localizations.get(current_localization_name, []):
        with open(path, encoding="utf8") as file:
            data.update(json.load(file))
    return f"window.localization = {json.dumps(data)}"
