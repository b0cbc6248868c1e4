import gradio as gr

from modules import options, sd_models, shared_cmd_options
from modules.paths_internal import data_path, models_path, script_path

__all__ = ["OptionInfo", "cmd_opts", "data_path", "demo", "models_path", "opts", "script_path", "sd_model"]

cmd_opts = shared_cmd_options.cmd_opts
options_section = options.options_section
OptionInfo = options.OptionInfo

options_templates = {
    "localization": OptionInfo("None", "Localization"),
    "extra_networks_add_text_separator": OptionInfo(" ", "Extra networks separator"),
    "samples_format": OptionInfo("png", "File format for images"),
    "textual_inversion_print_at_load": OptionInfo(False, "Print a list of Textual Inversion embeddings"),
}
opts = options.Options(options_templates, set())
opts.data.update(each.split("=", 1) for each in cmd_opts.setting)

demo = None
gradio_theme = gr.themes.Default(
    font=["Source Sans Pro", "ui-sans-serif", "system-ui", "sans-serif"],
    font_mono=["IBM Plex Mono", "ui-monospace", "Consolas", "monospace"],
)
sd_model = sd_models.model_data.sd_model
tab_names = []
