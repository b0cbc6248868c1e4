"""The page in German: nothing that the server says of files, work or prompts stays English, whatever stands in it."""

import json
import re
import time

import loanword
import pytest
from playwright.sync_api import expect
from webui.a_library import EVIL, make_library, one
from webui.sentences import ROOT, of_the_server
from webui.serving import data_folder, webui
from webui.test_page_list import row

GERMAN = json.loads((ROOT / "localizations" / "de_DE.json").read_text("utf-8"))
ENGLISH = re.compile(
    r"\b(?:the|is|are|be|of|and|not|with|which|it|its|their|to|from|for|has|have|no|this|that|by)\b", re.IGNORECASE
)
NAMES = re.compile(r"to-[\w-]+|no-such-\w+|For the negative prompt\.|Mix-of-Show")
"""Names, and what the user wrote; no translation touches them."""


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    """A library with something of everything that may be wrong with files."""
    folder = data_folder(tmp_path_factory.mktemp("german"))
    (folder / "converted").mkdir()
    make_library(folder / "embeddings", folder / "models" / "Lora")
    made = folder / "embeddings"
    (made / "sub").mkdir()
    loanword.write(one("badhands", 3, 50), made / "sub" / "badhands.safetensors")
    loanword.write(one("toy", 3, 51), made / "toys" / "toy.safetensors")
    (made / "refused.pt").write_bytes(b"\x80\x02cos\nsystem\nq\x00.")
    (made / "page.safetensors").write_text("<!DOCTYPE html><html>")
    (made / "odd; name: a, b.pt").write_bytes(b"")
    with webui(
        folder, "--setting", "localization=de_DE", "--setting", f"loanword_folders={folder / 'converted'}"
    ) as it:
        yield it


@pytest.fixture
def page(german, open_tab):
    page = open_tab(german)
    page.get_by_role("button", name="Alle zeigen").click()
    page.get_by_text("xl-style", exact=True).first.wait_for()
    return page


TEXTS = """root => {
    const texts = [];
    for (const element of root.shadowRoot.querySelectorAll("*")) {
        if (element.closest("style, dd, .prompttext, .file, code")) continue;
        for (const name of ["title", "aria-label", "alt", "placeholder"]) texts.push(element.getAttribute(name) || "");
        for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) texts.push(node.data);
    }
    return texts.filter(Boolean);
}"""


def english(page):
    """The texts of the tab that are English, seen or read out."""
    texts = page.locator("#loanword-root").evaluate(TEXTS)
    assert len(texts) > 50
    return sorted({text for text in texts if ENGLISH.search(NAMES.sub("", text))})


def details(page, name):
    row(page, name).get_by_label(f"Einzelheiten zu {name}").click()
    panel = page.get_by_role("complementary", name="Einzelheiten")
    expect(panel.get_by_role("heading", name=name, exact=True)).to_be_visible()
    return panel


def test_the_list_says_in_german_why_files_are_not_used(page):
    for name, said in (
        (
            "broken.safetensors",
            "Ist 5000 Bytes lang, ihr Kopf beschreibt 12744; laden Sie die Datei noch einmal herunter",
        ),
        ("refused.pt", "Ihr Pickle nennt 'os.system'; loanword führt keinen Code aus Dateien aus"),
        ("page.safetensors", "Eine Webseite, die anstelle der Datei gespeichert wurde"),
        ("odd; name: a, b.pt", "Ist leer; laden Sie die Datei noch einmal herunter"),
        (
            "xl-style",
            "Es ist für SDXL gemacht; der geladene Checkpoint ist Stable Diffusion 1.x. Laden Sie",
        ),
        ("easy-negative", "For the negative prompt."),
    ):
        expect(row(page, name).locator(".remark")).to_contain_text(said)
    marks = row(page, "badhands").locator(".mark")
    expect(marks.filter(has_text="gleicher Name")).to_have_count(2)
    expect(marks.filter(has_text="gleicher Name").first).to_have_attribute(
        "title", "Ein anderes Embedding heißt genauso; Programme benutzen nur eines davon."
    )
    assert english(page) == []


@pytest.mark.parametrize("name", ["broken.safetensors", "refused.pt", "holed", "xl-style", "to-convert", "<cat>", EVIL])
def test_the_panel_is_german(page, name):
    details(page, name)
    assert english(page) == []


