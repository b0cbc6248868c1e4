"""loanword's nodes: the same in both of ComfyUI's ways to define them, and writing nowhere but where they may."""

import asyncio
import contextlib
import dataclasses
import importlib
import os
import sys
from pathlib import Path

import loanword
import pytest
import samples
from comfyui.parts import SD1, SD2, made, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loanword.extension.comfyui.nodes import NODES

ROOT = Path(loanword.__file__).parent
BY_KEY = {node.key: node for node in NODES}
PROMPT, INSPECT, CONVERT = (
    BY_KEY[f"Loanword{key}"].run for key in ("EmbeddingPrompt", "InspectEmbedding", "ConvertEmbedding")
)
BUNDLE, UNBUNDLE = BY_KEY["LoanwordBundleLora"].run, BY_KEY["LoanwordUnbundleLora"].run
AS_IT_IS = {"program": "comfyui", "dtype": "as it is", "place": "output/embeddings"}


def lora_in(comfy, name="style.safetensors"):
    from loanword.converters.containers.safetensors import save_safetensors
    from loanword.converters.payload import Draft

    (comfy.loras / name).write_bytes(save_safetensors(Draft(samples.lora_tensors())))
    return name


def below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.key)
def test_every_node_explains_itself(node):
    page = (ROOT / "extension/comfyui/web/docs" / f"{node.key}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {node.title}\n")
    for each in node.inputs:
        assert each.tooltip
        assert each.key in page
    assert all(each.tooltip for each in node.outputs)
    assert node.description
    assert node.search_aliases


def test_help_pages_are_there_for_nodes_only():
    assert {path.stem for path in (ROOT / "extension/comfyui/web/docs").iterdir()} == set(BY_KEY)


def test_a_current_comfyui_gets_the_nodes_by_its_current_api(comfy):
    assert not hasattr(loanword, "NODE_CLASS_MAPPINGS")
    assert not hasattr(loanword, "NODE_DISPLAY_NAME_MAPPINGS")
    extension = asyncio.run(loanword.comfy_entrypoint())
    classes = asyncio.run(extension.get_node_list())
    schemas = {each.define_schema().node_id: each.define_schema() for each in classes}
    assert schemas.keys() == BY_KEY.keys()
    for key, schema in schemas.items():
        assert [each.id for each in schema.inputs] == [each.key for each in BY_KEY[key].inputs]
        assert [each.display_name for each in schema.outputs] == [each.name for each in BY_KEY[key].outputs]
        assert schema.category == "loanword"
    loanword.write(made("my cat"), comfy.embeddings)
    inspect = next(each for each in classes if each.define_schema().node_id == "LoanwordInspectEmbedding")
    assert inspect.define_schema().inputs[0].options == ["my cat"]
    output = inspect.execute(embedding="my cat")
    assert output.args[0] == output.ui.value


@pytest.mark.usefixtures("comfy")
def test_search_aliases_reach_a_comfyui_that_knows_them():
    api = sys.modules["comfy_api.latest"]
    fields = [("search_aliases", list, dataclasses.field(default_factory=list))]
    api.io.Schema = dataclasses.make_dataclass("Schema", fields, bases=(api.io.Schema,))
    classes = asyncio.run(asyncio.run(loanword.comfy_entrypoint()).get_node_list())
    assert all("textual inversion" in each.define_schema().search_aliases for each in classes)


def test_an_older_comfyui_gets_the_nodes_as_a_mapping(comfy, monkeypatch):
    monkeypatch.setitem(sys.modules, "comfy_api.latest", None)
    classes, titles = loanword.NODE_CLASS_MAPPINGS, loanword.NODE_DISPLAY_NAME_MAPPINGS
    assert not hasattr(loanword, "comfy_entrypoint")
    assert classes.keys() == titles.keys() == BY_KEY.keys()
    loanword.write(made("my cat"), comfy.embeddings)
    for key, node in classes.items():
        types = node.INPUT_TYPES()
        assert [*types["required"], *types["optional"]] == [each.key for each in BY_KEY[key].inputs]
        assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES) == len(node.OUTPUT_TOOLTIPS)
    convert = classes["LoanwordConvertEmbedding"]
    assert convert.INPUT_TYPES()["required"]["embedding"][0] == ["my cat"]
    made_of_it = getattr(convert(), convert.FUNCTION)(embedding="my cat", **AS_IT_IS)
    assert made_of_it["result"] == ("output/embeddings/my_cat.safetensors",)
    assert made_of_it["ui"]["text"] == made_of_it["result"]


