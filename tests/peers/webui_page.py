"""The page of a real WebUI in Chromium, used as people use it; run by `webui.py` where playwright is installed.

The WebUI has the files of `make_library`. What is clicked is the host's own: its tabs, its prompt, its cards, its
"Reload UI".
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "checkout"), str(ROOT / "tests/webui")]

import loanword
import webui_files
from conftest import CHROMIUM, show_tab
from outcomes import check

SEVERAL = ("<lwcat>", "<lwdog>")
"""Two embeddings in one file, of which no WebUI makes anything by itself."""
WAIT_MS = 240_000
LOADED = "image => { image.loading = 'eager'; return image.naturalWidth > 0 }"


@dataclass(frozen=True)
class Names:
    """What a host calls what is clicked here."""

    prompts: str = "txt2img"
    """The tab with the prompt, whatever the case."""
    cards: str = "Textual Inversion"
    card: str = "#txt2img_textual_inversion_cards .card"
    reload: str = "Reload UI"
    settings: str | None = None
    """The tab where that is; None where it is in the foot of the page."""
    relist: str | None = None
    """What has to be clicked for the cards of a model that was loaded after the page was made."""


_RELIST = "#txt2img_extra_refresh"
NAMES = {
    "sdnext": Names("Text", "Embedding", "#txt2img_embedding_cards .card", "Restart server", "System", _RELIST),
}


def make_library(folder):
    """Files that a host reads by itself, and that it does not; with a preview."""
    from PIL import Image

    loanword.write(webui_files.embedding("lwgood", "sd1", 1), folder, format="a1111")
    several = [webui_files.embedding(name, "sd1", seed) for seed, name in enumerate(SEVERAL, 2)]
    loanword.write(several, folder / "lwcast.bin", format="diffusers")
    Image.new("RGB", (96, 96), "#c0683c").save(folder / "lwcast.preview.png")


def use(url, host, folders, pictures, reloaded):
    """Do everything; `reloaded` is called after "Reload UI".

    `folders` are that with embeddings and that for conversions; pictures of the page go into the folder `pictures`.
    """
    from playwright.sync_api import sync_playwright

    names = NAMES.get(host, Names())
    pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        with opened(browser, url, "light") as page:
            with check("the page: the tab lists embeddings, and a click puts one into the prompt and out again"):
                listed(page)
                page.screenshot(path=pictures / "tab-light.png")
                in_and_out(page, SEVERAL[0])
            with check("the page: look inside shows pictures"):
                look_inside(page)
                page.screenshot(path=pictures / "inside-light.png")
            with check("the page: a conversion writes a file"):
                convert(page, *folders)
            with check("the page: the host's own cards show what loanword reads, with its preview"):
                cards(page, names)
                page.screenshot(path=pictures / "cards-light.png")
            with check(f'the page: after the host\'s "{names.reload}" the tab works as before'):
                reload_ui(page, names)
                listed(page)
                page.screenshot(path=pictures / "tab-reloaded.png")
                in_and_out(page, SEVERAL[1])
                cards(page, names)
            reloaded()
        with opened(browser, url, "dark") as page, check("the page: in dark colours, too"):
            listed(page)
            page.screenshot(path=pictures / "tab-dark.png")
            look_inside(page)
            page.screenshot(path=pictures / "inside-dark.png")
        browser.close()


@contextmanager
def opened(browser, url, theme):
    """The page, of whose scripts none may fail; nor may one in the name of a file run, and ask something."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, locale="en-US", reduced_motion="reduce")
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    page.goto(f"{url}?__theme={theme}")
    yield page
    with check(f"the page: no script failed, and none of a file ran, {theme}"):
        assert not problems, problems
    context.close()


def listed(page):
    show_tab(page)
    page.get_by_label("Search embeddings").fill("lw")
    row(page, SEVERAL[0]).wait_for()
    row(page, "lwgood").wait_for()


def row(page, name):
    """The first of a name: what was converted has its name, too."""
    return page.locator(".rows .row").filter(has=page.locator(".name").get_by_text(name, exact=True)).first


def in_and_out(page, name):
    prompt = page.locator("#txt2img_prompt textarea")
    row(page, name).locator(".name").click()
    assert prompt.input_value() == name, prompt.input_value()
    row(page, name).locator(".name").click()
    assert not prompt.input_value(), prompt.input_value()


def details(page, name):
    page.get_by_label(f"Details of {name}", exact=True).first.click()
    return page.get_by_role("complementary", name="Details")


def look_inside(page):
    panel = details(page, "lwgood")
    panel.get_by_text("Look inside").click()
    panel.locator("figure img[src]").first.scroll_into_view_if_needed()


def convert(page, embeddings, folder):
    details(page, "lwgood").get_by_role("button", name="Convert…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Program", exact=True).select_option(label="ComfyUI")
    dialog.get_by_label("Folder", exact=True).select_option(label=folder.name)
    dialog.get_by_role("button", name="Convert", exact=True).click()
    dialog.locator(".job[data-state=done]").wait_for()
    (made,) = folder.iterdir()
    assert loanword.read(made).provenance.format == "comfyui"
    assert loanword.read(made).vectors == loanword.read(embeddings / "lwgood.pt").vectors
    dialog.get_by_role("button", name="Close").click()


def cards(page, names):
    show_tab(page, names.prompts)
    page.locator("#txt2img_extra_tabs").get_by_text(names.cards, exact=True).first.dispatch_event("click")
    if names.relist is not None:
        page.locator(names.relist).dispatch_event("click")
    for name in SEVERAL:
        card = page.locator(f"{names.card}[data-name='{name}']")
        card.wait_for(state="attached")
        page.wait_for_function(LOADED, arg=card.locator("img").first.element_handle())


def reload_ui(page, names):
    """Press it; the page loads itself anew once the server answers again."""
    if names.settings:
        show_tab(page, names.settings)
    with page.expect_event("load", timeout=WAIT_MS):
        page.get_by_text(names.reload, exact=True).last.click()
