"""What loanword writes, read by the unchanged libraries: diffusers' own loader, torch.load and safetensors."""

import loanword
import numpy as np
import pytest
import tiny_pipelines
from loanword.converters.targets import TARGETS
from loanword.embeddings.embedding import Embedding, Vectors
from loanword.embeddings.text_encoders import TEXT_ENCODERS

torch = pytest.importorskip("torch")


def embedding(*encoders, count=3, dtype="float32", name="<cat-toy>"):
    rng = np.random.default_rng(11)
    return Embedding(
        name,
        {key: Vectors.from_numpy(rng.normal(size=(count, TEXT_ENCODERS[key].width)), dtype) for key in encoders},
    )


def learned(tokenizer, text_encoder, token, count):
    """The rows that diffusers gave the token and its followers."""
    names = [token, *(f"{token}_{number}" for number in range(1, count))]
    ids = tokenizer.convert_tokens_to_ids(names)
    return text_encoder.get_input_embeddings().weight.detach()[ids].numpy()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("pipeline", "encoder"), [("sd1", "clip_l"), ("sd2", "clip_h")])
def test_diffusers_loads_the_file_of_a_single_encoder(tmp_path, pipeline, encoder, count):
    word = embedding(encoder, count=count)
    (path,) = loanword.write(word, tmp_path, target="diffusers")
    pipe = getattr(tiny_pipelines, pipeline)()
    pipe.load_textual_inversion(path)
    found = learned(pipe.tokenizer, pipe.text_encoder, "<cat-toy>", count)
    np.testing.assert_array_equal(found, word.vectors[encoder].numpy())


def test_diffusers_loads_the_two_files_of_sdxl_each_into_its_encoder(tmp_path):
    word = embedding("clip_l", "clip_g")
    first, second = loanword.write(word, tmp_path, target="diffusers")
    pipe = tiny_pipelines.sdxl()
    pipe.load_textual_inversion(first, text_encoder=pipe.text_encoder, tokenizer=pipe.tokenizer)
    pipe.load_textual_inversion(second, text_encoder=pipe.text_encoder_2, tokenizer=pipe.tokenizer_2)
    for tokenizer, encoder, key in (
        (pipe.tokenizer, pipe.text_encoder, "clip_l"),
        (pipe.tokenizer_2, pipe.text_encoder_2, "clip_g"),
    ):
        np.testing.assert_array_equal(learned(tokenizer, encoder, "<cat-toy>", 3), word.vectors[key].numpy())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("target", TARGETS)
def test_safetensors_reads_what_every_program_is_given(tmp_path, target, dtype):
    safetensors = pytest.importorskip("safetensors.torch")
    word = embedding("clip_l", dtype=dtype)
    asked = "float32" if target == "stable-diffusion-cpp" and dtype == "float64" else None
    (path,) = loanword.write(word, tmp_path, target=target, dtype=asked)
    (tensor,) = safetensors.load_file(path).values()
    np.testing.assert_array_equal(tensor.float().numpy(), word.vectors["clip_l"].numpy())


@pytest.mark.parametrize(
    ("container", "dtype"),
    [
        *(("torch-zip", dtype) for dtype in ("float32", "float16", "bfloat16", "float64")),
        *(("torch-zip", dtype) for dtype in ("float8_e4m3fn", "float8_e5m2")),
        *(("torch-legacy", dtype) for dtype in ("float32", "float16", "bfloat16", "float64")),
    ],
)
def test_torch_loads_a_webuis_pt_without_trusting_it(tmp_path, container, dtype):
    word = embedding("clip_l", dtype=dtype)
    (path,) = loanword.write(word, tmp_path / "word.pt", format="a1111", container=container)
    loaded = torch.load(path, weights_only=True)
    tensor = loaded["string_to_param"]["*"]
    assert tensor.dtype == getattr(torch, dtype)
    assert tensor.contiguous().view(torch.uint8).numpy().tobytes() == word.vectors["clip_l"].tobytes()
    assert loaded["name"] == "<cat-toy>"
