"""What the page looks like to people who see little, use keys, or have a small window, in both themes."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from webui.test_page_actions import details
from webui.test_page_list import row

OURS = {"include": [["#loanword-root"]]}
"""The host's own page is not ours to judge."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


def violations(page):
    answer = Axe().run(page, context=OURS, options=RULES).response["violations"]
    return [(each["id"], node["target"], node["failureSummary"]) for each in answer for node in each["nodes"]]


def opened(server, open_tab, theme, **size):
    page = open_tab(server, theme=theme, **size)
    page.get_by_role("button", name="Show all").click()
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_list_the_panel_and_a_dialog_are_accessible(server, open_tab, theme):
    page = opened(server, open_tab, theme)
    row(page, "xl-style").wait_for()
    page.get_by_label("Select badhands").check()
    assert violations(page) == []
    panel = details(page, "badhands")
    panel.get_by_text("Look inside").click()
    panel.locator("figure img").first.wait_for()
    panel.locator("summary", has_text="In words").click()
    assert violations(page) == []
    panel.get_by_role("button", name="Convert…").click()
    page.get_by_role("dialog").get_by_role("button", name="Try it first").click()
    expect(page.locator("dialog .job")).to_have_attribute("data-state", "done")
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_small_window_shows_everything_that_matters(server, open_tab, theme):
    page = opened(server, open_tab, theme, width=420, height=1600)
    line = row(page, "badhands")
    expect(line).to_be_visible()
    edges = page.locator(".tab :is(button, select, input, .row)").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect()).filter(box => box.width).map(box => box.right)"
    )
    assert max(edges) <= 420
    box = line.bounding_box()
    assert box["x"] + box["width"] <= 420
    for text in ("badhands", "SD 1.x", "6 tokens"):
        expect(line.get_by_text(text).first).to_be_visible()
    assert violations(page) == []
    details(page, "badhands")
    expect(line).not_to_be_visible()
    page.keyboard.press("Escape")
    expect(line).to_be_visible()


def test_nothing_moves_while_it_is_used(server, open_tab):
    page = opened(server, open_tab, "light")
    top = page.locator(".list").bounding_box()["y"]
    page.get_by_label("Select badhands").check()
    assert page.locator(".list").bounding_box()["y"] == top
    page.get_by_label("Search embeddings").fill("nothing of this name")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    assert page.locator(".middle").bounding_box()["y"] == top - 1
    page.get_by_role("button", name="Show everything").click()
    expect(row(page, "badhands")).to_be_visible()
    assert page.locator(".list").bounding_box()["y"] == top


def test_focus_stays_in_a_dialog_and_goes_back_afterwards(server, open_tab):
    page = opened(server, open_tab, "light")
    button = page.get_by_role("button", name="Convert all…")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Convert")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") in ("loanword-root", "")
        assert dialog.evaluate("dialog => dialog.contains(dialog.getRootNode().activeElement) || !document.hasFocus()")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()


def test_the_host_does_not_hear_what_is_typed_here(server, open_tab):
    page = opened(server, open_tab, "light")
    page.evaluate(
        "() => { window.heard = []; document.addEventListener('keydown', event => window.heard.push(event.key)) }"
    )
    page.get_by_label("Search embeddings").press_sequentially("twin")
    page.keyboard.press("Escape")
    assert page.evaluate("window.heard") == []
