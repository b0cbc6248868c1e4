"""Pipelines that nothing in loanword knows by name: their text encoders say what they are."""

import inspect

import pytest
import tiny_other_pipelines
import torch
from by_hand import by_hand, embedding, outputs
from loanword.loader.encoder_slots import slots_of
from loanword.loader.textual_inversion import load_textual_inversion, loaded, unload

KEYS = {
    "pixart": ["t5xxl"],
    "chroma": ["t5xxl"],
    "auraflow": ["pile_t5xl"],
    "wan": ["umt5xxl"],
    "cosmos": ["t5_11b"],
    "sana": ["gemma2_2b"],
    "lumina2": ["gemma2_2b"],
    "hidream": ["clip_l", "clip_g", "t5xxl", "llama"],
    "qwen_image": ["qwen25_7b"],
    "z_image": ["qwen3_4b"],
    "ovis": ["qwen3_2b"],
    "flux2_klein": ["qwen3_4b"],
    "kandinsky_prior": ["clip_g"],
    "cascade_prior": ["clip_g"],
    "hunyuan_video": ["llama", "clip_l"],
}
SANA = [
    "Given a user prompt, generate an 'Enhanced prompt' that provides detailed visual descriptions.",
    "- If the prompt is simple, focus on adding specifics about colors and style. User Prompt: ",
]
OPTIONS = {
    "flux2_klein": {"text_encoder_out_layers": (1, 2, 3)},
    "cascade_prior": {"batch_size": 1},
    "ovis": {"max_sequence_length": 512},
    "sana": {"max_sequence_length": 256, "complex_human_instruction": SANA},
    "qwen_image": {"max_sequence_length": 512},
    "lumina2": {"max_sequence_length": 256},
}
PROMPT = "a photo of easynegative here"
"""In lower case, as some of them make it."""


def encode(kind, pipe):
    method = getattr(pipe, "encode_prompt", None) or pipe._encode_prompt
    names = inspect.signature(method).parameters
    given = {"prompt": PROMPT, "device": "cpu", "dtype": torch.float32, "max_sequence_length": 64}
    given |= {"num_images_per_prompt": 1, "num_videos_per_prompt": 1, "do_classifier_free_guidance": False}
    given |= dict.fromkeys(("prompt_2", "prompt_3", "prompt_4"), PROMPT) | OPTIONS.get(kind, {})
    with torch.no_grad():
        return outputs(method(**{name: value for name, value in given.items() if name in names}))


@pytest.mark.parametrize("kind", ["qwen_image", "z_image", "ovis", "lumina2", "sana", "hunyuan_video", "flux2_klein"])
@pytest.mark.filterwarnings("ignore")
def test_words_of_a_pipelines_own_template_are_no_names(kind):
    try:
        pipe = tiny_other_pipelines.BUILDERS[kind]()
    except (AttributeError, ImportError, TypeError) as error:
        pytest.skip(f"not in these versions of the libraries: {error}")
    plain = encode(kind, pipe)
    words = ["image", "video", "system", "user", "assistant", "color", "You", "Describe", "the", "prompt", "style"]
    load_textual_inversion(pipe, [embedding(word, 2, KEYS[kind], seed=i) for i, word in enumerate(words)])
    for one, other in zip(encode(kind, pipe), plain, strict=True):
        assert torch.equal(one, other)
    load_textual_inversion(pipe, embedding("photo", 2, KEYS[kind]))
    assert any(
        one.shape != other.shape or not torch.equal(one, other)
        for one, other in zip(encode(kind, pipe), plain, strict=True)
    )


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.filterwarnings("ignore")
def test_an_embedding_reaches_the_encoders_of_any_pipeline(kind):
    try:
        pipe = tiny_other_pipelines.BUILDERS[kind]()
    except (AttributeError, ImportError, TypeError) as error:
        pytest.skip(f"not in these versions of the libraries: {error}")
    slots = slots_of(pipe)
    assert [slot.key for slot in slots] == KEYS[kind]
    word = embedding("EasyNegative", 3, KEYS[kind])
    plain = encode(kind, pipe)
    load_textual_inversion(pipe, word)
    assert [each.vectors for each in loaded(pipe)] == [dict.fromkeys(KEYS[kind], 3)]
    ours = encode(kind, pipe)
    unload(pipe)
    parts = {slot.component.replace("text_encoder", "tokenizer"): (slot.component, slot.key) for slot in slots}
    with by_hand(pipe, parts, {PROMPT: ["a photo of", word, " here"]}):
        reference = encode(kind, pipe)
    for one, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert any(one.shape != other.shape or not torch.equal(one, other) for one, other in zip(ours, plain, strict=True))
    for one, other in zip(encode(kind, pipe), plain, strict=True):
        assert torch.equal(one, other)
