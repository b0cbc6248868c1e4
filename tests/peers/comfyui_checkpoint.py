"""Write a checkpoint of Stable Diffusion 1.5's shape with random weights and a shallow U-Net, for ComfyUI.

python tests/peers/comfyui_checkpoint.py CHECKOUT FILE
"""

import importlib
import sys

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [1],
    "channel_mult": [1],
    "transformer_depth": [1],
    "transformer_depth_output": [1, 1],
    "transformer_depth_middle": 1,
    "num_heads": 8,
    "use_spatial_transformer": True,
    "context_dim": 768,
    "use_linear_in_transformer": False,
    "legacy": False,
}
VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}


def main(checkout, path):
    """Make the parts as ComfyUI makes them, and fill them with small random numbers."""
    sys.path.insert(0, checkout)
    sys.argv = ["main.py", "--cpu"]
    importlib.import_module("comfy.options").enable_args_parsing()
    import safetensors.torch
    import torch

    torch.manual_seed(0)
    ops = importlib.import_module("comfy.ops").manual_cast
    unet = importlib.import_module("comfy.ldm.modules.diffusionmodules.openaimodel").UNetModel
    vae = importlib.import_module("comfy.ldm.models.autoencoder").AutoencoderKL
    clip = importlib.import_module("comfy.sd1_clip").SD1ClipModel
    parts = {
        "model.diffusion_model.": unet(**UNET, operations=ops, dtype=torch.float32),
        "first_stage_model.": vae(embed_dim=4, ddconfig=VAE),
        "cond_stage_model.": clip(device="cpu", dtype=torch.float32).clip_l,
    }
    weights = {
        prefix + name: filled(name, value).half().contiguous()
        for prefix, module in parts.items()
        for name, value in module.state_dict().items()
        if name not in ("logit_scale", "transformer.text_projection.weight")
    }
    safetensors.torch.save_file(weights, path)


def filled(name, value):
    """Ones for norms, zeros for biases, noise that keeps its size for all else."""
    import torch

    if value.ndim == 1:
        return torch.zeros(value.shape) if name.endswith("bias") else torch.ones(value.shape)
    return torch.randn(value.shape) * (0.02 if value.ndim == 2 else value[0].numel() ** -0.5)


if __name__ == "__main__":
    main(*sys.argv[1:3])
