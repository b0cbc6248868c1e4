"""Which name a prompt means, for any names and any prompt."""

from comfyui.parts import made
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from loanword.embeddings.indexed import IndexedFile, indexed
from loanword.embeddings.prompts import fold
from loanword.extension.comfyui.shelf import Shelf

WORDS = st.sampled_from(["my", "cat", "Cat", "dog", "v2", "neon", "猫", "a_b", "x-y", "911"])
NAMES = st.lists(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=8, unique_by=fold)
RESTS = st.sampled_from(["", ",", ", best", " sits", " here, there", ")", ":1.2", ". Then", "\nembedding:x"])


class Shelved:
    """A library of files that hold an embedding each."""

    def __init__(self, paths):
        self.found = [
            IndexedFile(path, 1, 1, "embedding", "", embeddings=(indexed(made(name, 1)),)) for path, name in paths
        ]

    def scan(self, folders):
        return bool(folders)

    def files(self, folders):
        return [file for file in self.found if any(file.path.startswith(folder) for folder in folders)]


def shelf_of(names):
    return Shelf(Shelved([(f"/e/{number}/{name}.pt", name) for number, name in enumerate(names)]), ("/e",))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(names=NAMES, rest=RESTS, data=st.data())
def test_the_longest_name_that_a_text_begins_with_is_found(names, rest, data):
    name = data.draw(st.sampled_from(names))
    text = data.draw(st.sampled_from([name, name.upper(), name.replace(" ", "  ")])) + rest
    begun = [each for each in names if fold(text).startswith(fold(each))]
    whole = [each for each in begun if fold(text)[len(fold(each)) :][:1] in ("", " ")]
    assume(whole)
    entry, end = shelf_of(names).longest(text)
    assert fold(entry.name) == max((fold(each) for each in whole), key=len)
    assert fold(text[:end]) == fold(entry.name)


@settings(deadline=None)
@given(names=NAMES, text=st.text(max_size=60))
def test_any_text_is_read_without_a_mistake(names, text):
    shelf = shelf_of(names)
    found = shelf.longest(text)
    if found is not None:
        assert 0 < found[1] <= len(text)
    assert shelf.at_path(text) is None or text


def test_paths_are_found_as_comfyui_finds_them():
    paths = [("/e/style.pt", "one"), ("/e/sub/style.safetensors", "two"), ("/e/sub/deep/other.bin", "three")]
    shelf = Shelf(Shelved(paths), ("/e",))
    for spelling, path in (
        ("style", "/e/style.pt"),
        ("style.pt", "/e/style.pt"),
        ("sub/style", "/e/sub/style.safetensors"),
        ("style.safetensors", "/e/sub/style.safetensors"),
        ("sub/deep/other", "/e/sub/deep/other.bin"),
        ("deep/other.bin", "/e/sub/deep/other.bin"),
        ("./sub/style", "/e/sub/style.safetensors"),
    ):
        assert shelf.at_path(spelling).path == path, spelling
    for spelling in ("", ".", "../e/style", "/e/style.pt", "STYLE", "styl", "sub"):
        assert shelf.at_path(spelling) is None, spelling
