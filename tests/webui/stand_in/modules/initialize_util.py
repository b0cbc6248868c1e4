from modules.shared_cmd_options import cmd_opts


def get_gradio_auth_creds():
    for pair in (cmd_opts.gradio_auth or "").split(","):
        if pair:
            yield tuple(pair.split(":", 1))


def setup_middleware(app):
    from starlette.middleware.gzip import GZipMiddleware

    app.middleware_stack = None
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.build_middleware_stack()
