"""diffusers' own methods, with loanword behind them: calls, results and kinds of errors as scripts know them."""

import pytest
import tiny_pipelines
import torch
from by_hand import embedding
from diffusers import FluxPipeline, StableDiffusion3Pipeline, StableDiffusionPipeline
from diffusers.loaders import TextualInversionLoaderMixin
from loanword import write
from loanword.loader.patching import patch_diffusers, unpatch_diffusers
from loanword.loader.textual_inversion import loaded, unload

BOTH = ("clip_l", "clip_g")


@pytest.fixture(autouse=True)
def patched():
    patch_diffusers()
    yield
    unpatch_diffusers()


def numbers(word, key="clip_l"):
    return torch.from_numpy(word.vectors[key].numpy())


def learned(tokenizer, prompt):
    return sum(each < 0 for each in tokenizer(prompt)["input_ids"])


def test_patching_is_undone_without_a_trace():
    unpatch_diffusers()
    before = dict(vars(TextualInversionLoaderMixin))
    patch_diffusers()
    patch_diffusers()
    assert vars(TextualInversionLoaderMixin)["load_textual_inversion"] is not before["load_textual_inversion"]
    unpatch_diffusers()
    unpatch_diffusers()
    assert dict(vars(TextualInversionLoaderMixin)) == before
    assert not hasattr(StableDiffusion3Pipeline, "load_textual_inversion")


def test_a_script_for_a1111_files_goes_on_working(sd1, tmp_path):
    path = tmp_path / "charturnerv2.pt"
    write(embedding("charturner", 3), path, format="a1111")
    sd1.load_textual_inversion(str(path), token="charturnerv2")
    assert learned(sd1.tokenizer, "charturnerv2, multiple views") == 3
    sd1.unload_textual_inversion("charturnerv2")
    assert learned(sd1.tokenizer, "charturnerv2, multiple views") == 0


def test_without_a_token_the_name_in_the_file_is_a_trigger_and_so_is_the_files(sd1, tmp_path):
    path = tmp_path / "winter.pt"
    write(embedding("winter", 3, aliases=("Style-Winter",)), path, format="a1111")
    torch.save({"string_to_param": {"*": torch.ones(3, 768)}, "name": "Style-Winter"}, path)
    sd1.load_textual_inversion(path)
    assert learned(sd1.tokenizer, "a turtle in strong Style-Winter") == 3
    assert learned(sd1.tokenizer, "a turtle in winter") == 3
    sd1.unload_textual_inversion()
    assert loaded(sd1) == ()


def test_prompts_run_through_the_whole_pipeline(sd1):
    sd1.load_textual_inversion({"<cat-toy>": torch.ones(2, 768)})
    options = {"num_inference_steps": 1, "output_type": "np", "height": 16, "width": 16}
    images = [
        sd1("A <cat-toy> backpack", generator=torch.manual_seed(0), negative_prompt=negative, **options).images
        for negative in ("", "<CAT-TOY>")
    ]
    sd1.unload_textual_inversion()
    plain = sd1("A <cat-toy> backpack", generator=torch.manual_seed(0), negative_prompt="", **options).images
    assert (images[0] != images[1]).any()
    assert (images[0] != plain).any()


def test_each_encoder_of_sdxl_is_loaded_and_unloaded_as_documented(sdxl):
    word = embedding("x", 2, BOTH)
    parts = ((sdxl.text_encoder, sdxl.tokenizer, "clip_l"), (sdxl.text_encoder_2, sdxl.tokenizer_2, "clip_g"))
    for encoder, tokenizer, key in parts:
        sdxl.load_textual_inversion(
            numbers(word, key), tokens=["<s0>", "<s1>"], text_encoder=encoder, tokenizer=tokenizer
        )
    assert [learned(tokenizer, "a <s0><s1>") for _, tokenizer, _ in parts] == [2, 2]
    sdxl.unload_textual_inversion(tokens=["<s0>", "<s1>"], text_encoder=sdxl.text_encoder, tokenizer=sdxl.tokenizer)
    assert [learned(tokenizer, "a <s0><s1>") for _, tokenizer, _ in parts] == [0, 2]
    sdxl.unload_textual_inversion()
    assert [learned(tokenizer, "a <s0><s1>") for _, tokenizer, _ in parts] == [0, 0]


