"""A workflow with an embedding, as ComfyUI's editor keeps it and as its API takes it.

One table of nodes gives both. Source: ComfyUI 0.3.64, POST /prompt in `server.py`; the editor's format is version 0.4
of `comfyWorkflowSchema` in ComfyUI_frontend.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from ...converters.atomic import write_atomic
from ...converters.writing import check_same

EMBEDDING, CHECKPOINT = "porsche911_ti", "v1-5-pruned-emaonly-fp16.safetensors"
"""What the examples name: anyone's own take their place."""
_POSITIVE, _NEGATIVE = "a photo of {}, on a mountain road, golden hour", "blurry, low quality"


@dataclass(frozen=True)
class Slot:
    """An output of a node, by the node's number."""

    node: int
    output: int


@dataclass(frozen=True)
class Step:
    """A node of the workflow: what it is given from others, what its widgets say, and what it gives."""

    kind: str
    title: str
    place: tuple[int, int]
    size: tuple[int, int]
    links: dict[str, Slot] = field(default_factory=dict[str, Slot])
    widgets: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: tuple[tuple[str, str], ...] = ()
    """Name and type of each."""
    only_in_editor: tuple[str, ...] = ()
    """Widgets that the API does not know."""


def workflow(
    embedding: str = EMBEDDING, checkpoint: str = CHECKPOINT, *, node: bool = False, api: bool = False
) -> dict[str, Any]:
    """Load a checkpoint, encode a prompt with the embedding, sample, save: for Stable Diffusion 1.5.

    `node`: with the node *Embedding prompt* in place of *CLIP Text Encode*. `api`: as POST /prompt takes it.
    """
    steps = _steps(embedding, checkpoint, node=node)
    return _for_api(steps) if api else _for_editor(steps)


def write_workflow(made: dict[str, Any], path: str, *, overwrite: bool = False) -> None:
    """Write a workflow to a file; raises CannotWrite where there is one already."""
    content = json.dumps(made, indent=2).encode() + b"\n"
    write_atomic(path, content, overwrite=overwrite, check=partial(check_same, content))


def name_in_prompt(embedding: str) -> str:
    """An embedding's name as ComfyUI's prompts have it, its parentheses no weights."""
    return without_weights(f"embedding:{embedding.removeprefix('embedding:')}")


def without_weights(text: str) -> str:
    """`text` in a prompt, its parentheses no weights."""
    return re.sub(r"([()])", r"\\\1", text)


def _steps(embedding: str, checkpoint: str, *, node: bool) -> dict[int, Step]:
    text = _POSITIVE.format(name_in_prompt(embedding))
    prompt = _embedding_prompt(text) if node else _text_encode("Prompt", text, (460, 140))
    steps = {
        1: Step(
            "CheckpointLoaderSimple",
            "Load Checkpoint",
            (40, 220),
            (340, 100),
            widgets={"ckpt_name": checkpoint},
            outputs=(("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE")),
        ),
        2: prompt,
        3: _text_encode("Negative prompt", _NEGATIVE, (460, 480)),
        4: Step(
            "EmptyLatentImage",
            "Empty Latent Image",
            (460, 720),
            (420, 110),
            widgets={"width": 512, "height": 512, "batch_size": 1},
            outputs=(("LATENT", "LATENT"),),
        ),
        5: Step(
            "KSampler",
            "KSampler",
            (960, 140),
            (320, 270),
            links={"model": Slot(1, 0), "positive": Slot(2, 0), "negative": Slot(3, 0), "latent_image": Slot(4, 0)},
            widgets={
                "seed": 911,
                "control_after_generate": "randomize",
                "steps": 20,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
            },
            outputs=(("LATENT", "LATENT"),),
            only_in_editor=("control_after_generate",),
        ),
        6: Step(
            "VAEDecode",
            "VAE Decode",
            (1340, 140),
            (220, 60),
            links={"samples": Slot(5, 0), "vae": Slot(1, 2)},
            outputs=(("IMAGE", "IMAGE"),),
        ),
        7: Step(
            "SaveImage",
            "Save Image",
            (1340, 260),
            (420, 460),
            links={"images": Slot(6, 0)},
            widgets={"filename_prefix": "embedding"},
        ),
    }
    if node:
        steps[8] = Step("PreviewAny", "Report", (960, 480), (320, 180), links={"source": Slot(2, 1)})
    return steps


def _text_encode(title: str, text: str, place: tuple[int, int]) -> Step:
    return Step(
        "CLIPTextEncode",
        title,
        place,
        (420, 180),
        links={"clip": Slot(1, 1)},
        widgets={"text": text},
        outputs=(("CONDITIONING", "CONDITIONING"),),
    )


def _embedding_prompt(text: str) -> Step:
    return Step(
        "LoanwordEmbeddingPrompt",
        "Embedding prompt",
        (460, 140),
        (420, 260),
        links={"clip": Slot(1, 1)},
        widgets={"text": text, "syntax": "automatic"},
        outputs=(("conditioning", "CONDITIONING"), ("report", "STRING")),
    )


def _for_api(steps: dict[int, Step]) -> dict[str, Any]:
    return {
        str(number): {
            "class_type": step.kind,
            "inputs": {
                **{name: value for name, value in step.widgets.items() if name not in step.only_in_editor},
                **{name: [str(slot.node), slot.output] for name, slot in step.links.items()},
            },
            "_meta": {"title": step.title},
        }
        for number, step in steps.items()
    }


def _for_editor(steps: dict[int, Step]) -> dict[str, Any]:
    links = _links(steps)
    return {
        "last_node_id": max(steps),
        "last_link_id": len(links),
        "nodes": [_editor_node(number, step, links) for number, step in steps.items()],
        "links": [[each.number, each.start.node, each.start.output, each.end, each.input, each.kind] for each in links],
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


class _Link(NamedTuple):
    """From an output to an input, which is the one in place `input` of the node `end`."""

    number: int
    kind: str
    start: Slot
    end: int
    input: int


def _links(steps: dict[int, Step]) -> list[_Link]:
    ends = [
        (slot, number, position) for number, step in steps.items() for position, slot in enumerate(step.links.values())
    ]
    return [
        _Link(link, steps[slot.node].outputs[slot.output][1], slot, number, position)
        for link, (slot, number, position) in enumerate(ends, start=1)
    ]


def _editor_node(number: int, step: Step, links: list[_Link]) -> dict[str, Any]:
    arriving = [each for each in links if each.end == number]
    return {
        "id": number,
        "type": step.kind,
        "title": step.title,
        "pos": list(step.place),
        "size": list(step.size),
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [
            {"name": name, "type": link.kind, "link": link.number}
            for name, link in zip(step.links, arriving, strict=True)
        ],
        "outputs": [
            {
                "name": name,
                "type": kind,
                "links": [each.number for each in links if each.start == Slot(number, output)],
                "slot_index": output,
            }
            for output, (name, kind) in enumerate(step.outputs)
        ],
        "properties": {"Node name for S&R": step.kind},
        "widgets_values": list(step.widgets.values()),
    }
