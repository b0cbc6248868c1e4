"""Random checkpoints that the real WebUIs load: `python tests/peers/webui_models.py KIND CHECKOUT FOLDER`.

Run by the host's own Python, which has what its model classes need. KIND is one of KINDS. A1111 takes a checkpoint as
small as the configuration beside it says; Forge's kin know models by the size of their U-Nets, so theirs are whole, in
half precision. Text encoders have their real widths, and two layers where the host allows it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

SMALL_UNET = {
    "target": "ldm.modules.diffusionmodules.openaimodel.UNetModel",
    "params": {
        "image_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 32,
        "attention_resolutions": [1],
        "num_res_blocks": 1,
        "channel_mult": [1],
        "num_heads": 2,
        "use_spatial_transformer": True,
        "transformer_depth": 1,
        "context_dim": 768,
        "use_checkpoint": False,
        "legacy": False,
    },
}
SMALL_VAE = {
    "target": "ldm.models.autoencoder.AutoencoderKL",
    "params": {
        "embed_dim": 4,
        "ddconfig": {
            "double_z": True,
            "z_channels": 4,
            "resolution": 256,
            "in_channels": 3,
            "out_ch": 3,
            "ch": 32,
            "ch_mult": [1, 1, 1, 1],
            "num_res_blocks": 1,
            "attn_resolutions": [],
            "dropout": 0.0,
        },
        "lossconfig": {"target": "torch.nn.Identity"},
    },
}
SD1 = {
    "model": {
        "target": "ldm.models.diffusion.ddpm.LatentDiffusion",
        "params": {
            "linear_start": 0.00085,
            "linear_end": 0.012,
            "num_timesteps_cond": 1,
            "timesteps": 1000,
            "first_stage_key": "jpg",
            "cond_stage_key": "txt",
            "image_size": 64,
            "channels": 4,
            "cond_stage_trainable": False,
            "conditioning_key": "crossattn",
            "scale_factor": 0.18215,
            "use_ema": False,
            "unet_config": SMALL_UNET,
            "first_stage_config": SMALL_VAE,
            "cond_stage_config": {"target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder"},
        },
    }
}

SMALL_BIGG = {
    "embed_dim": 1280,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 1280, "heads": 20, "layers": 3},
}
"""OpenCLIP ViT-bigG/14 with the text encoder's real width."""
SMALL_XL_UNET = {
    "target": "sgm.modules.diffusionmodules.openaimodel.UNetModel",
    "params": {
        **{
            key: value
            for key, value in SMALL_UNET["params"].items()
            if key not in ("image_size", "legacy", "num_heads")
        },
        "adm_in_channels": 2816,
        "num_classes": "sequential",
        "num_head_channels": 32,
        "use_linear_in_transformer": True,
        "context_dim": 2048,
        "spatial_transformer_attn_type": "softmax",
    },
}


def embedder(target, key, **params):
    return {
        "is_trainable": False,
        "input_key": key,
        "target": f"sgm.modules.encoders.modules.{target}",
        "params": params,
    }


def sdxl(arch):
    """The configuration of a small SDXL."""
    denoiser = "sgm.modules.diffusionmodules"
    return {
        "model": {
            "target": "sgm.models.diffusion.DiffusionEngine",
            "params": {
                "scale_factor": 0.13025,
                "disable_first_stage_autocast": True,
                "denoiser_config": {
                    "target": f"{denoiser}.denoiser.DiscreteDenoiser",
                    "params": {
                        "num_idx": 1000,
                        "weighting_config": {"target": f"{denoiser}.denoiser_weighting.EpsWeighting"},
                        "scaling_config": {"target": f"{denoiser}.denoiser_scaling.EpsScaling"},
                        "discretization_config": {"target": f"{denoiser}.discretizer.LegacyDDPMDiscretization"},
                    },
                },
                "network_config": SMALL_XL_UNET,
                "conditioner_config": {
                    "target": "sgm.modules.GeneralConditioner",
                    "params": {
                        "emb_models": [
                            embedder("FrozenCLIPEmbedder", "txt", layer="hidden", layer_idx=1),
                            embedder(
                                "FrozenOpenCLIPEmbedder2",
                                "txt",
                                arch=arch,
                                freeze=True,
                                layer="penultimate",
                                always_return_pooled=True,
                                legacy=False,
                            ),
                            *(
                                embedder("ConcatTimestepEmbedderND", key, outdim=256)
                                for key in ("original_size_as_tuple", "crop_coords_top_left", "target_size_as_tuple")
                            ),
                        ]
                    },
                },
                "first_stage_config": {
                    "target": "sgm.models.autoencoder.AutoencoderKLInferenceWrapper",
                    "params": SMALL_VAE["params"],
                },
            },
        }
    }


def known_bigg(folder):
    """Teach this process's open_clip the small bigG; returns what it calls it."""
    import open_clip

    path = Path(folder) / "small-bigG.json"
    path.write_text(json.dumps(SMALL_BIGG))
    open_clip.add_model_config(path)
    return path.stem


