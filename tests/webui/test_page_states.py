"""The page where there is no model, no file, no server, a feature less, another language, or very many files."""

import re
import statistics
import time
import urllib.error
import urllib.request

import loanword
import pytest
from playwright.sync_api import expect
from webui.a_library import one, picture
from webui.conftest import show_tab
from webui.serving import data_folder, webui
from webui.test_page_list import names, row

MANY = 10_000
SMOOTH_MS = 100
"""What 19 of 20 frames take at most, on a processor that other tests use, too, and that paints by itself."""
FIRST_PAGE_S = 1
TRIES = 5
"""The best counts: whatever else the machine does only makes it slower."""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A WebUI without a model, with ten thousand files that are indexed already."""
    folder = data_folder(tmp_path_factory.mktemp("many"))
    content = None
    for number in range(MANY):
        path = folder / "embeddings" / f"style-{number:05}.safetensors"
        if content is None:
            loanword.write(one("style", 1), path)
            content = path.read_bytes()
        path.write_bytes(content[:-8] + number.to_bytes(8, "little"))
    with loanword.open_library(str(folder / "library.sqlite")) as library:
        library.scan([str(folder / "embeddings")])
    with webui(folder, "--model", "none", "--setting", "localization=de_DE") as running:
        yield running


def test_ten_thousand_files_are_there_within_a_second(many, open_tab):
    page = open_tab(many, height=900)
    first = page.get_by_text("style-00000", exact=True)
    first.wait_for()

    def seconds():
        page.reload()
        page.wait_for_selector("#loanword-root", state="attached")
        start = time.monotonic()
        first.wait_for(state="attached")
        return time.monotonic() - start

    assert min(seconds() for _ in range(TRIES)) < FIRST_PAGE_S
    assert page.locator(".count").inner_text().startswith("10,000")


SCROLL = """async list => {
    const frames = [];
    let before = performance.now();
    for (let step = 0; step < 60; step++) {
        list.scrollTop += 700;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - before);
        before = now;
    }
    return frames;
}"""


def test_scrolling_through_ten_thousand_is_smooth_and_reaches_the_end(many, open_tab):
    page = open_tab(many, height=900)
    runs = [page.locator(".list").evaluate(SCROLL) for _ in range(TRIES)]
    assert min(statistics.quantiles(frames, n=20)[-1] for frames in runs) < SMOOTH_MS
    assert page.locator(".rows .row").count() < 60
    page.locator(".rows .row[data-id]").first.focus()
    page.keyboard.press("End")
    expect(page.get_by_text("style-09999", exact=True)).to_be_visible()
    expect(row(page, "style-09999")).to_be_focused()
    page.keyboard.press("Home")
    expect(row(page, "style-00000")).to_be_focused()


def test_a_search_in_ten_thousand_finds_one(many, open_tab):
    page = open_tab(many, height=900)
    page.get_by_role("searchbox").fill("style-07777")
    expect(page.locator(".rows [data-id]")).to_have_count(1)
    assert names(page) == ["style-07777"]


def test_converting_ten_thousand_can_be_cancelled_and_leaves_whole_files(many, open_tab):
    page = open_tab(many, height=900)
    page.get_by_role("button", name="Alle umwandeln…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Format", exact=True).select_option(value="comfyui")
    dialog.get_by_role("button", name="Umwandeln", exact=True).click()
    expect(dialog.locator(".jobtext")).to_have_text(re.compile(r"\d+ von 10"), timeout=30_000)
    dialog.get_by_role("button", name="Schließen").click()
    page.locator(".tray").get_by_role("button", name="Abbrechen").click()
    expect(page.locator(".tray .jobtext")).to_contain_text("Abgebrochen", timeout=15_000)
    made = [path for path in many.embeddings.iterdir() if not path.name.startswith("style-") or "-2" in path.stem[6:]]
    assert all(loanword.read(path) for path in made)


def test_without_a_model_everything_is_listed_and_says_so(many, open_tab):
    page = open_tab(many, height=900)
    expect(page.locator(".hostlines")).to_contain_text("Kein Modell ist geladen")
    expect(page.get_by_label("Grundmodell", exact=True)).to_have_value("")


def test_the_page_speaks_the_language_of_the_host(many, open_tab):
    page = open_tab(many, height=900)
    for name in ("Alle umwandeln…", "Dateien hinzufügen…", "LoRA auspacken…", "Ordner neu lesen"):
        expect(page.get_by_role("button", name=name)).to_be_visible()
    expect(page.get_by_role("columnheader", name="Grundmodell")).to_be_visible()
    expect(page.locator(".count")).to_contain_text("10,000 Embeddings")


def test_an_empty_library_says_where_files_go_and_takes_them(tmp_path, open_tab):
    with webui(data_folder(tmp_path / "empty"), "--model", "none") as running:
        page = open_tab(running, wait_for=".state")
        expect(page.get_by_text("No embeddings yet.")).to_be_visible()
        expect(page.get_by_text("drop them here: embeddings")).to_be_visible()
        loanword.write(one("first", 2), running.embeddings / "first.safetensors")
        page.get_by_label("Read the folders again").click()
        expect(row(page, "first")).to_be_visible()
        running.process.kill()
        running.process.wait()
        page.get_by_label("Search embeddings").fill("second")
        expect(page.get_by_role("alert").filter(has_text="The WebUI does not answer")).to_be_visible()
        expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_what_a_host_does_not_allow_is_said(tmp_path, open_tab):
    folder = data_folder(tmp_path / "other")
    loanword.write(one("first", 2), folder / "embeddings" / "first.safetensors")
    with webui(folder, "--without", "modules.prompt_parser") as running:
        page = open_tab(running)
        expect(page.locator(".hostlines li")).to_have_count(1)
        expect(page.locator(".hostlines")).to_contain_text("embedding:name")


def test_an_answer_that_is_an_error_is_one_line(tab):
    tab.route(
        "**/loanword/v1/embeddings/*",
        lambda route: route.fulfill(
            status=404,
            content_type="application/json",
            body='{"error": {"code": "gone", "message": "there is no such embedding"}}',
        ),
    )
    row(tab, "badhands").get_by_label("Details of badhands").click()
    expect(tab.get_by_role("complementary").get_by_role("alert")).to_have_text("There is no such embedding")


def test_a_host_that_answers_before_its_extensions_do_is_waited_for(server, open_tab):
    page = open_tab(server)
    asked = []

    def not_yet(route):
        asked.append(route.request.url)
        route.continue_() if len(asked) > 1 else route.fulfill(status=404, json={"detail": "Not Found"})

    page.route("**/loanword/v1/session", not_yet)
    page.reload()
    show_tab(page)
    expect(row(page, "badhands")).to_be_visible()
    assert len(asked) == 2


def test_another_model_is_noticed_when_the_tab_is_shown_again(tab):
    def without_a_model(route):
        answer = route.fetch().json()
        answer["host"] |= {"model_loaded": False, "base_model": None}
        route.fulfill(json=answer)

    expect(tab.get_by_text("No model is loaded")).to_have_count(0)
    tab.route("**/loanword/v1/session", without_a_model)
    show_tab(tab, "txt2img")
    show_tab(tab)
    expect(tab.get_by_text("No model is loaded")).to_be_visible()
    expect(tab.get_by_label("Base model", exact=True).locator("option", has_text="(loaded)")).to_have_count(0)


def test_the_tab_works_where_the_api_asks_for_a_password(tmp_path, open_tab):
    folder = data_folder(tmp_path / "locked")
    loanword.write(one("first", 2), folder / "embeddings" / "first.safetensors")
    (folder / "embeddings" / "first.png").write_bytes(picture((0, 90, 0)))
    with webui(folder, "--api-auth", "user:secret") as running:
        page = open_tab(running)
        expect(row(page, "first").locator("img")).to_be_visible()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{running.url}loanword/v1/embeddings")