@pytest.mark.parametrize("name", ["to-convert", "holed", "xl-style", "near-a"])
def test_looking_inside_is_german_for_screen_readers_too(page, name):
    panel = details(page, name)
    panel.get_by_text("Hineinsehen").click()
    expect(panel.locator("figure img").last).to_have_attribute("alt", re.compile("Norm"))
    panel.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
    assert english(page) == []


def test_what_prompts_use_is_said_in_german(page):
    prompt = f"(badhands:1.2), xl-style, embedding:no-such-thing, {EVIL}"
    page.locator("#txt2img_prompt textarea").evaluate("(area, text) => { area.value = text }", prompt)
    page.get_by_role("button", name="Prompts prüfen…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("In Worten").first.click()
    expect(dialog.get_by_text("mit Gewicht 1.2 benutzt; es braucht")).to_be_visible()
    expect(dialog.get_by_text("xl-style wird genannt, bewirkt aber nichts. Es ist für SDXL gemacht")).to_be_visible()
    assert english(page) == []


def test_refusals_are_german(page, tmp_path):
    details(page, "to-rename").get_by_role("button", name="Umbenennen…").click()
    dialog = page.get_by_role("dialog")
    for name, said in (("a:b", "Das neue Auslösewort enthält ':'"), ("a/b", "'a/b' kann kein Dateiname sein")):
        dialog.get_by_label("Neues Auslösewort").fill(name)
        dialog.get_by_role("button", name="Umbenennen", exact=True).click()
        expect(dialog.locator(".jobtext")).to_contain_text(said)
        assert english(page) == []
    dialog.get_by_role("button", name="Schließen").click()
    details(page, "to-picture").get_by_role("button", name="Vorschau setzen").click()
    expect(page.locator(".toast")).to_have_text("Es wurde noch kein Bild erzeugt")
    (tmp_path / "notes.html").write_text("<p>")
    (tmp_path / "stub.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    page.locator("input[type=file]").set_input_files(tmp_path / "notes.html")
    expect(page.locator(".toast")).to_contain_text("Embeddings sind Dateien mit einer dieser Endungen: .avif")
    assert english(page) == []
    page.locator("input[type=file]").set_input_files(tmp_path / "stub.safetensors")
    expect(page.get_by_role("dialog").locator(".uploads li")).to_contain_text("ein")
    assert english(page) == []


@pytest.mark.parametrize("put", ["", "<b>x</b>", r"a {} {0} $& \ b", "Ä; ö: ", "its "])
def test_each_sentence_is_found_whatever_stands_in_its_gaps(page, put):
    sentences = sorted(of_the_server())
    values = [[f"{put}{number}" for number in range(each.count("{}"))] for each in sentences]
    asked = [filled(each, its) for each, its in zip(sentences, values, strict=True)]
    answers = page.evaluate("texts => texts.map(loanword.told)", asked)
    expected = [filled(GERMAN[each], its) for each, its in zip(sentences, values, strict=True)]
    assert [*zip(asked, answers, strict=True)] == [*zip(asked, expected, strict=True)]


def test_the_longest_texts_take_no_time(page):
    text = "; ".join(["a: b, its pickle names '"] * 300)
    start = time.monotonic()
    page.evaluate("text => loanword.told(text)", text)
    assert time.monotonic() - start < 1


def test_outcomes_of_work_are_german(page, german):
    (german.folder / "converted" / "to-replace.safetensors").write_bytes(b"precious")
    page.get_by_role("button", name="Alle umwandeln…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Ordner").select_option(label="converted")
    for button in ("Erst ausprobieren", "Umwandeln"):
        dialog.get_by_role("button", name=button, exact=True).click()
        expect(dialog.locator(".job")).to_have_attribute("data-state", "done")
        outcomes = dialog.locator(".outcomes")
        expect(outcomes).to_contain_text("Was daraus würde, ist schon da; Überschreiben ersetzt es")
        expect(outcomes).to_contain_text("benennen Sie eine davon um")
        assert english(page) == []


def filled(sentence, values):
    pieces = sentence.split("{}")
    return "".join(piece + value for piece, value in zip(pieces, [*values, ""], strict=True))
