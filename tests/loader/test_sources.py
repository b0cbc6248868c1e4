"""Everything that can be loaded: files, folders, state dicts, tensors, lists of them, the Hub; and what is refused."""

import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from by_hand import embedding
from loanword import CannotLoad, Unreadable, Vectors, write
from loanword.loader.textual_inversion import load_textual_inversion, loaded, unload

BOTH = ("clip_l", "clip_g")


def vectors_of(pipe, name, which=""):
    encoder, tokenizer = getattr(pipe, f"text_encoder{which}"), getattr(pipe, f"tokenizer{which}")
    ids = tokenizer(name, add_special_tokens=False)["input_ids"]
    return encoder.get_input_embeddings()(torch.tensor(ids))


def numbers(word, key="clip_l"):
    return torch.from_numpy(word.vectors[key].numpy())


TENSOR = torch.from_numpy(embedding("t", 3).vectors["clip_l"].numpy())
STATE_DICTS = {
    "diffusers' with two vectors": ({"<cat>": TENSOR}, None, "<cat>"),
    "diffusers' with one": ({"<cat>": TENSOR[0]}, None, "<cat>"),
    "A1111's": ({"string_to_param": {"*": TENSOR}, "name": "style", "step": 5}, None, "style"),
    "kohya's": ({"emb_params": TENSOR}, "style", "style"),
    "ComfyUI's": ({"clip_l": TENSOR}, "style", "style"),
    "a parameter": ({"<cat>": torch.nn.Parameter(TENSOR)}, None, "<cat>"),
    "a tensor": (TENSOR, "style", "style"),
    "a numpy array": (TENSOR.numpy(), "style", "style"),
    "a vector": (TENSOR[0], "style", "style"),
    "half a tensor": (TENSOR.half(), "style", "style"),
    "a tensor that needs a gradient": (TENSOR.clone().requires_grad_(), "style", "style"),
    "a part of a larger tensor": (torch.cat([TENSOR, TENSOR])[3:], "style", "style"),
}


@pytest.mark.parametrize("case", STATE_DICTS)
def test_tensors_and_state_dicts_are_taken_as_diffusers_takes_them(case, sd1):
    source, token, name = STATE_DICTS[case]
    handle = load_textual_inversion(sd1, source, token)
    assert handle.names == (name,)
    expected = TENSOR.half().float() if "half" in case else TENSOR[: len(vectors_of(sd1, name))]
    assert torch.equal(vectors_of(sd1, name), expected)


@pytest.mark.parametrize(
    "keys", [("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")], ids=["ComfyUI's", "pivotal tuning's"]
)
def test_state_dicts_of_sdxl_go_to_both_encoders(keys, sdxl):
    word = embedding("x", 2, BOTH)
    state = {key: numbers(word, encoder) for key, encoder in zip(keys, BOTH, strict=True)}
    load_textual_inversion(sdxl, state, "web_y2k")
    for which, key in (("", "clip_l"), ("_2", "clip_g")):
        assert torch.equal(vectors_of(sdxl, "web_y2k", which), numbers(word, key))
    unload(sdxl)
    load_textual_inversion(sdxl, state, ["<s0>", "<s1>"])
    assert torch.equal(vectors_of(sdxl, "<s0><s1>", "_2"), numbers(word, "clip_g"))
    assert torch.equal(vectors_of(sdxl, "<s1>"), numbers(word)[1:])


def test_every_encoder_can_be_loaded_on_its_own_as_diffusers_documents_it(sdxl):
    word = embedding("x", 2, BOTH)
    for encoder, tokenizer, key in (
        (sdxl.text_encoder, sdxl.tokenizer, "clip_l"),
        (sdxl.text_encoder_2, sdxl.tokenizer_2, "clip_g"),
    ):
        load_textual_inversion(sdxl, numbers(word, key), ["<s0>", "<s1>"], text_encoder=encoder, tokenizer=tokenizer)
    assert torch.equal(vectors_of(sdxl, "<s0><s1>", "_2"), numbers(word, "clip_g"))
    assert torch.equal(vectors_of(sdxl, "<s0><s1>"), numbers(word))
    assert [each.vectors for each in loaded(sdxl)] == [{"clip_l": 1, "clip_g": 1}] * 2


