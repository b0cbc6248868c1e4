"""Embeddings in ComfyUI's prompts: found by every name they have, each text encoder given its own vectors."""

import importlib
import os
import pickle
import shutil
import sys
import time

import loanword
import pytest
import samples
from comfyui.parts import FLUX, SD1, SD2, SD3, SDXL, made, rows

UNREADABLE = {
    "several.bin": ("diffusers", "style"),
    "style.pti": ("cog-pti", "style"),
    "onetrainer.safetensors": ("onetrainer", "onetrainer"),
    "style.png": ("a1111", "style"),
    "old.pt": ("ldm", "old"),
    "bundle.safetensors": ("lora-bundle", "style"),
    "hcp.safetensors": ("hcp-folded", "hcp"),
}
"""Files that ComfyUI does not read, or reads wrong: their format, and what prompts call them."""
READABLE = {
    "a1111.pt": "a1111",
    "kohya.safetensors": "kohya",
    "comfyui.safetensors": "comfyui",
    "diffusers.bin": "diffusers",
}


@pytest.mark.parametrize("file", UNREADABLE)
def test_what_comfyui_cannot_read_is_found_by_its_name(comfy, file):
    format_key, name = UNREADABLE[file]
    embedding = made("style", 3)
    others = [made("another")] if file == "several.bin" else []
    if file.endswith(".pti"):
        loanword.write(embedding, comfy.embeddings / "style.safetensors", format=format_key)
        (comfy.embeddings / "style.safetensors").rename(comfy.embeddings / file)
    else:
        loanword.write([*others, embedding], comfy.embeddings / file, format=format_key)
    assert comfy.vectors(f"a embedding:{name} here") == rows(embedding)


@pytest.mark.parametrize("file", READABLE)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_comfyui_reads_rightly_is_the_same_tensor(comfy, hooks, file, dtype):
    loanword.write(made("style", 3).cast(dtype), comfy.embeddings / file, format=READABLE[file])
    stem = os.path.splitext(file)[0]
    ask = ("embedding:" + stem, [str(comfy.embeddings)], 768, "clip_l")
    ours = comfy.sd1_clip.load_embed(stem, *ask[1:])
    hooks.uninstall()
    theirs = comfy.sd1_clip.load_embed(stem, *ask[1:])
    assert ours.dtype == theirs.dtype
    assert ours.equal(theirs)


@pytest.mark.parametrize("encoders", [SD1, SD2, SDXL, SD3, FLUX], ids=["SD1", "SD2", "SDXL", "SD3", "Flux"])
def test_each_encoder_gets_its_own_vectors(comfy, encoders):
    embedding = made("style", 3, *encoders)
    loanword.write(embedding, comfy.embeddings / "style.safetensors", format="onetrainer")
    for key in encoders:
        assert comfy.vectors("embedding:style", encoders, key.removeprefix("clip_")) == rows(embedding, key)


@pytest.mark.parametrize(
    "written",
    ["my cat", "My Cat", "MY  CAT", "my cat.safetensors", "sub/my cat", "sub/my cat.safetensors", "sub\\my cat"],
)
def test_a_name_with_spaces_is_found_in_every_spelling(comfy, written):
    embedding = made("my cat", 3)
    loanword.write(embedding, comfy.embeddings / "sub/my cat.safetensors")
    assert comfy.vectors(f"a photo of embedding:{written}, best quality") == rows(embedding)


def test_the_rest_of_the_prompt_stays_as_it_is(comfy):
    loanword.write(made("my cat", 1), comfy.embeddings)
    loanword.write(made("dog", 1), comfy.embeddings)
    spaced = comfy.tokens("a embedding:my cat, on (a embedding:my cat:1.2) mat embedding:dog")
    single = comfy.tokens("a embedding:dog, on (a embedding:dog:1.2) mat embedding:dog")
    assert [type(token) for token in spaced] == [type(token) for token in single]
    assert [token for token in spaced if type(token) is int] == [token for token in single if type(token) is int]


def test_weights_reach_the_vectors(comfy):
    loanword.write(made("my cat", 2), comfy.embeddings)
    (sequence,) = comfy.clip().tokenize("(embedding:my cat:1.3) here")["l"]
    assert [weight for token, weight in sequence if hasattr(token, "shape")] == [1.3, 1.3]


