from typing import Any, NamedTuple

from modules import errors

callback_map = {}


class ScriptCallback(NamedTuple):
    callback: Any
    name: str


class ImageSaveParams:
    def __init__(self, image, p, filename, pnginfo):
        self.image = image
        self.p = p
        self.filename = filename
        self.pnginfo = pnginfo


def add_callback(callbacks, fun, *, name=None, category="unknown", filename=None):  # noqa: ARG001
    callbacks.append(ScriptCallback(fun, name or category))


def clear_callbacks():
    callback_map.clear()


def _add(category, callback, name):
    add_callback(callback_map.setdefault(f"callbacks_{category}", []), callback, name=name, category=category)


def _call(category, *args):
    results = []
    for each in callback_map.get(f"callbacks_{category}", []):
        try:
            results.append(each.callback(*args))
        except Exception:  # noqa: BLE001  # an extension never stops its host
            errors.report(f"Error executing callback {category}", exc_info=True)
    return results


def app_started_callback(demo, app):
    _call("app_started", demo, app)


def model_loaded_callback(sd_model):
    _call("model_loaded", sd_model)


def ui_tabs_callback():
    return [tab for tabs in _call("ui_tabs") for tab in tabs or []]


def ui_settings_callback():
    _call("ui_settings")


def before_ui_callback():
    _call("before_ui")


def script_unloaded_callback():
    _call("script_unloaded")


def image_saved_callback(params):
    _call("image_saved", params)


def on_app_started(callback, *, name=None):
    _add("app_started", callback, name)


def on_model_loaded(callback, *, name=None):
    _add("model_loaded", callback, name)


def on_ui_tabs(callback, *, name=None):
    _add("ui_tabs", callback, name)


def on_ui_settings(callback, *, name=None):
    _add("ui_settings", callback, name)


def on_before_ui(callback, *, name=None):
    _add("before_ui", callback, name)


def on_script_unloaded(callback, *, name=None):
    _add("script_unloaded", callback, name)


def on_image_saved(callback, *, name=None):
    _add("image_saved", callback, name)
