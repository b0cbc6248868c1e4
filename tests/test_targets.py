"""Each program's row: what it is given, and what it is refused, with the reason."""

import numpy as np
import pytest
from loanword.converters.targets import TARGETS, target_named
from loanword.converters.writing import render
from loanword.embeddings.embedding import Embedding, Vectors
from loanword.embeddings.errors import CannotWrite, UnknownName
from loanword.embeddings.text_encoders import TEXT_ENCODERS


def embedding(*encoders, name="word", count=2, dtype="float32", **fields):
    rng = np.random.default_rng(7)
    made = {
        key: Vectors.from_numpy(rng.normal(size=(count, TEXT_ENCODERS[key].width)).astype("float32"), dtype)
        for key in encoders
    }
    return Embedding(name, made, **fields)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("encoder", ["clip_l", "clip_h"])
def test_every_program_takes_embeddings_of_stable_diffusion_1_and_2(target, encoder):
    (file,) = render(embedding(encoder), target=target)
    assert file.name == "word.safetensors"


@pytest.mark.parametrize("target", [key for key in TARGETS if key not in ("stable-diffusion-cpp", "diffusers")])
def test_sdxl_goes_into_one_file_with_both_encoders(target):
    (file,) = render(embedding("clip_l", "clip_g"), target=target)
    assert file.name == "word.safetensors"


def test_diffusers_is_given_one_file_per_encoder_in_the_pipelines_order():
    files = render(embedding("clip_l", "clip_g", name="<cat-toy>"), target="diffusers")
    assert [file.name for file in files] == ["cat-toy.safetensors", "cat-toy_2.safetensors"]
    assert [list(file.embeddings[0].vectors) for file in files] == [["clip_l"], ["clip_g"]]


@pytest.mark.parametrize(
    ("target", "encoders", "reason"),
    [
        ("a1111", ("clip_l", "t5xxl"), "T5-v1.1-XXL"),
        ("forge", ("clip_l", "clip_g", "t5xxl"), "SDXL only"),
        ("invokeai", ("t5xxl",), "SDXL only"),
        ("stable-diffusion-cpp", ("clip_l", "clip_g"), "mixes up the two encoders"),
        ("diffusers", ("clip_l", "clip_g", "t5xxl"), "load_textual_inversion has no such limit"),
        ("comfyui", ("gemma2_2b",), "looks up no embeddings"),
        ("sdnext", ("clip_g",), "SDXL only"),
    ],
)
def test_what_a_program_cannot_take_is_refused_with_the_reason(target, encoders, reason):
    with pytest.raises(CannotWrite, match=reason):
        render(embedding(*encoders), target=target)


@pytest.mark.parametrize("target", ["a1111", "forge", "invokeai"])
def test_vectors_that_would_be_cut_off_are_refused(target):
    render(embedding("clip_l", count=75), target=target)
    with pytest.raises(CannotWrite, match="of its 76 vectors only 75"):
        render(embedding("clip_l", count=76), target=target)


@pytest.mark.parametrize("target", ["a1111", "forge", "sdnext", "invokeai"])
def test_unequal_numbers_of_vectors_are_refused_where_they_would_be_misread(target):
    uneven = embedding("clip_l").replace(
        vectors={**embedding("clip_l", count=3).vectors, **embedding("clip_g").vectors}
    )
    with pytest.raises(CannotWrite, match="clip_l 3, clip_g 2"):
        render(uneven, target=target)
    assert render(uneven, target="onetrainer")


def test_output_vectors_go_to_onetrainer_and_to_nobody_else():
    learned = Embedding("word", output_vectors=embedding("clip_l").vectors)
    assert render(learned, target="onetrainer")
    for target in set(TARGETS) - {"onetrainer"}:
        with pytest.raises(CannotWrite, match="output-space"):
            render(learned, target=target)


def test_per_layer_embeddings_go_to_no_program():
    layered = Embedding("word", layer_vectors={"IN01": embedding("clip_l").vectors["clip_l"]})
    for target in TARGETS:
        with pytest.raises(CannotWrite, match="per-layer"):
            render(layered, target=target)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_a_program_that_reads_float32_only_is_given_float32_of_the_same_values(dtype):
    original = embedding("clip_l", dtype=dtype)
    (file,) = render(original, target="stable-diffusion-cpp")
    given = file.embeddings[0].vectors["clip_l"]
    assert given.dtype == "float32"
    np.testing.assert_array_equal(given.numpy(), original.vectors["clip_l"].numpy())


def test_numbers_are_rounded_only_when_asked_for():
    wide = Embedding("word", {"clip_l": Vectors.from_numpy(np.full((1, 768), 0.1), "float64")})
    with pytest.raises(CannotWrite, match="name a dtype to have it rounded"):
        render(wide, target="stable-diffusion-cpp")
    (file,) = render(wide, target="stable-diffusion-cpp", dtype="float32")
    assert file.embeddings[0].vectors["clip_l"].numpy()[0, 0] == np.float32(0.1)
    exact = Embedding("word", {"clip_l": Vectors.from_numpy(np.full((1, 768), 0.5), "float64")})
    assert render(exact, target="stable-diffusion-cpp")


@pytest.mark.parametrize(
    ("target", "name", "stem"),
    [
        ("comfyui", "my style", "my_style"),
        ("comfyui", "style (old)", "style__old"),
        ("invokeai", "naïve", "na_ve"),
        ("a1111", "<cat-toy>", "cat-toy"),
        ("a1111", "日本語", "日本語"),
    ],
)
def test_files_are_named_so_that_the_programs_prompts_can_call_them(target, name, stem):
    assert target_named(target).file_stem(embedding("clip_l", name=name)) == stem


def test_a_name_that_a_program_cannot_say_at_all_is_refused():
    with pytest.raises(CannotWrite, match="another name"):
        render(embedding("clip_l", name="日本語"), target="invokeai")


def test_an_unknown_program_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match="comfyui"):
        target_named("photoshop")
