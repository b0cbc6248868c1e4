"""Sample embeddings in an SDXL pipeline: an image without and one with them, and what the prompt uses of them.

`make demo` runs it on a tiny pipeline with random weights and CLIP's real vocabulary; `--model PATH` takes a real one.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import loanword
import samples

OUT = Path(__file__).resolve().parents[1] / "demo-output" / "pipeline"
PROMPT = "a photo of a cat, (neon:1.2), in the style of <cat-toy>, embedding:noen"
STEPS, SIZE = 4, 64


def main() -> int:
    """Make both images and print the report; the exit status says whether the embeddings changed the image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a folder or Hub repository of an SDXL model, instead of the tiny one")
    model = parser.parse_args().model
    OUT.mkdir(parents=True, exist_ok=True)
    pipe = pipeline_of(model)
    files = sample_files()
    plain = picture(pipe, "without.png", small=model is None)
    with loanword.load_textual_inversion(pipe, [str(path) for path in files]) as handle:
        print(f"\nIn {type(pipe).__name__} ({model or 'tiny, random weights'}):\n{handle}")
        print(f"\n{PROMPT!r}\n{loanword.report(pipe, PROMPT)}")
        taught = picture(pipe, "with.png", small=model is None)
    again = picture(pipe, "after.png", small=model is None)
    changed, restored = plain.tobytes() != taught.tobytes(), plain.tobytes() == again.tobytes()
    print(f"\nwithout.png and with.png {'differ' if changed else 'are THE SAME'}, in {OUT}")
    print(f"after unloading the image is {'the first one again' if restored else 'ANOTHER ONE'}")
    return int(not (changed and restored))


def pipeline_of(model: str | None) -> Any:
    """The model's pipeline, or the tiny one."""
    from diffusers import StableDiffusionXLPipeline

    if model is not None:
        return StableDiffusionXLPipeline.from_pretrained(model)
    import tiny_pipelines

    pipe = tiny_pipelines.sdxl()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sample_files() -> list[Path]:
    """Two embeddings for SDXL, as ComfyUI and as pivotal tuning keep them."""
    neon = loanword.Embedding("neon", samples.PAIR)
    toy = loanword.Embedding("<cat-toy>", samples.PAIR)
    files = loanword.write(neon, OUT / "neon.safetensors", target="comfyui", overwrite=True)
    return [*files, *loanword.write(toy, OUT / "cat-toy.safetensors", format="cog-pti", overwrite=True)]


def picture(pipe: Any, name: str, *, small: bool) -> Any:
    """The prompt's image, always from the same noise."""
    import torch

    options = {"height": SIZE, "width": SIZE} if small else {}
    noise = torch.Generator().manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = pipe(PROMPT, num_inference_steps=STEPS, generator=noise, **options).images[0]
    image.save(OUT / name)
    return image


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    sys.exit(main())