@pytest.mark.parametrize("text", ["embedding:my cat (1)", r"embedding:my cat \(1\)"])
def test_a_name_with_parentheses_needs_no_escapes(comfy, text):
    loanword.write(made("my cat", 1), comfy.embeddings / "my cat.pt")
    loanword.write(made("another", 3), comfy.embeddings / "my cat (1).pt")
    for prompt, weight in ((f"a {text}, here", 1), (f"a ({text}:1.2) here", 1.2), (f"a ({text}, b:1.3) (here)", 1.3)):
        (sequence,) = comfy.clip().tokenize(prompt)["l"]
        found = [(token.tolist(), weight) for token, weight in sequence if hasattr(token, "shape")]
        assert found == [(row, weight) for row in rows(made("another", 3))], prompt


def test_names_behind_commas_without_spaces_are_found(comfy):
    loanword.write(made("one", 1), comfy.embeddings / "one.pt")
    loanword.write(made("my cat", 2), comfy.embeddings / "my cat.pt")
    close = comfy.tokens("embedding:one,embedding:my cat,here")
    assert close == comfy.tokens("embedding:one, embedding:my cat, here")
    assert len([token for token in close if isinstance(token, list)]) == 3


def test_the_longest_known_name_wins(comfy):
    my, my_cat, cat = made("my", 1), made("my cat", 2), made("my cat sits", 3)
    for each in (my, my_cat, cat):
        loanword.write(each, comfy.embeddings)
    for text, expected in (("my dog", my), ("my cat", my_cat), ("my cat sat", my_cat), ("my cat sits down", cat)):
        assert comfy.vectors(f"embedding:{text}") == rows(expected), text


def test_aliases_and_names_in_brackets_are_found(comfy):
    embedding = made("<cat-toy>", 2).replace(aliases=("toy of a cat",))
    loanword.write(embedding, comfy.embeddings / "learned_embeds.pt", format="a1111")
    for written in ("cat-toy", "<cat-toy>"):
        assert comfy.vectors(f"embedding:{written} here") == rows(embedding), written


def test_a_path_means_the_file_at_that_path(comfy):
    one, other = made("style", 1), made("style", 2)
    loanword.write(one, comfy.embeddings / "a/style.safetensors")
    loanword.write(other, comfy.embeddings / "b/style.safetensors")
    assert comfy.vectors("embedding:a/style") == rows(one)
    assert comfy.vectors("embedding:b/style.safetensors,") == rows(other)


def test_the_name_of_a_file_with_several_embeddings_means_all_of_them(comfy):
    cat, dog = made("<cat>", 2), made("<dog>", 1)
    loanword.write([cat, dog], comfy.embeddings / "two.bin", format="diffusers")
    assert comfy.vectors("embedding:two") == [*rows(cat), *rows(dog)]
    assert comfy.vectors("embedding:dog") == rows(dog)


def test_a_concept_folder_goes_by_its_own_name_and_its_last_snapshot(comfy):
    first, last = made("<s>", 1), made("<s>", 1, seed=9)
    folder = comfy.embeddings / "my concept"
    loanword.write(first, folder / "learned_embeds-steps-500.bin", format="diffusers")
    loanword.write(last, folder / "learned_embeds.bin", format="diffusers")
    assert comfy.vectors("embedding:my concept, here") == rows(last)
    assert comfy.vectors("embedding:s, here") == rows(last)


def test_what_is_bundled_into_a_lora_is_found(comfy):
    lora = comfy.base / "lora.safetensors"
    lora.write_bytes(lora_file())
    embedding = made("in a lora", 3)
    loanword.bundle(lora, embedding, comfy.loras / "bundle.safetensors")
    assert comfy.vectors("embedding:in a lora") == rows(embedding)


def lora_file():
    from loanword.converters.containers.safetensors import save_safetensors
    from loanword.converters.payload import Draft

    return save_safetensors(Draft(samples.lora_tensors()))


def test_a_file_is_noticed_when_it_comes_changes_and_goes(comfy):
    place = comfy.embeddings / "late comer.pt"
    assert comfy.vectors("embedding:late comer") == []
    loanword.write(made("late comer", 1), place)
    assert comfy.vectors("embedding:late comer") == rows(made("late comer", 1))
    loanword.write(made("late comer", 4), place, overwrite=True)
    assert comfy.vectors("embedding:late comer") == rows(made("late comer", 4))
    place.unlink()
    time.sleep(2.1)  # for which a known folder is not looked at again
    assert comfy.vectors("embedding:late comer") == []