def test_the_web_folder_is_named_and_there(comfy, monkeypatch):
    hooks = importlib.import_module("loanword.extension.comfyui.hooks")
    hooks.uninstall()
    monkeypatch.setitem(sys.modules, "server", None)
    assert (ROOT / loanword.WEB_DIRECTORY / "loanword.js").is_file()
    assert hasattr(comfy.sd1_clip.load_embed, "loanword_original")
    assert comfy.said("list of embeddings does not show")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a My Cat, here", ["my cat"]),
        ("a <my cat> and <concept>", ["my cat", "concept"]),
        ("embedding:my cat, (embedding:concept:1.2)", ["my cat", "concept"]),
        ("<embed:my cat>", ["my cat"]),
        ("[my cat] (my cat:1.3)", ["my cat"]),
        ("nothing", []),
    ],
)
def test_the_prompt_node_reads_the_names_of_every_program(comfy, text, names):
    known = {"my cat": made("my cat", 2), "concept": made("<concept>", 1)}
    loanword.write(known["my cat"], comfy.embeddings)
    loanword.write(known["concept"], comfy.embeddings / "learned_embeds.bin", format="diffusers")
    conditioning, report = PROMPT(comfy.clip(), text).values
    found = [token[0].tolist() for token in conditioning[0][0]["l"][0] if hasattr(token[0], "shape")]
    expected = [row for name in names for row in rows(known[name])] * (2 if text.startswith("[") else 1)
    assert found == expected
    assert [line.split(" (")[0] for line in report.splitlines()] == (names or ["no embeddings are used"])


def test_a_word_that_is_also_an_announced_name_stays_a_word(comfy):
    embedding = made("<dog>", 2)
    loanword.write(embedding, comfy.embeddings / "learned_embeds.bin", format="diffusers")
    for text in ("<dog> with a dog", "embedding:dog with a dog, <dog>"):
        (tokens,) = PROMPT(comfy.clip(), text).values[0][0][0]["l"]
        found = [token.tolist() for token, _ in tokens if hasattr(token, "shape")]
        assert found == rows(embedding) * (text.count("<dog>") + text.count("embedding:")), text


def test_a_path_means_the_file_at_that_path_in_the_node_too(comfy):
    one, other = made("style", 1), made("style", 2)
    loanword.write(one, comfy.embeddings / "a/style.safetensors")
    loanword.write(other, comfy.embeddings / "b/style.safetensors")
    (tokens,) = PROMPT(comfy.clip(), "embedding:b/style, embedding:a/style.safetensors").values[0][0][0]["l"]
    assert [token.tolist() for token, _ in tokens if hasattr(token, "shape")] == [*rows(other), *rows(one)]


def test_a_name_with_parentheses_is_found_escaped_or_not(comfy):
    embedding = made("cat (v2)", 2)
    loanword.write(embedding, comfy.embeddings / "cat (v2).pt")
    for text in ("cat (v2)", r"cat \(v2\)", r"(embedding:cat \(v2\):1.2)", "<cat (v2)>"):
        (tokens,) = PROMPT(comfy.clip(), text).values[0][0][0]["l"]
        assert [token.tolist() for token, _ in tokens if hasattr(token, "shape")] == rows(embedding), text
    assert comfy.vectors(r"a (embedding:cat \(v2\):1.2) here") == rows(embedding)


def test_weights_are_read_as_the_prompts_program_reads_them(comfy):
    loanword.write(made("cat", 1), comfy.embeddings)
    for text, syntax, weight in (
        ("(cat:1.3)", "automatic", 1.3),
        ("[cat]", "automatic", 0.9091),
        ("<cat>1.5", "automatic", 1.0),
        ("(<cat>)1.5", "automatic", 1.5),
        ("(<cat>:1.5)", "automatic", 1.5),
        ("(a <cat>, dog:1.5)", "automatic", 1.5),
        ("cat:1.5", "automatic", 1.0),
        ("[cat:dog:0.5]", "automatic", 1.0),
        ("[embedding:cat]", "comfyui", 1.0),
    ):
        (tokens,) = PROMPT(comfy.clip(), text, syntax).values[0][0][0]["l"]
        (found,) = [weight for token, weight in tokens if hasattr(token, "shape")]
        assert found == pytest.approx(weight), text


