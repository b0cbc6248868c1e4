"""Starts the small WebUI: extensions, page, server and callbacks in the order in which the hosts have them."""

import mimetypes
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
mimetypes.add_type("application/javascript", ".js")

from modules import extensions, initialize_util, localization, script_callbacks, scripts, sd_hijack, shared, ui  # noqa: E402
from modules.paths_internal import extensions_dir  # noqa: E402


def pairs(text):
    return [tuple(pair.split(":", 1)) for pair in (text or "").split(",") if pair] or None


def main():
    sys.modules.update(dict.fromkeys(shared.cmd_opts.without))
    extensions.list_extensions()
    scripts.load_scripts()
    localization.list_localizations("localizations")
    sd_hijack.model_hijack.embedding_db.load_textual_inversion_embeddings()
    if shared.sd_model is not None:
        script_callbacks.model_loaded_callback(shared.sd_model)
    script_callbacks.ui_settings_callback()
    script_callbacks.before_ui_callback()
    shared.demo = ui.create_ui()
    shared.demo.queue()
    app, url, _ = shared.demo.launch(
        server_name=shared.cmd_opts.server_name or "127.0.0.1",
        server_port=shared.cmd_opts.port,
        auth=pairs(shared.cmd_opts.gradio_auth),
        prevent_thread_lock=True,
        quiet=True,
        allowed_paths=[os.path.realpath(extensions_dir), shared.script_path, *shared.cmd_opts.gradio_allowed_path],
        app_kwargs={"docs_url": "/docs", "redoc_url": "/redoc"},
    )
    # The hosts take Gradio's open cross-origin rules away, and rebuild the middleware.
    app.user_middleware = [each for each in app.user_middleware if each.cls.__name__ != "CORSMiddleware"]
    initialize_util.setup_middleware(app)
    script_callbacks.app_started_callback(shared.demo, app)
    sys.stdout.write(f"ready {url}\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