def test_a_file_that_takes_anothers_place_is_used_at_once(comfy):
    first, second = made("style", 1), made("style", 3)
    loanword.write(first, comfy.embeddings / "style.safetensors")
    assert comfy.vectors("embedding:style") == rows(first)
    (comfy.embeddings / "style.safetensors").unlink()
    loanword.write(second, comfy.embeddings / "style.pt")
    assert comfy.vectors("embedding:style") == rows(second)
    assert comfy.said() == []


def test_where_nothing_fits_the_sequence_is_as_comfyui_makes_it_without_a_word(comfy):
    loanword.write(made("style", 3), comfy.embeddings / "style.safetensors")
    (sequence,) = comfy.clip(SD2).tokenize("a embedding:style here")["h"]
    (plain,) = comfy.clip(SD2).tokenize("a here")["h"]
    assert sequence == plain
    assert len(sequence) == 77


def test_the_sequences_of_all_encoders_are_cut_at_the_same_place(comfy):
    loanword.write(made("style", 10), comfy.embeddings / "style.safetensors")
    tokens = comfy.clip(SDXL).tokenize("word " * 70 + "embedding:style " + "word " * 70)
    assert len(tokens["l"]) == len(tokens["g"])
    assert all(len(sequence) == 77 for sequence in tokens["g"])


def test_what_does_not_fit_is_said_once_with_the_base_model(comfy):
    loanword.write(made("style", 5), comfy.embeddings)
    for _ in range(3):
        comfy.clip(SD2).tokenize("embedding:style and embedding:style")
    (line,) = comfy.said()
    assert line == (
        "loanword: 'style' is for Stable Diffusion 1.x, this model reads prompts with OpenCLIP ViT-H/14; it is left out"
    )
    assert comfy.log == [line]


def test_what_fits_in_part_is_said_once(comfy):
    loanword.write(made("small", 2), comfy.embeddings)
    loanword.write(made("large", 2, "clip_l", "clip_g"), comfy.embeddings / "large.safetensors")
    for _ in range(2):
        comfy.clip(SDXL).tokenize("embedding:small")
        comfy.clip(SD1).tokenize("embedding:large")
    assert comfy.said("'small'") == [
        "loanword: 'small' is for Stable Diffusion 1.x: CLIP ViT-L/14 takes it, OpenCLIP ViT-bigG/14 goes without"
    ]
    assert comfy.said("'large'") == ["loanword: 'large' is for SDXL: this model has no OpenCLIP ViT-bigG/14"]
    assert len(comfy.said()) == 2


def test_what_fits_is_no_news(comfy):
    loanword.write(made("style", 2, "clip_l", "clip_g"), comfy.embeddings / "style.safetensors")
    comfy.clip(SDXL).tokenize("embedding:style")
    assert comfy.said() == []


def test_output_vectors_are_never_used_as_input(comfy):
    style = loanword.Embedding("style", output_vectors={"clip_l": samples.L})
    loanword.write(style, comfy.embeddings / "style.safetensors", format="onetrainer")
    assert comfy.vectors("embedding:style") == []
    assert len(comfy.said("works only where it was trained")) == 1


def test_a_file_that_is_none_is_not_read_as_one(comfy):
    (comfy.embeddings / "lora.safetensors").write_bytes(lora_file())
    for _ in range(2):
        assert comfy.vectors("embedding:lora here") == []
    assert len(comfy.said("a LoRA")) == 1


def test_a_pickle_that_asks_for_code_is_not_given_to_anyone(comfy, monkeypatch):
    (comfy.embeddings / "evil.pt").write_bytes(pickle.dumps(Evil()))
    monkeypatch.setattr(sys.modules["torch"], "load", lambda *_, **__: pytest.fail("opened by torch.load"))
    assert comfy.vectors("embedding:evil here") == []
    (line,) = comfy.said()
    assert "system'" in line
    assert str(comfy.base) not in line


class Evil:
    def __reduce__(self):
        return os.system, ("exit 1",)


def test_what_loanword_does_not_know_is_left_to_comfyui(comfy):
    torch = pytest.importorskip("torch")
    torch.save({"clip_l": torch.ones(2, 512)}, comfy.embeddings / "odd.pt")
    found = comfy.sd1_clip.load_embed("odd", str(comfy.embeddings), 512, "clip_l")
    assert found.shape == (2, 512)
    assert comfy.said() == []