def test_the_report_says_what_does_not_fit_and_what_may_be_meant(comfy):
    loanword.write(made("porsche911_ti", 8), comfy.embeddings / "cars/porsche911_ti.pt")
    report = PROMPT(comfy.clip(SD2), "a porsche911_ti, embedding:porshe911_ti").values[1]
    assert report.splitlines() == [
        "porsche911_ti (for Stable Diffusion 1.x), vectors used: none; embeddings/cars/porsche911_ti.pt",
        "'porsche911_ti' is for Stable Diffusion 1.x, this model reads prompts with OpenCLIP ViT-H/14; it is left out",
        "no embedding is called 'porshe911_ti'; is 'porsche911_ti' meant?",
    ]


def test_inspect_says_what_it_is_and_shows_it(comfy):
    loanword.write(made("my cat", 3), comfy.embeddings / "my cat.pt", format="a1111")
    text, picture = INSPECT("my cat").values
    assert "Stable Diffusion 1.x" in text
    assert "embeddings/my cat.pt (AUTOMATIC1111" in text
    assert str(comfy.base) not in text
    assert picture.ndim == 4
    assert picture.shape[::3] == (1, 3)
    assert 0 <= picture.min() < picture.max() <= 1
    near = INSPECT("my cat", comfy.clip(SD1)).values[0]
    assert "nearest" in near


@pytest.mark.parametrize("key", ["nan", "zeros", "output", "layers", "many"])
def test_inspect_shows_odd_embeddings_too(comfy, key):
    import numpy as np

    numbers = {"nan": np.full((2, 768), np.nan), "zeros": np.zeros((2, 768)), "many": np.ones((120, 768))}
    if key in numbers:
        odd = loanword.Embedding("odd 猫", {"clip_l": loanword.Vectors.from_numpy(numbers[key].astype("float32"))})
        loanword.write(odd, comfy.embeddings / "odd 猫.pt", format="a1111")
    elif key == "output":
        odd = loanword.Embedding("odd 猫", output_vectors={"clip_l": samples.L})
        loanword.write(odd, comfy.embeddings / "odd 猫.safetensors", format="onetrainer")
    else:
        odd = loanword.Embedding("odd 猫", layer_vectors=samples.XTI)
        loanword.write(odd, comfy.embeddings / "odd 猫.safetensors", format="xti")
    text, picture = INSPECT("odd 猫").values
    assert "odd 猫" in text
    assert picture.isfinite().all()


@pytest.mark.parametrize("key", ["LoanwordEmbeddingPrompt", "LoanwordInspectEmbedding", "LoanwordConvertEmbedding"])
@pytest.mark.parametrize("modern", [True, False])
def test_a_node_runs_again_where_a_file_came_or_changed(comfy, monkeypatch, key, modern):
    if modern:
        classes = asyncio.run(asyncio.run(loanword.comfy_entrypoint()).get_node_list())
        state = next(each for each in classes if each.__name__ == key).fingerprint_inputs
    else:
        monkeypatch.setitem(sys.modules, "comfy_api.latest", None)
        state = loanword.NODE_CLASS_MAPPINGS[key].IS_CHANGED
    inputs = {"text": "a cat", "syntax": "automatic"} if "Prompt" in key else {"embedding": "cat", "name": ""}
    states = [state(**inputs)]
    loanword.write(made("cat", 1), comfy.embeddings / "cat.pt")
    states.append(state(**inputs))
    os.utime(comfy.embeddings / "cat.pt", ns=(1, 1))
    states.append(state(**inputs))
    assert len(set(states)) == 3
    assert state(**inputs) == states[-1]


def test_convert_writes_for_another_program(comfy):
    loanword.write(made("my cat", 2), comfy.embeddings / "my cat.pt")
    before = below(comfy.base / "models")
    (text,) = CONVERT("my cat", "diffusers", "float16", "output/embeddings", "tabby").values
    assert text == "output/embeddings/tabby.safetensors"
    written = loanword.read(comfy.base / "output/embeddings/tabby.safetensors")
    assert written.name == "tabby"
    assert written.vectors["clip_l"].dtype == "float16"
    assert below(comfy.base / "models") == before


