"""ComfyUI's list of model folders gives the folders that ComfyUI itself finds embeddings in."""

import builtins
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loanword.embeddings.errors import Damaged, FileError, Unreadable, UnrecognisedFormat
from loanword.extension.model_paths import LARGEST, embedding_folders

yaml = pytest.importorskip("yaml")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to be in, with some folders of embeddings in it."""
    monkeypatch.chdir(tmp_path)
    for folder in ("webui/embeddings", "webui/more", "comfy/models/embeddings", "beside", "home/mine"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("MODELS", str(tmp_path / "comfy"))
    return tmp_path


def folders_of(place, text, name="extra_model_paths.yaml"):
    path = place / name
    path.write_text(text, encoding="utf-8")
    return [os.path.relpath(each, place).replace(os.sep, "/") for each in embedding_folders(str(path))]


def test_folders_are_below_the_base_path(place):
    text = f"a111:\n  base_path: {place}/webui/\n  checkpoints: models\n  embeddings: embeddings\n"
    assert folders_of(place, text) == ["webui/embeddings"]


def test_a_relative_base_path_is_below_the_file(place):
    assert folders_of(place, "a:\n  base_path: ../webui\n  embeddings: embeddings\n", "beside/x.yaml") == [
        "webui/embeddings"
    ]


def test_without_a_base_path_folders_are_below_the_file(place):
    (place / "beside" / "style").mkdir()
    text = f"a:\n  embeddings: |\n    style\n    {place}/webui/more\n"
    assert folders_of(place, text, "beside/x.yaml") == ["beside/style", "webui/more"]


def test_several_folders_stand_on_several_lines(place):
    text = "a:\n  base_path: webui\n  embeddings: |\n      embeddings/\n\n      more\n      missing\n"
    assert folders_of(place, text) == ["webui/embeddings", "webui/more"]


def test_several_folders_may_stand_in_a_list(place):
    assert folders_of(place, "a:\n  base_path: webui\n  embeddings: [embeddings, more, 3]\n") == [
        "webui/embeddings",
        "webui/more",
    ]


def test_home_and_variables_are_expanded_in_base_paths(place):
    text = "a:\n  base_path: ~/\n  embeddings: mine\nb:\n  base_path: $MODELS/models\n  embeddings: embeddings\n"
    assert folders_of(place, text) == ["home/mine", "comfy/models/embeddings"]


def test_default_folders_come_first_and_each_comes_once(place):
    text = """
a: {base_path: webui, embeddings: embeddings}
b: {base_path: webui, embeddings: more}
c: {base_path: webui, is_default: true, embeddings: more}
d: {base_path: comfy, embeddings: ../webui/embeddings}
"""
    assert folders_of(place, text) == ["webui/more", "webui/embeddings"]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "a:\n", "a:\n  checkpoints: x\n", "a:\n  embeddings:\n", "a: 3\n", "a: [b]\n"]
)
def test_files_without_folders_of_embeddings_give_none(place, text):
    assert folders_of(place, text) == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"a: [", Damaged),
        (b"a: !!python/object/apply:os.system ['true']\n", Damaged),
        (b"[" * 5000, Damaged),
        (b"a: 2001-99-99\n", Damaged),
        (b"\xff\xfea\x00", Damaged),
        (b"- a\n- b\n", UnrecognisedFormat),
        (b"just words", UnrecognisedFormat),
        (b"#" * (LARGEST + 1), UnrecognisedFormat),
        (b"a: \x00", Damaged),
    ],
)
def test_other_files_are_refused_in_a_line_that_begins_with_the_path(place, content, error):
    path = place / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        embedding_folders(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.yaml", ".", "a\0b"])
def test_what_is_no_file_is_unreadable(place, name):
    with pytest.raises(Unreadable):
        embedding_folders(os.path.join(place, name))


def test_without_pyyaml_the_error_says_what_to_install(place, monkeypatch):
    def without_yaml(name, *rest):
        if name == "yaml":
            raise ImportError(name)
        return original(name, *rest)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(Unreadable, match="pip install PyYAML"):
        folders_of(place, "a:\n  embeddings: x\n")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(content=ANYTHING | st.fixed_dictionaries({"a": st.fixed_dictionaries({"embeddings": ANYTHING})}))
def test_whatever_a_yaml_file_says_there_are_folders_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "x.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        folders = embedding_folders(str(path))
    except FileError:
        assert content is not None
        assert not isinstance(content, dict)
    else:
        assert all(os.path.isdir(folder) for folder in folders)
