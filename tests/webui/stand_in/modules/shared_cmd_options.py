import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("--data-dir", default=os.getcwd())
parser.add_argument("--embeddings-dir", default=None)
parser.add_argument("--lora-dir", default=None)
parser.add_argument("--port", type=int, default=None)
parser.add_argument("--server-name", default=None)
parser.add_argument("--listen", action="store_true")
parser.add_argument("--share", action="store_true")
parser.add_argument("--subpath", default=None)
parser.add_argument("--api", action="store_true")
parser.add_argument("--api-auth", default=None)
parser.add_argument("--gradio-auth", default=None)
parser.add_argument("--gradio-auth-path", default=None)
parser.add_argument("--gradio-allowed-path", action="append", default=[])
parser.add_argument("--theme", default=None)
parser.add_argument("--localization", default="None", help="of the stand-in: the setting of that name")
parser.add_argument("--model", choices=("none", "sd1", "sd2", "sdxl"), default="sd1", help="of the stand-in")

cmd_opts = parser.parse_args()
cmd_opts.embeddings_dir = cmd_opts.embeddings_dir or os.path.join(cmd_opts.data_dir, "embeddings")
cmd_opts.lora_dir = cmd_opts.lora_dir or os.path.join(cmd_opts.data_dir, "models", "Lora")
