"""What a pipeline is before, between and after: all or nothing, no trace, copies, shared parts."""

import copy
import io
import pickle

import pytest
import tiny_pipelines
import torch
from by_hand import embedding
from loanword import CannotLoad, UnknownName, Vectors
from loanword.loader import placing
from loanword.loader.textual_inversion import load_textual_inversion, loaded, unload

BOTH = ("clip_l", "clip_g")
PROMPT = "a photo, EasyNegative here"
OPTIONS = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": False}


def encode(pipe, prompt=PROMPT):
    with torch.no_grad():
        return [each for each in pipe.encode_prompt(prompt, **OPTIONS) if each is not None]


def components(pipe):
    for name in ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2"):
        part = getattr(pipe, name, None)
        if part is not None:
            yield name, part


def picture(pipe):
    """All that can be seen of tokenizers and encoders, for comparison."""
    seen = {}
    for name, part in components(pipe):
        if isinstance(part, torch.nn.Module):
            buffer = io.BytesIO()
            torch.save(dict(part.named_buffers()), buffer)
            seen[name] = (
                type(part),
                [(each, type(module)) for each, module in part.named_modules()],
                {key: (id(value), value._version, value.requires_grad) for key, value in part.named_parameters()},
                list(part.state_dict()),
                str(part.config),
                buffer.getvalue(),
                part.training,
            )
        else:
            part("a cat")  # a fast tokenizer's state includes how it was last called
            inner = part.backend_tokenizer.to_str() if part.is_fast else str(sorted(part.get_vocab().items()))
            texts = ["a cat, <x>", "EasyNegative", "embedding:EasyNegative"]
            ids = [part(each)["input_ids"] for each in texts]
            decoded = [part.decode(each) for each in ids]
            seen[name] = (type(part), sorted(part.__dict__), inner, len(part), repr(part), ids, decoded)
    return seen


def test_unloading_leaves_no_trace(pipeline_of):
    for kind, keys in (("sd1", ("clip_l",)), ("sdxl", BOTH)):
        pipe = pipeline_of(kind)
        before, outputs = picture(pipe), encode(pipe)
        load_textual_inversion(pipe, [embedding("EasyNegative", 3, keys), embedding("other", 2, keys)])
        assert not all(torch.equal(one, two) for one, two in zip(encode(pipe), outputs, strict=True))
        unload(pipe, "other")
        unload(pipe, "easynegative")
        assert picture(pipe) == before
        assert all(torch.equal(one, two) for one, two in zip(encode(pipe), outputs, strict=True))


def test_loading_changes_neither_weights_nor_the_random_state_nor_outputs_without_names(sdxl):
    weights = {key: value.clone() for key, value in sdxl.text_encoder.state_dict().items()}
    outputs, random = encode(sdxl, "a photo of a cat"), torch.get_rng_state()
    load_textual_inversion(sdxl, embedding("EasyNegative", 3, BOTH))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, weights[key]) for key, value in sdxl.text_encoder.state_dict().items())
    assert list(sdxl.text_encoder.state_dict()) == list(weights)
    assert all(torch.equal(one, two) for one, two in zip(encode(sdxl, "a photo of a cat"), outputs, strict=True))


def test_embeddings_come_and_go_in_any_order(sd1):
    words = {name: embedding(name, 1 + i % 4, seed=i) for i, name in enumerate(("aq", "bq", "cq", "dq", "eq", "fq"))}
    load_textual_inversion(sd1, list(words.values()))
    for leaving, coming in (("bq", "xq"), ("dq", "yq"), ("aq", "zq"), ("fq", "wq"), ("xq", "vq")):
        unload(sd1, leaving)
        del words[leaving]
        words[coming] = embedding(coming, 3)
        load_textual_inversion(sd1, words[coming])
        table = sd1.text_encoder.get_input_embeddings()
        for name, word in words.items():
            ids = torch.tensor(sd1.tokenizer(name, add_special_tokens=False)["input_ids"])
            assert torch.equal(table(ids), torch.from_numpy(word.vectors["clip_l"].numpy())), name
    assert {each.name for each in loaded(sd1)} == set(words)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(embedding("bad", 2, ("clip_h",)), id="another width"),
        pytest.param(embedding("bad", 2, ("clip_l",)), id="one encoder only"),
        pytest.param(embedding("bad", 2, BOTH, scale=float("nan")), id="not a number"),
        pytest.param(embedding("a q", 5, BOTH, seed=9), id="a taken trigger"),
        pytest.param({"x": torch.zeros(2, 3)}, id="a strange state dict"),
        pytest.param(torch.zeros(2, 768), id="a tensor without a name"),
        pytest.param("nothere.pt", id="a missing file"),
        pytest.param(
            embedding("bad", 2, (), output_vectors={"clip_l": Vectors.from_numpy(torch.ones(1, 768).numpy())}),
            id="output",
        ),
    ],
)
def test_what_cannot_be_loaded_changes_nothing(bad, sdxl):
    before = picture(sdxl)
    words = [embedding("a q", 3, BOTH), bad, embedding("c q", 1, BOTH)]
    with pytest.raises(ValueError, match=r"\w"):
        load_textual_inversion(sdxl, words)
    assert picture(sdxl) == before
    load_textual_inversion(sdxl, embedding("first", 2, BOTH))
    middle = encode(sdxl, "a first, a q")
    with pytest.raises(ValueError, match=r"\w"):
        load_textual_inversion(sdxl, words)
    assert [each.name for each in loaded(sdxl)] == ["first"]
    assert all(torch.equal(one, two) for one, two in zip(encode(sdxl, "a first, a q"), middle, strict=True))