def cached_clip(home, layers):
    """OpenAI's CLIP in Hugging Face's cache, configuration and tokenizer only; with few layers, and without weights."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tiny_pipelines import clip_vocabulary

    folder = Path(home) / "hub/models--openai--clip-vit-large-patch14"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True, exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs/main").write_text("0" * 40)
    for name in ("vocab.json", "merges.txt"):
        (snapshot / name).write_bytes((clip_vocabulary() / name).read_bytes())
    text = {
        "model_type": "clip_text_model",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_hidden_layers": layers,
        "max_position_embeddings": 77,
        "vocab_size": 49408,
        "projection_dim": 768,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }
    config = {"model_type": "clip", "projection_dim": 768, "text_config": text, "text_config_dict": text}
    tokenizer = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "do_lower_case": True,
        "add_prefix_space": False,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    for name, content in (("config.json", config), ("tokenizer_config.json", tokenizer)):
        (snapshot / name).write_text(json.dumps(content))


def a1111(checkout, folder):
    """A small SD 1.x, and its configuration beside it."""
    sys.path.insert(0, str(Path(checkout, "repositories/stable-diffusion-stability-ai")))
    import transformers
    from ldm.models.autoencoder import AutoencoderKL
    from ldm.modules.diffusionmodules.openaimodel import UNetModel

    torch.manual_seed(0)
    parts = {
        "model.diffusion_model": UNetModel(**SMALL_UNET["params"]),
        "first_stage_model": AutoencoderKL(**SMALL_VAE["params"]),
        "cond_stage_model.transformer": transformers.CLIPTextModel(
            transformers.CLIPConfig.from_pretrained("openai/clip-vit-large-patch14").text_config
        ),
    }
    save(parts, folder / "small-sd1.safetensors")
    (folder / "small-sd1.yaml").write_text(json.dumps(SD1))


def xl(checkout, folder):
    """A small SDXL, and its configuration beside it."""
    sys.path[:0] = [
        str(Path(checkout, f"repositories/{name}")) for name in ("generative-models", "stable-diffusion-stability-ai")
    ]
    import open_clip
    import transformers
    from ldm.models.autoencoder import AutoencoderKL
    from sgm.modules.diffusionmodules.openaimodel import UNetModel

    torch.manual_seed(1)
    arch = known_bigg(folder)
    bigg = open_clip.create_model(arch)
    del bigg.visual
    parts = {
        "model.diffusion_model": UNetModel(**SMALL_XL_UNET["params"]),
        "first_stage_model": AutoencoderKL(**SMALL_VAE["params"]),
        "conditioner.embedders.0.transformer": transformers.CLIPTextModel(
            transformers.CLIPConfig.from_pretrained("openai/clip-vit-large-patch14").text_config
        ),
        "conditioner.embedders.1.model": bigg,
    }
    save(parts, folder / "small-sdxl.safetensors")
    (folder / "small-sdxl.yaml").write_text(json.dumps(sdxl(arch)))


def whole(checkout, folder):
    """An SD 1.x that Forge and reForge know by the width of its U-Net, not as deep as theirs; made by A1111's code."""
    sys.path.insert(0, str(Path(checkout, "repositories/stable-diffusion-stability-ai")))
    import transformers
    from ldm.models.autoencoder import AutoencoderKL
    from ldm.modules.diffusionmodules.openaimodel import UNetModel

    torch.manual_seed(0)
    wide = {"model_channels": 320, "num_heads": 8, "channel_mult": [1, 1], "attention_resolutions": [1, 2]}
    full = {**SMALL_VAE["params"]["ddconfig"], "ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2}
    parts = {
        "model.diffusion_model": UNetModel(**{**SMALL_UNET["params"], **wide}),
        "first_stage_model": AutoencoderKL(**{**SMALL_VAE["params"], "ddconfig": full}),
        "cond_stage_model.transformer": transformers.CLIPTextModel(
            transformers.CLIPTextConfig(num_attention_heads=12, hidden_size=768, intermediate_size=3072)
        ),
    }
    save(parts, folder / "whole-sd1.safetensors", torch.float16)


def tiny(_checkout, folder):
    """Pipelines of diffusers with real widths, for SD.Next."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import tiny_pipelines

    for name in ("sd1", "sdxl"):
        getattr(tiny_pipelines, name)().save_pretrained(folder / f"tiny-{name}")


def save(parts, path, dtype=torch.float32):
    from safetensors.torch import save_file

    tensors = {
        f"{prefix}.{key}": awake(value).to(dtype) if value.is_floating_point() else value
        for prefix, module in parts.items()
        for key, value in module.state_dict().items()
    }
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)


def awake(value):
    """Random numbers where a model begins with zeros: with those, every prompt would give the same picture."""
    return value if value.any() else torch.randn(value.shape) * 0.02


KINDS = {"a1111": a1111, "whole": whole, "xl": xl, "tiny": tiny}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