def test_convert_keeps_what_is_there(comfy):
    loanword.write(made("cat", 2), comfy.embeddings / "cat.pt")
    first = CONVERT("cat", **AS_IT_IS).values
    assert CONVERT("cat", **AS_IT_IS).values == first
    place = comfy.base / "output/embeddings/cat.safetensors"
    place.write_bytes(b"mine")
    with pytest.raises(loanword.CannotWrite, match="already there"):
        CONVERT("cat", **AS_IT_IS)
    assert place.read_bytes() == b"mine"


def test_convert_never_replaces_the_original(comfy):
    loanword.write(made("cat", 2), comfy.embeddings / "cat.safetensors", format="kohya")
    before = (comfy.embeddings / "cat.safetensors").read_bytes()
    with pytest.raises(loanword.CannotWrite, match="original"):
        CONVERT("cat", "comfyui", "float16", "models/embeddings")
    assert (comfy.embeddings / "cat.safetensors").read_bytes() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    name=st.one_of(
        st.text(min_size=1, max_size=40), st.sampled_from(["../../x", "/etc/x", "..\\x", "a/../../b", "\0", "CON"])
    )
)
def test_whatever_the_new_name_is_it_stays_in_the_folder(comfy, name):
    place = comfy.embeddings / "cat.pt"
    if not place.exists():
        loanword.write(made("cat", 1), place)
    before = below(comfy.base)
    with contextlib.suppress(loanword.LoanwordError):
        CONVERT("cat", "a1111", "as it is", "output/embeddings", name)
    fresh = {path for path in below(comfy.base) - before if not path.startswith("library.sqlite")}
    assert all(os.path.dirname(path) == "output/embeddings" for path in fresh)
    assert len(fresh) <= 1


@pytest.mark.parametrize("value", ["", "../cat", "/etc/passwd", "cat\0", "nothing"])
def test_what_is_not_in_the_lists_is_refused(comfy, value):
    loanword.write(made("cat", 1), comfy.base / "models/outside.pt")
    lora_in(comfy)
    with pytest.raises(loanword.UnknownName):
        CONVERT(value, **AS_IT_IS)
    with pytest.raises(loanword.UnknownName):
        CONVERT("cat", **{**AS_IT_IS, "place": value})
    with pytest.raises(loanword.UnknownName):
        UNBUNDLE(f"{value}/../style.safetensors", "comfyui", "output/embeddings")


def test_a_lora_is_bundled_and_unbundled_again(comfy):
    lora = lora_in(comfy)
    before = (comfy.loras / lora).read_bytes()
    embedding = made("my cat", 3)
    loanword.write(embedding, comfy.embeddings)
    BUNDLE(lora, "my cat", "../with a cat")
    made_of_it = comfy.base / "output/loras/with a cat.safetensors"
    assert (comfy.loras / lora).read_bytes() == before
    made_of_it.rename(comfy.loras / made_of_it.name)
    UNBUNDLE(made_of_it.name, "a1111", "output/embeddings")
    assert loanword.read(comfy.base / "output/embeddings/my cat.safetensors").vectors == embedding.vectors
    (comfy.base / "output/loras/again.safetensors").touch()
    with pytest.raises(loanword.CannotWrite):
        BUNDLE(lora, "my cat", "again")


def test_embeddings_of_one_name_are_told_apart_by_their_files(comfy):
    from loanword.extension.comfyui.choices import embedding_labels

    loanword.write(made("style", 1), comfy.embeddings / "a/style.pt")
    loanword.write(made("style", 2), comfy.embeddings / "b/style.pt")
    assert embedding_labels() == ["style (embeddings/a/style.pt)", "style (embeddings/b/style.pt)"]
    assert "CLIP ViT-L/14: 2 x 768" in INSPECT("style (embeddings/b/style.pt)").values[0]


