"""Every sentence of the page has a translation, and no translation has lost its sentence or its gaps."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRANSLATIONS = sorted((ROOT / "localizations").glob("*.json"))
CALL = re.compile(r"\bsay(?:Count)?\(")
PART = re.compile(r'"(?:[^"\\]|\\.)*"|[()\[\]{}]')


def sentences():
    """The strings inside calls of `say` and `sayCount`."""
    found = set()
    for script in (ROOT / "javascript").glob("*.js"):
        source = script.read_text("utf-8")
        for call in CALL.finditer(source):
            depth = 1
            for part in PART.finditer(source, call.end()):
                text = part.group()
                if text.startswith('"'):
                    found.add(json.loads(text))
                else:
                    depth += 1 if text in "([{" else -1
                if not depth:
                    break
    return {text for text in found if re.search(r"[^\W\d_]{2}", text)} - {"negative"}


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_every_sentence_is_translated(path):
    translated = json.loads(path.read_text("utf-8"))
    assert set(translated) == sentences()
    for sentence, translation in translated.items():
        assert sorted(re.findall(r"\{\w+\}", translation)) == sorted(re.findall(r"\{\w+\}", sentence))


def test_nothing_on_the_page_becomes_markup():
    for script in (ROOT / "javascript").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script.read_text("utf-8")
        )