@pytest.mark.parametrize("step", ["_stored", "_make_known", "_check_finite"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_at_any_step_is_undone(step, error, sdxl, monkeypatch):
    before = picture(sdxl)
    original, calls = getattr(placing, step), []

    def fails_at_the_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise error("as if the memory were full")
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(placing, step, fails_at_the_second)
        with pytest.raises(error):
            load_textual_inversion(sdxl, [embedding("a q", 3, BOTH), embedding("b q", 3, BOTH)])
    assert picture(sdxl) == before


def test_loading_the_same_twice_is_fine(sd1):
    word = embedding("EasyNegative", 3)
    first = load_textual_inversion(sd1, word)
    outputs = encode(sd1)
    second = load_textual_inversion(sd1, [word, word])
    assert [each.name for each in loaded(sd1)] == ["EasyNegative"]
    assert torch.equal(encode(sd1)[0], outputs[0])
    assert (first.fresh, second.fresh) == ({"EasyNegative"}, frozenset())


def test_a_different_one_under_a_taken_trigger_says_how_to_rename(sd1):
    load_textual_inversion(sd1, embedding("EasyNegative", 3))
    with pytest.raises(CannotLoad, match=r"'easynegative' is another embedding's trigger already.*pass token="):
        load_textual_inversion(sd1, embedding("easynegative", 3, seed=5))
    load_textual_inversion(sd1, embedding("easynegative", 3, seed=5), token="other")
    assert [each.name for each in loaded(sd1)] == ["EasyNegative", "other"]
    with pytest.raises(CannotLoad, match="trigger already"):
        load_textual_inversion(sd1, [embedding("Foo", 2, seed=1), embedding("foo", 2, seed=2)])


def test_the_handle_says_what_was_loaded(sdxl):
    handle = load_textual_inversion(sdxl, embedding("EasyNegative", 3, BOTH, aliases=("old",)))
    (one,) = handle
    assert (one.name, one.vectors, one.aliases) == ("EasyNegative", {"clip_l": 3, "clip_g": 3}, ("old",))
    assert str(handle) == "EasyNegative: clip_l 3, clip_g 3"
    assert loaded(sdxl) == (one,)


def test_unloading_takes_a_handle_a_name_or_everything(sd1):
    handle = load_textual_inversion(sd1, [embedding("aq", 1), embedding("bq", 1)])
    load_textual_inversion(sd1, [embedding("cq", 1), embedding("dq", 1), embedding("eq", 1)])
    unload(sd1, handle)
    assert [each.name for each in loaded(sd1)] == ["cq", "dq", "eq"]
    unload(sd1, "CQ")
    unload(sd1, loaded(sd1)[0])
    assert [each.name for each in loaded(sd1)] == ["eq"]
    unload(sd1)
    unload(sd1)
    handle.unload()
    assert loaded(sd1) == ()


def test_unloading_an_unknown_name_suggests_and_removes_nothing(sd1):
    load_textual_inversion(sd1, [embedding("EasyNegative", 1), embedding("other", 1)])
    with pytest.raises(UnknownName, match="'easynegativ' is loaded; did you mean 'EasyNegative'"):
        unload(sd1, ["other", "easynegativ"])
    assert len(loaded(sd1)) == 2


def test_a_block_loads_for_a_while(sd1):
    outputs = encode(sd1)
    load_textual_inversion(sd1, embedding("stays", 1))
    with load_textual_inversion(sd1, [embedding("EasyNegative", 3), embedding("stays", 1)]) as handle:
        assert handle.names == ("EasyNegative", "stays")
        assert not torch.equal(encode(sd1)[0], outputs[0])
    assert [each.name for each in loaded(sd1)] == ["stays"]
    assert torch.equal(encode(sd1)[0], outputs[0])
    with pytest.raises(ZeroDivisionError), load_textual_inversion(sd1, embedding("brief", 3)):
        raise ZeroDivisionError
    assert [each.name for each in loaded(sd1)] == ["stays"]


def test_copies_and_pickles_keep_their_embeddings_and_go_their_own_way(sd1):
    load_textual_inversion(sd1, embedding("EasyNegative", 3))
    outputs = encode(sd1)
    parts = pickle.loads(pickle.dumps((sd1.tokenizer, sd1.text_encoder)))
    pickled = tiny_pipelines.sd1(tokenizer=parts[0], text_encoder=parts[1], vae=None, unet=None)
    for other in (copy.deepcopy(sd1), pickled):
        assert torch.equal(encode(other)[0], outputs[0])
        load_textual_inversion(other, embedding("more", 2))
        unload(other, "EasyNegative")
        assert [each.name for each in loaded(other)] == ["more"]
        unload(other)
    assert torch.equal(encode(sd1)[0], outputs[0])
    assert [each.name for each in loaded(sd1)] == ["EasyNegative"]


def test_saving_writes_the_untouched_model(sdxl, tmp_path):
    for name, part in components(sdxl):
        part.save_pretrained(tmp_path / "before" / name)
    load_textual_inversion(sdxl, embedding("EasyNegative", 3, BOTH))
    for name, part in components(sdxl):
        part.save_pretrained(tmp_path / "loaded" / name)
        before = {each.name: each.read_bytes() for each in (tmp_path / "before" / name).iterdir()}
        assert {each.name: each.read_bytes() for each in (tmp_path / "loaded" / name).iterdir()} == before


def test_a_saved_pipeline_loads_again(sd1, tmp_path):
    from diffusers import StableDiffusionPipeline

    load_textual_inversion(sd1, embedding("EasyNegative", 3))
    sd1.save_pretrained(tmp_path)
    again = StableDiffusionPipeline.from_pretrained(tmp_path, safety_checker=None)
    assert loaded(again) == ()
    load_textual_inversion(again, embedding("EasyNegative", 3))
    assert torch.equal(encode(again)[0], encode(sd1)[0])


def test_pipelines_made_from_another_share_its_embeddings(sdxl):
    from diffusers import StableDiffusionXLImg2ImgPipeline

    load_textual_inversion(sdxl, embedding("EasyNegative", 3, BOTH))
    other = StableDiffusionXLImg2ImgPipeline.from_pipe(sdxl)
    assert [each.name for each in loaded(other)] == ["EasyNegative"]
    assert all(torch.equal(one, two) for one, two in zip(encode(other), encode(sdxl), strict=True))
    unload(other)
    assert loaded(sdxl) == ()


def test_two_pipelines_share_an_encoder_but_not_the_tokenizer(sd1):
    other = tiny_pipelines.sd1(text_encoder=sd1.text_encoder, vae=None, unet=None)
    load_textual_inversion(sd1, embedding("EasyNegative", 3))
    outputs = encode(sd1)
    load_textual_inversion(other, [embedding("bxq", 2), embedding("EasyNegative", 4, seed=7)])
    assert torch.equal(encode(sd1)[0], outputs[0])
    assert not torch.equal(encode(other)[0], outputs[0])
    unload(other)
    assert torch.equal(encode(sd1)[0], outputs[0])
    load_textual_inversion(other, embedding("EasyNegative", 3))
    unload(sd1)
    assert torch.equal(encode(other)[0], outputs[0])
    unload(other)
    assert not hasattr(sd1.text_encoder.get_input_embeddings(), "learned")


def test_one_tokenizer_feeds_two_encoders(sdxl):
    pipe = tiny_pipelines.sdxl(
        tokenizer=(shared := tiny_pipelines.clip_tokenizer()),
        tokenizer_2=shared,
        text_encoder=sdxl.text_encoder,
        text_encoder_2=sdxl.text_encoder_2,
        vae=None,
        unet=None,
    )
    word = embedding("EasyNegative", 3, BOTH)
    load_textual_inversion(pipe, word)
    ids = torch.tensor([each for each in shared(PROMPT)["input_ids"] if each < 0])
    for encoder, key in ((pipe.text_encoder, "clip_l"), (pipe.text_encoder_2, "clip_g")):
        assert torch.equal(encoder.get_input_embeddings()(ids), torch.from_numpy(word.vectors[key].numpy()))
    uneven = embedding("uneven", 3, BOTH)
    uneven = uneven.replace(vectors={**uneven.vectors, "clip_g": uneven.vectors["clip_g"].rows(0, 2)})
    with pytest.raises(CannotLoad, match="the same tokenizer feeds"):
        load_textual_inversion(pipe, uneven)
    assert [each.name for each in loaded(pipe)] == ["EasyNegative"]
    unload(pipe)
    assert type(shared) is type(tiny_pipelines.clip_tokenizer())
    for encoder in (pipe.text_encoder, pipe.text_encoder_2):
        assert not hasattr(encoder.get_input_embeddings(), "learned")


def test_encoders_may_have_unequal_numbers_of_vectors(sdxl):
    word = embedding("EasyNegative", 4, BOTH)
    word = word.replace(vectors={**word.vectors, "clip_g": word.vectors["clip_g"].rows(0, 2)})
    (one,) = load_textual_inversion(sdxl, [word])
    load_textual_inversion(sdxl, embedding("other", 3, BOTH))
    assert one.vectors == {"clip_l": 4, "clip_g": 2}
    counts = [
        sum(i < 0 for i in each("EasyNegative other")["input_ids"]) for each in (sdxl.tokenizer, sdxl.tokenizer_2)
    ]
    assert counts == [7, 5]