def test_an_sd1_embedding_on_sdxl_goes_to_the_first_encoder_and_is_text_for_the_second(sdxl):
    plain = sdxl.tokenizer_2("a style here")["input_ids"]
    sdxl.load_textual_inversion(numbers(embedding("x", 2)), token="style")
    assert learned(sdxl.tokenizer, "a style here") == 2
    assert sdxl.tokenizer_2("a style here")["input_ids"] == plain
    sdxl.load_textual_inversion(
        numbers(embedding("x", 3, ("clip_g",)), "clip_g"),
        token="style",
        text_encoder=sdxl.text_encoder_2,
        tokenizer=sdxl.tokenizer_2,
    )
    assert [each.vectors for each in loaded(sdxl)] == [{"clip_l": 2, "clip_g": 3}]


def test_pipelines_that_never_had_the_methods_have_them_now(sd3):
    word = embedding("EasyNegative", 2, ("clip_l", "clip_g", "t5xxl"))
    sd3.load_textual_inversion({key: numbers(word, key) for key in word.vectors}, "EasyNegative")
    assert learned(sd3.tokenizer_3, "easynegative") == 2
    sd3.unload_textual_inversion()
    assert FluxPipeline.load_textual_inversion is StableDiffusionPipeline.load_textual_inversion


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((torch.ones(2, 768),), {}, ValueError),
        ((torch.ones(2, 700),), {"token": "x"}, ValueError),
        (([torch.ones(1, 768)] * 2,), {"token": ["x", "x"]}, ValueError),
        (([torch.ones(1, 768)] * 2,), {"token": ["x"]}, ValueError),
        (("nothere.pt",), {}, OSError),
        (({"a": torch.ones(2), "b": "c", "d": {}},), {}, ValueError),
    ],
)
def test_errors_are_of_the_kinds_that_scripts_catch(arguments, options, error, sd1):
    with pytest.raises(error, match=r"\w"):
        sd1.load_textual_inversion(*arguments, **options)
    assert loaded(sd1) == ()


def test_a_taken_token_is_a_value_error_and_the_same_again_is_not(sd1):
    sd1.load_textual_inversion(torch.ones(2, 768), token="x")
    sd1.load_textual_inversion(torch.ones(2, 768), token="x")
    with pytest.raises(ValueError, match="'x' is another embedding's trigger already"):
        sd1.load_textual_inversion(torch.zeros(2, 768), token="x")
    sd1.load_textual_inversion(torch.zeros(2, 768), token="cat")  # a word of the vocabulary


def test_unloading_what_is_not_there_is_a_value_error(sd1):
    with pytest.raises(ValueError, match="No tokens to remove found"):
        sd1.unload_textual_inversion("x")
    sd1.load_textual_inversion(torch.ones(3, 768), token="x")
    sd1.unload_textual_inversion(["x", "x_1", "x_2"])
    assert loaded(sd1) == ()
    sd1.unload_textual_inversion()


def test_an_argument_that_diffusers_would_ignore_is_told(sd1):
    with pytest.warns(UserWarning, match="does not know tokn"):
        sd1.load_textual_inversion(torch.ones(2, 768), token="x", tokn="y")


def test_a_pipeline_of_widths_that_no_table_knows_works_too(tmp_path):
    encoder = tiny_pipelines.clip_encoder(32, heads=4)
    pipe = tiny_pipelines.sd1(text_encoder=encoder, vae=None, unet=None)
    torch.save({"<*>": torch.ones(32)}, tmp_path / "learned_embeds.bin")
    pipe.load_textual_inversion(tmp_path)
    pipe.load_textual_inversion({"string_to_param": {"*": torch.ones(3, 32)}, "name": "<**>"})
    assert learned(pipe.tokenizer, "hey <*> <**>") == 4
    unload(pipe)