def test_an_encoder_without_its_tokenizer_gets_the_pipelines_own(sdxl):
    word = embedding("x", 2, BOTH)
    load_textual_inversion(sdxl, numbers(word, "clip_g"), "style", text_encoder=sdxl.text_encoder_2)
    assert torch.equal(vectors_of(sdxl, "style", "_2"), numbers(word, "clip_g"))
    assert all(each >= 0 for each in sdxl.tokenizer("style")["input_ids"])
    with pytest.raises(CannotLoad, match="unnamed 2 x 1280"):
        load_textual_inversion(sdxl, numbers(word, "clip_g"), "other", text_encoder=sdxl.text_encoder)


@pytest.mark.parametrize("target", ["diffusers", "a1111", "comfyui"])
def test_files_and_folders_are_read(target, sd1, tmp_path):
    word = embedding("badhand", 3)
    path = Path(write(word, tmp_path, target=target)[0])
    assert load_textual_inversion(sd1, path).names == ("badhand",)
    assert torch.equal(vectors_of(sd1, "badhand"), numbers(word))
    unload(sd1)
    load_textual_inversion(sd1, str(tmp_path), weight_name=path.name)
    unload(sd1)
    load_textual_inversion(sd1, str(tmp_path), "other")
    assert torch.equal(vectors_of(sd1, "other"), numbers(word))
    unload(sd1)
    load_textual_inversion(sd1, path.read_bytes(), "other")
    assert torch.equal(vectors_of(sd1, "other"), numbers(word))


def test_lists_are_loaded_with_lists_of_tokens(sd1, tmp_path):
    words = [embedding(name, 2, seed=i) for i, name in enumerate(("aq", "bq", "cq"))]
    (path,) = write(words[0], tmp_path, target="a1111")
    sources = [path, words[1], {"<cq>": numbers(words[2])}]
    assert load_textual_inversion(sd1, sources).names == ("aq", "bq", "<cq>")
    unload(sd1)
    assert load_textual_inversion(sd1, sources, ["x", None, "z"]).names == ("x", "bq", "z")
    assert torch.equal(vectors_of(sd1, "x"), numbers(words[0]))
    unload(sd1)
    assert load_textual_inversion(sd1, torch.cat([numbers(each) for each in words]), list("abcdef")).names == tuple(
        "abcdef"
    )
    assert torch.equal(vectors_of(sd1, "c"), numbers(words[1])[:1])


@pytest.mark.parametrize(
    ("sources", "tokens", "message"),
    [
        ([TENSOR, TENSOR], ["a"], "2 embeddings and 1 tokens were passed"),
        ([TENSOR, TENSOR], "a", "2 embeddings and 1 tokens were passed"),
        (TENSOR, None, "a tensor has no name of its own; pass token="),
        (TENSOR, ["a", "b"], "2 tokens were passed for one embedding of 3 vectors"),
        (TENSOR, ["a", "a", "b"], "hold duplicates"),
        ({"emb_params": TENSOR}, None, "does not say what it is called; pass token="),
        ({"<a>": TENSOR, "<b>": TENSOR}, ["x", "y", "z"], "3 tokens were passed for 2 embeddings"),
        (TENSOR[:, :700], "a", "this pipeline takes them for clip_l"),
        ({"<a>": TENSOR.int()}, None, "int32"),
        (torch.zeros(2, 3, 768), "a", "shape"),
        (torch.zeros(0, 768), "a", "no vector"),
        (5, "a", "int is nothing that holds an embedding"),
    ],
)
def test_sources_and_tokens_that_do_not_fit_together_are_explained(sources, tokens, message, sd1):
    with pytest.raises(ValueError, match=message):
        load_textual_inversion(sd1, sources, tokens)
    assert loaded(sd1) == ()


def test_several_embeddings_of_one_file_come_under_their_own_names(sd1):
    state = {"<a>": TENSOR, "<b>": TENSOR[:1]}
    assert load_textual_inversion(sd1, state).names == ("<a>", "<b>")


