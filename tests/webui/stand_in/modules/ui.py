import gradio as gr

from modules import processing, script_callbacks, shared, ui_gradio_extensions


def _generate(prompt, negative_prompt):
    p = processing.StableDiffusionProcessing(prompt, negative_prompt)
    return processing.process_images(p).images[0], prompt, negative_prompt


def _create_prompts(id_part):
    """The two prompts, and what the server got of them when something was generated last."""
    prompts, heard = [], []
    with gr.Blocks(analytics_enabled=False) as interface, gr.Column():
        for key, label in ((f"{id_part}_prompt", "Prompt"), (f"{id_part}_neg_prompt", "Negative prompt")):
            prompts.append(gr.Textbox(label=label, elem_id=key, show_label=False, lines=3, elem_classes=["prompt"]))
            heard.append(gr.Textbox(label=f"{label} as the server got it", elem_id=f"{key}_heard", interactive=False))
        picture = gr.Image(elem_id=f"{id_part}_gallery", type="pil", interactive=False)
        generate = gr.Button("Generate", elem_id=f"{id_part}_generate")
        generate.click(_generate, inputs=prompts, outputs=[picture, *heard], show_progress="hidden")
    return interface


def update_token_counter(text, steps, styles, *, is_positive=True):  # noqa: ARG001  # the signature is the hosts'
    """Where a word is a token, and a prompt that says so has none yet."""
    words = len(text.split())
    shown = "?/?" if text == "not yet" else f"{words}/{75 * max(1, -(-words // 75))}"
    return f"<span class='gr-box gr-text-input'>{shown}</span>"


def create_ui():
    ui_gradio_extensions.reload_javascript()
    interfaces = [
        (_create_prompts("txt2img"), "txt2img", "txt2img"),
        (_create_prompts("img2img"), "img2img", "img2img"),
    ]
    interfaces += script_callbacks.ui_tabs_callback()
    shared.tab_names = [label for _, label, _ in interfaces]
    page = gr.Blocks(theme=shared.gradio_theme, analytics_enabled=False, title="Stable Diffusion")
    with page as demo, gr.Tabs(elem_id="tabs"):
        for interface, label, key in interfaces:
            with gr.TabItem(label, id=key, elem_id=f"tab_{key}"):
                interface.render()
    return demo
