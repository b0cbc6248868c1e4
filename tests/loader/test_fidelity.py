"""The conditioning is that of the reference worked out by hand: hidden states and pooled output, every pipeline."""

import os
from pathlib import Path

import pytest
import torch
from by_hand import by_hand, embedding, outputs
from loanword import read_all
from loanword.loader.textual_inversion import load_textual_inversion, unload

ENCODERS = {
    "sd1": {"tokenizer": ("text_encoder", "clip_l")},
    "sd2": {"tokenizer": ("text_encoder", "clip_h")},
    "sdxl": {"tokenizer": ("text_encoder", "clip_l"), "tokenizer_2": ("text_encoder_2", "clip_g")},
    "sdxl_refiner": {"tokenizer_2": ("text_encoder_2", "clip_g")},
    "sd3": {
        "tokenizer": ("text_encoder", "clip_l"),
        "tokenizer_2": ("text_encoder_2", "clip_g"),
        "tokenizer_3": ("text_encoder_3", "t5xxl"),
    },
    "flux": {"tokenizer": ("text_encoder", "clip_l"), "tokenizer_2": ("text_encoder_2", "t5xxl")},
}
FORMS = {
    "bare": ("a photo, EasyNegative, best", ["a photo,", "E", ", best"]),
    "other case": ("a photo, EASYnegative here", ["a photo,", "E", "here"]),
    "lower case at the end": ("a photo of easynegative", ["a photo of", "E"]),
    "ComfyUI's": ("a photo, embedding:EasyNegative here", ["a photo,", "E", "here"]),
    "ComfyUI's with suffix": ("embedding:EasyNegative.pt, a photo", ["E", ", a photo"]),
    "ComfyUI's with folder": ("embedding:neg/EasyNegative.safetensors a photo", ["E", "a photo"]),
    "ComfyUI's with weight": ("a cat, (embedding:easynegative:1.2)", ["a cat, (", "E", ":1.2)"]),
    "A1111's with weight": ("a cat, (EasyNegative:1.2), dog", ["a cat, (", "E", ":1.2), dog"]),
    "in angle brackets": ("a photo of <EasyNegative> on a dog", ["a photo of", "E", "on a dog"]),
    "twice": ("EasyNegative EasyNegative a cat", ["E", "E", "a cat"]),
    "beside one it begins": ("easynegativeV2, easynegative, cat", ["E2", ",", "E", ", cat"]),
    "between signs": ("((EasyNegative)), [easynegativev2]!", ["((", "E", ")), [", "E2", "]!"]),
    "over lines": ("a cat\nEasyNegative\ta dog", ["a cat", "E", "a dog"]),
    "alone": ("EasyNegative", ["E"]),
    "not inside a word": ("uneasynegatives, easynegative", ["uneasynegatives,", "E"]),
    "beside its alias": ("a cat, embedding:verybad here", ["a cat,", "E2", "here"]),
}


def loaded_into(pipe, kind):
    keys = tuple(key for _, key in ENCODERS[kind].values())
    found = {
        "E": embedding("EasyNegative", 4, keys),
        "E2": embedding("easynegativev2", 3, keys, aliases=("verybad",)),
    }
    load_textual_inversion(pipe, list(found.values()))
    return found


def prompts_of(found):
    return {prompt: [found.get(part, part) for part in parts] for prompt, parts in FORMS.values()}


def encode(pipe, prompt, negative=None):
    names = pipe.encode_prompt.__code__.co_varnames
    given = {"prompt": prompt, "device": "cpu", "num_images_per_prompt": 1, "prompt_2": None, "prompt_3": None}
    given |= {"negative_prompt": negative, "do_classifier_free_guidance": negative is not None}
    given |= {"max_sequence_length": 77}
    with torch.no_grad():
        return outputs(pipe.encode_prompt(**{name: value for name, value in given.items() if name in names}))


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_way_to_name_an_embedding_gives_the_conditioning_worked_out_by_hand(kind, pipeline_of):
    pipe = pipeline_of(kind)
    found = loaded_into(pipe, kind)
    prompts = prompts_of(found)
    ours, negative = encode(pipe, list(prompts)), encode(pipe, "a photo", "bad, EasyNegative")
    unload(pipe)
    with by_hand(pipe, ENCODERS[kind], {**prompts, "bad, EasyNegative": ["bad,", found["E"]]}):
        reference, negative_reference = encode(pipe, list(prompts)), encode(pipe, "a photo", "bad, EasyNegative")
    assert len(ours) == len(reference) > 0
    for one, other in zip(ours, reference, strict=True):
        assert one.shape == other.shape
        for i, prompt in enumerate(prompts if one.ndim > 2 or len(one) == len(prompts) else ()):
            torch.testing.assert_close(one[i], other[i], rtol=1e-5, atol=1e-5, msg=f"{prompt}")
    for one, other in zip(negative, negative_reference, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


REAL = os.environ.get("LOANWORD_REAL")
FILES = {
    "sd1": ("EasyNegative.safetensors", "EasyNegative.pt", "badhandv4.pt", "bad-artist.pt", "learned_embeds.bin"),
    "sdxl": ("embeddings.pti",),
}


@pytest.mark.skipif(not REAL, reason="LOANWORD_REAL names no folder of real embeddings")
@pytest.mark.parametrize(("kind", "file"), [(kind, file) for kind, files in FILES.items() for file in files])
def test_embeddings_that_people_use_give_the_conditioning_worked_out_by_hand(kind, file, pipeline_of):
    pipe = pipeline_of(kind)
    words = {word.name: word for word in read_all(Path(REAL) / file)}
    load_textual_inversion(pipe, Path(REAL) / file)
    names = list(words)
    prompts = {f"a photo, {name}, best": ["a photo,", words[name], ", best"] for name in names}
    prompts |= {f"({name.upper()}:1.2) here": ["(", words[name], ":1.2) here"] for name in names}
    prompts |= {f"embedding:{name.strip('<>')} {names[0]}": [words[name], words[names[0]]] for name in names}
    ours = encode(pipe, list(prompts))
    unload(pipe)
    with by_hand(pipe, ENCODERS[kind], prompts):
        reference = encode(pipe, list(prompts))
    for one, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