def test_an_embedding_of_another_base_model_is_explained(sd1, sdxl, flux):
    with pytest.raises(
        CannotLoad, match=r"clip_h 2 x 1024.*takes them for clip_l \(CLIP ViT-L/14, 768 wide\).*Stable Diffusion 2"
    ):
        load_textual_inversion(sd1, embedding("x", 2, ("clip_h",)))
    with pytest.raises(CannotLoad, match="allow_partial=True uses it, and clip_g reads nothing in its place"):
        load_textual_inversion(sdxl, embedding("x", 2))
    with pytest.raises(CannotLoad, match="t5xxl reads nothing"):
        load_textual_inversion(flux, embedding("x", 2))


def test_part_of_an_embedding_is_used_where_that_is_allowed(sdxl):
    word = embedding("EasyNegative", 3)
    plain = [each("a photo, here")["input_ids"] for each in (sdxl.tokenizer, sdxl.tokenizer_2)]
    (one,) = load_textual_inversion(sdxl, word, allow_partial=True)
    assert one.vectors == {"clip_l": 3, "clip_g": 0}
    assert str(one) == "EasyNegative: clip_l 3, clip_g nothing"
    ids = sdxl.tokenizer("a photo, EasyNegative here")["input_ids"]
    assert [each for each in ids if each >= 0] == plain[0]
    assert torch.equal(vectors_of(sdxl, "EasyNegative"), numbers(word))
    assert sdxl.tokenizer_2("a photo, EasyNegative here")["input_ids"] == plain[1]
    unload(sdxl, "EasyNegative")
    assert loaded(sdxl) == ()


def test_an_sdxl_embedding_suits_pipelines_with_one_of_its_encoders(sdxl_refiner):
    word = embedding("EasyNegative", 3, BOTH)
    (one,) = load_textual_inversion(sdxl_refiner, word)
    assert one.vectors == {"clip_g": 3}
    assert torch.equal(vectors_of(sdxl_refiner, "EasyNegative", "_2"), numbers(word, "clip_g"))


def test_vectors_that_a_prompt_cannot_give_are_refused(sd1):
    some = Vectors.from_numpy(np.ones((2, 768), np.float32))
    with pytest.raises(CannotLoad, match="output-space vectors"):
        load_textual_inversion(sd1, embedding("x", 2).replace(output_vectors={"clip_l": some}))
    with pytest.raises(CannotLoad, match="every layer of the U-Net"):
        load_textual_inversion(sd1, embedding("x", 2).replace(vectors={}, layer_vectors={"IN01": some}))


def test_a_pipeline_without_its_text_encoder_is_explained():
    class Empty:
        text_encoder = tokenizer = None

    with pytest.raises(CannotLoad, match="Empty has no text encoder with a tokenizer here"):
        load_textual_inversion(Empty(), embedding("x", 2))


def test_an_unknown_argument_is_an_error(sd1):
    with pytest.raises(TypeError, match="tokn"):
        load_textual_inversion(sd1, embedding("x", 2), tokn="y")