@pytest.mark.parametrize("suffix", [".pt", ".bin", "", ".hidden"])
def test_comfyuis_reader_gets_no_file_that_is_broken(comfy, monkeypatch, suffix):
    torch = pytest.importorskip("torch")
    place = comfy.embeddings / f"deep/broken{suffix}"
    loanword.write(made("whole", 2), comfy.embeddings / "deep/whole.pt")
    place.write_bytes((comfy.embeddings / "deep/whole.pt").read_bytes()[:-700])
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("opened by torch.load"))
    assert comfy.vectors(f"embedding:{place.name} here") == []
    assert len(comfy.said(f"embeddings/deep/{place.name}: ")) == 1


def test_a_file_without_a_known_suffix_is_read_as_any_other(comfy):
    loanword.write(made("cat", 2), comfy.embeddings / "cat.pt")
    (comfy.embeddings / "cat.pt").rename(comfy.embeddings / "cat.v2")
    (comfy.embeddings / "circle").symlink_to(comfy.embeddings)
    assert comfy.vectors("embedding:cat.v2 here") == rows(made("cat", 2))


@pytest.mark.parametrize("shape", [(), (2, 700), (0, 768)])
def test_what_neither_of_the_two_readers_understands_is_said_and_left_out(comfy, shape):
    torch = pytest.importorskip("torch")
    torch.save({"string_to_param": {"*": torch.ones(shape)}}, comfy.embeddings / "odd.pt")
    assert comfy.vectors("embedding:odd here") == []
    assert len(comfy.said("embeddings/odd.pt: ")) == 1


def test_a_file_that_fails_comfyuis_reader_fails_no_prompt(comfy):
    torch = pytest.importorskip("torch")
    torch.save({"string_to_param": "none"}, comfy.embeddings / "odd.pt")
    assert comfy.vectors("embedding:odd here") == []
    assert len(comfy.said("embeddings/odd.pt: ")) == 1


def test_installing_twice_changes_nothing(comfy, hooks):
    before = comfy.sd1_clip.load_embed
    assert hooks.install() == []
    assert comfy.sd1_clip.load_embed is before


def test_uninstalling_gives_comfyui_its_own_functions_back(comfy, hooks):
    hooks.uninstall()
    assert comfy.sd1_clip.load_embed.__module__ == "comfy.sd1_clip"
    assert comfy.sd1_clip.SDTokenizer._try_get_embedding.__module__ == "comfy.sd1_clip"


def test_a_comfyui_with_other_functions_is_left_alone_and_it_is_said_what_is_lost(comfy, hooks, monkeypatch):
    hooks.uninstall()
    monkeypatch.delattr(comfy.sd1_clip.SDTokenizer, "_try_get_embedding")
    theirs = lambda name, places: (name, places)  # noqa: E731  # a function with other arguments
    monkeypatch.setattr(comfy.sd1_clip, "load_embed", theirs)
    lost = hooks.install()
    assert comfy.sd1_clip.load_embed is theirs
    assert lost == [
        "embeddings that ComfyUI cannot read itself do not work in prompts",
        "names with spaces do not work in prompts",
    ]


def test_a_mistake_of_loanwords_leaves_the_prompt_to_comfyui(comfy, monkeypatch):
    embedding = made("style", 2)
    loanword.write(embedding, comfy.embeddings / "style.safetensors")
    serving = importlib.import_module("loanword.extension.comfyui.hooks")
    monkeypatch.setattr(serving, "spoken_of", _broken)
    monkeypatch.setattr(serving, "tensor_of", _broken)
    assert comfy.vectors("embedding:style") == rows(embedding)
    assert len(comfy.said("please report")) == 2


def _broken(*_):
    raise ZeroDivisionError("a mistake")


def test_an_error_of_comfyuis_own_stays_its_own(comfy):
    with pytest.raises(IndexError):
        comfy.clip().tokenize("embedding: ")
    assert comfy.said() == []


def test_a_damaged_index_or_an_absent_folder_does_no_harm(comfy):
    loanword.write(made("style", 2), comfy.embeddings)
    comfy.vectors("embedding:style")
    shutil.rmtree(comfy.loras)
    time.sleep(2.1)
    assert comfy.vectors("embedding:style") == rows(made("style", 2))
