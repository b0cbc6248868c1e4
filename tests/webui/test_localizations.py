"""Every sentence of the page and of the server has a translation, and none has lost its sentence or its gaps."""

import json
import re

import pytest
from webui import sentences
from webui.sentences import ROOT, of_the_page

TRANSLATIONS = sorted((ROOT / "localizations").glob("*.json"))
GAP = re.compile(r"\{\w*\}")


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_every_sentence_is_translated(path):
    translated = json.loads(path.read_text("utf-8"))
    spoken = ("page", "server", "settings", "tables", "pictures", "system")
    assert set(translated) == set().union(*(getattr(sentences, f"of_the_{each}")() for each in spoken))
    for sentence, translation in translated.items():
        assert translation
        assert len(GAP.findall(translation)) == len(GAP.findall(sentence))
        if sentence in of_the_page():
            assert sorted(GAP.findall(translation)) == sorted(GAP.findall(sentence))


def test_nothing_on_the_page_becomes_markup():
    for script in (ROOT / "javascript").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script.read_text("utf-8")
        )
