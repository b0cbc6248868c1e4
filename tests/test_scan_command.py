"""`loanword scan`: what it prints and returns, for people and as JSON."""

import json
import os

import loanword
import pytest
from click.testing import CliRunner
from loanword.__main__ import main
from samples import some


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOANWORD_LIBRARY", str(tmp_path / "library.sqlite"))
    (tmp_path / "in").mkdir()


def scan(*arguments):
    return CliRunner().invoke(main, ["scan", *arguments])


def save(path, rows=2, name="style"):
    loanword.write(loanword.Embedding(name, {"clip_l": some(rows)}), path)


def test_it_says_what_there_is_and_what_is_new():
    save("in/one.pt", 1)
    save("in/deep/two.safetensors", 2)
    first = scan("in")
    assert first.exit_code == 0
    assert "Stable Diffusion 1.x" in first.stdout
    assert "2 added, 0 changed, 0 removed, 0 unchanged" in first.stderr
    assert "0 added, 0 changed, 0 removed, 2 unchanged" in scan("in").stderr


def test_it_names_what_is_damaged_the_same_or_called_the_same():
    save("in/a/cat.pt", 1, "cat")
    save("in/b/dog.pt", 1, "dog")
    save("in/c/cat.pt", 2, "cat")
    with open("in/half.pt", "wb") as file:
        file.write(b"PK\3\4")
    with open("in/page.pt", "wb") as file:
        file.write(b"<!DOCTYPE html>")
    result = scan("in")
    assert result.exit_code == 0
    for line in ("damaged: ", "duplicate: 'cat', 'dog': ", "name collision: 'cat': "):
        assert line in result.stderr
    assert os.path.join("in", "half.pt") in result.stderr
    assert "page.pt" not in result.stderr
    assert "not an embedding" in result.stdout


def test_json_has_everything():
    save("in/a/cat.pt", 1, "cat")
    save("in/b/dog.pt", 1, "dog")
    values = json.loads(scan("in", "--json").stdout)
    assert len(values["added"]) == 2
    assert [each["embeddings"][0]["name"] for each in values["files"]] == ["cat", "dog"]
    assert [[each["name"] for each in group] for group in values["duplicates"]] == [["cat", "dog"]]
    assert values["collisions"] == []


def test_a_folder_that_is_not_there_is_a_failure():
    save("in/one.pt")
    result = scan("in", "nowhere")
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    assert "Stable Diffusion 1.x" in result.stdout


def test_names_cannot_reach_the_terminal_as_commands():
    save("in/one.pt", 1, "a\x1b[31m\nb")
    save("in/two.pt", 1, "a\x1b[31m\nb")
    result = scan("in")
    assert "\x1b" not in result.stdout + result.stderr