def test_loras_with_bundled_embeddings_are_read(sd1, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "style.safetensors"
    tensors = {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.ones(2, 4)}
    tensors |= {f"bundle_emb.{name}.string_to_param.*": TENSOR.clone() for name in ("neon", "v1.5 x")}
    safetensors.save_file(tensors, path)
    assert sorted(load_textual_inversion(sd1, path).names) == ["neon", "v1.5 x"]
    assert torch.equal(vectors_of(sd1, "v1.5 x"), TENSOR)


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as `resolve` takes: repositories of a few files, one of them private."""

    files: dict[str, bytes]
    asked: list[str]

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        self.asked.append(f"{self.command} {self.path}")
        owner, _name, _, revision, *rest = self.path.strip("/").split("/")
        missing = "RepoNotFound" if owner == "nobody" else None
        if owner == "private" and self.headers.get("Authorization") != "Bearer secret":
            missing = "RepoNotFound"
        content = self.files.get("/".join(rest))
        if revision not in ("main", "v2"):
            missing = missing or "RevisionNotFound"
        if missing or content is None:
            self.send_response(404 if missing != "RepoNotFound" else 401)
            self.send_header("X-Error-Code", missing or "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", "0123456789" * 4)
        self.send_header("ETag", f'"{abs(hash(content)):040x}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server that answers for the Hub, and a function that loads from it as a user would."""
    import huggingface_hub
    from huggingface_hub import constants

    folder = tmp_path / "files"
    folder.mkdir()
    files = {}
    for name, count, seed in (("learned_embeds.bin", 2, 1), ("sub/winter.pt", 3, 2), ("learned_embeds.fp16.bin", 1, 3)):
        word = embedding("<cat-toy>" if "learned" in name else "winter", count, seed=seed)
        (path,) = write(word, folder / Path(name).name, format="diffusers" if "learned" in name else "a1111")
        files[name] = Path(path).read_bytes()
    handler = type("Hub", (Hub,), {"files": files, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for module in (constants, huggingface_hub.file_download):
        if hasattr(module, "HUGGINGFACE_CO_URL_TEMPLATE"):
            template = address + "/{repo_id}/resolve/{revision}/{filename}"
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    huggingface_hub.utils.disable_progress_bars()
    yield partial(load_textual_inversion, cache_dir=tmp_path / "cache"), handler, server
    server.shutdown()
    server.server_close()


def test_embeddings_are_fetched_from_the_hub(hub, sd1):
    load, handler, _ = hub
    assert load(sd1, "someone/cat-toy").names == ("<cat-toy>",)
    assert torch.equal(vectors_of(sd1, "<cat-toy>"), numbers(embedding("<cat-toy>", 2, seed=1)))
    unload(sd1)
    assert load(sd1, "someone/cat-toy", weight_name="winter.pt", subfolder="sub", revision="v2").names == ("winter",)
    assert any("/resolve/v2/sub/winter.pt" in each for each in handler.asked)
    unload(sd1)
    assert [each.vectors for each in load(sd1, "someone/cat-toy", variant="fp16")] == [{"clip_l": 1}]
    unload(sd1)
    assert load(sd1, ["someone/cat-toy", embedding("x", 1)], ["toy", None]).names == ("toy", "x")


def test_what_was_fetched_is_there_offline(hub, sd1):
    load, handler, server = hub
    load(sd1, "someone/cat-toy")
    unload(sd1)
    server.shutdown()
    server.server_close()
    handler.asked.clear()
    assert load(sd1, "someone/cat-toy", local_files_only=True).names == ("<cat-toy>",)
    assert handler.asked == []
    with pytest.raises(Unreadable, match=r"someone/other: 'learned_embeds.*is not in the cache"):
        load(sd1, "someone/other", local_files_only=True)


def test_a_private_repository_needs_a_token(hub, sd1):
    load, _, _ = hub
    with pytest.raises(Unreadable, match="private/cat-toy: is neither a local path nor a repository"):
        load(sd1, "private/cat-toy")
    assert load(sd1, "private/cat-toy", hf_token="secret").names == ("<cat-toy>",)


@pytest.mark.parametrize(
    ("repository", "options", "message"),
    [
        ("nobody/nothing", {}, "is neither a local path nor a repository on the Hub that you may read"),
        ("someone/cat-toy", {"weight_name": "other.bin"}, "has no file 'other.bin'; pass weight_name="),
        ("someone/cat-toy", {"revision": "v9"}, "has no revision 'v9'"),
        ("someone/cat--toy", {}, "is neither a local path nor a possible name"),
    ],
)
def test_what_is_missing_on_the_hub_is_told(repository, options, message, hub, sd1):
    load, _, _ = hub
    with pytest.raises(Unreadable, match=message):
        load(sd1, repository, **options)
    assert loaded(sd1) == ()


@pytest.mark.parametrize("path", ["nothere.pt", "./nothere/nothere", "/nothere/x.safetensors", "a/b.bin"])
def test_a_missing_path_is_not_looked_for_on_the_hub(path, sd1):
    with pytest.raises(Unreadable, match="no such file"):
        load_textual_inversion(sd1, path)


def test_a_folder_without_the_file_that_was_asked_for_is_told(sd1, tmp_path):
    (tmp_path / "special_params.json").write_text(json.dumps({}))
    with pytest.raises(Unreadable, match=r"has no file 'x\.pt'"):
        load_textual_inversion(sd1, tmp_path, weight_name="x.pt")
