import os

import gradio as gr

from modules import localization, scripts, shared


def webpath(fn):
    return f"file={fn}?{os.path.getmtime(fn)}"


def javascript_html():
    head = f'<script type="text/javascript">{localization.localization_js(shared.opts.localization)}</script>\n'
    head += f'<script type="text/javascript" src="{webpath(os.path.join(shared.script_path, "script.js"))}"></script>\n'
    for script in scripts.list_scripts("javascript", ".js"):
        head += f'<script type="text/javascript" src="{webpath(script.path)}"></script>\n'
    for script in scripts.list_scripts("javascript", ".mjs"):
        head += f'<script type="module" src="{webpath(script.path)}"></script>\n'
    return head


def css_html():
    files = scripts.list_files_with_name("style.css")
    return "".join(f'<link rel="stylesheet" property="stylesheet" href="{webpath(path)}">' for path in files)


def reload_javascript():
    original = shared.GradioTemplateResponseOriginal
    js, css = javascript_html(), css_html()

    def template_response(*args, **kwargs):
        res = original(*args, **kwargs)
        res.body = res.body.replace(b"</head>", f"{js}</head>".encode())
        res.body = res.body.replace(b"</body>", f"{css}</body>".encode())
        res.init_headers()
        return res

    gr.routes.templates.TemplateResponse = template_response


if not hasattr(shared, "GradioTemplateResponseOriginal"):
    shared.GradioTemplateResponseOriginal = gr.routes.templates.TemplateResponse