def test_embeddings_that_nothing_tells_apart_are_numbered(comfy):
    from loanword.extension.comfyui.choices import embedding_labels

    elsewhere = comfy.base / "elsewhere/embeddings"
    loanword.write(made("style", 1), comfy.embeddings / "style.pt")
    loanword.write(made("style", 2), elsewhere / "style.pt")
    comfy.folder_paths.folder_names_and_paths["embeddings"][0].append(str(elsewhere))
    assert embedding_labels() == ["style (embeddings/style.pt)", "style (embeddings/style.pt) (2)"]
    assert "CLIP ViT-L/14: 1 x 768" in INSPECT("style (embeddings/style.pt)").values[0]
    assert "CLIP ViT-L/14: 2 x 768" in INSPECT("style (embeddings/style.pt) (2)").values[0]


def test_the_name_of_a_file_with_several_embeddings_shows_and_converts_all_of_them(comfy):
    loanword.write([made("<cat>", 2), made("<dog>", 1)], comfy.embeddings / "two.bin", format="diffusers")
    text, picture = INSPECT("two").values
    assert "<cat>" in text
    assert "<dog>" in text
    assert picture.shape[1] > INSPECT("cat").values[1].shape[1]
    assert len(CONVERT("two", **AS_IT_IS).values[0].splitlines()) == 2
    with pytest.raises(loanword.CannotWrite, match="choose one of them"):
        CONVERT("two", name="both", **AS_IT_IS)


def test_what_is_inside_a_lora_is_labelled_with_the_loras_folder(comfy):
    from loanword.extension.comfyui.choices import embedding_labels

    loanword.write(made("cat", 1), comfy.embeddings / "cat.pt")
    loanword.bundle(comfy.loras / lora_in(comfy), made("cat", 2), comfy.loras / "sub/bundle.safetensors")
    assert embedding_labels() == ["cat (embeddings/cat.pt)", "cat (loras/sub/bundle.safetensors)"]


def test_of_two_files_with_one_name_the_node_takes_the_one_that_comfyui_takes(comfy):
    loanword.write(made("style", 1), comfy.embeddings / "style.pt")
    loanword.write(made("style", 3), comfy.embeddings / "style.safetensors")
    loanword.write(made("style", 2), comfy.embeddings / "a/style.safetensors")
    taken = comfy.vectors("embedding:style")
    assert taken == rows(made("style", 3))
    for text in ("embedding:style", "style", "<style>"):
        (tokens,) = PROMPT(comfy.clip(), text).values[0][0][0]["l"]
        assert [token.tolist() for token, _ in tokens if hasattr(token, "shape")] == taken, text


@pytest.mark.parametrize("modern", [True, False])
def test_an_error_is_a_line_that_names_files_as_users_know_them(comfy, monkeypatch, modern):
    loanword.write(made("cat", 2), comfy.embeddings / "cat.safetensors", format="kohya")
    (comfy.base / "output/embeddings").mkdir()
    (comfy.base / "output/embeddings/cat.safetensors").touch()
    (comfy.loras / "broken.safetensors").touch()
    lora_in(comfy)
    again = {"embedding": "cat", "program": "comfyui", "dtype": "as it is"}
    bundle, unbundle = {"embedding": "cat", "name": ""}, {"program": "a1111", "place": "output/embeddings"}
    for key, inputs, line in (
        ("ConvertEmbedding", {**again, "place": "output/embeddings"}, "output/embeddings/cat.safetensors: is already"),
        ("ConvertEmbedding", {**again, "place": "models/embeddings"}, "embeddings/cat.safetensors: would replace"),
        ("BundleLora", {**bundle, "lora": "broken.safetensors"}, "loras/broken.safetensors: is empty"),
        ("UnbundleLora", {**unbundle, "lora": "style.safetensors"}, "loras/style.safetensors: has no embeddings"),
    ):
        with pytest.raises(loanword.LoanwordError) as caught:
            run_as_comfyui_does(f"Loanword{key}", inputs, monkeypatch, modern=modern)
        assert str(caught.value).startswith(line)
        assert len(str(caught.value).splitlines()) == 1
        assert str(comfy.base) not in str(caught.value)


def run_as_comfyui_does(key, inputs, monkeypatch, *, modern):
    if modern:
        classes = asyncio.run(asyncio.run(loanword.comfy_entrypoint()).get_node_list())
        return next(each for each in classes if each.__name__ == key).execute(**inputs)
    monkeypatch.setitem(sys.modules, "comfy_api.latest", None)
    return loanword.NODE_CLASS_MAPPINGS[key]().run(**inputs)
