"""The list: what it says of each file, what it shows of many, and how an embedding gets into a prompt."""

import re

import pytest
from playwright.sync_api import expect
from webui.a_library import EVIL
from webui.conftest import show_tab


def row(page, name):
    return page.locator(".rows .row").filter(has=page.locator(".name").get_by_text(name, exact=True))


def names(page):
    return page.locator(".rows .row[data-id] .name").all_inner_texts()


def prompt(page, key="txt2img_prompt"):
    return page.locator(f"#{key} textarea")


def heard(page, key="txt2img_prompt"):
    """What the server gets of a prompt: the host's own event handling has to have noticed the change."""
    page.locator(f"#{key.partition('_')[0]}_generate").dispatch_event("click")
    return prompt(page, f"{key}_heard")


def test_a_row_says_what_an_embedding_is_and_costs(tab):
    line = row(tab, "easy-negative")
    for text in (
        "SD 1.x",
        "8 tokens",
        "8 × CLIP ViT-L/14",
        "float16",
        "safetensors",
        "13 KB",
        "For the negative prompt.",
    ):
        expect(line).to_contain_text(text)
    expect(line.locator("img")).to_have_attribute("src", re.compile("^blob:"))
    expect(row(tab, "badhands")).to_contain_text("badhandv3")


def test_a_row_says_what_is_wrong_with_a_file(tab):
    expect(row(tab, "badhands").locator(".mark")).to_have_text(["pickle"])
    expect(row(tab, "holed").locator(".mark")).to_have_count(1)
    expect(row(tab, "twin-a").locator(".mark")).to_have_text(["duplicate"])
    broken = row(tab, "broken.safetensors")
    expect(broken).to_contain_text("no embedding")
    expect(broken.locator(".remark")).to_contain_text("5000 bytes")
    expect(broken.get_by_role("button")).to_have_count(1)


def test_a_row_says_why_the_host_leaves_it_out_and_what_to_do(tab):
    remark = row(tab, "xl-style").locator(".remark.problem")
    expect(remark).to_have_text(re.compile(r"made for SDXL.*Load a checkpoint of SDXL\."))


def test_at_first_there_is_what_fits_the_loaded_model(server, open_tab):
    page = open_tab(server)
    expect(page.get_by_label("Base model", exact=True)).to_have_value("current")
    assert "xl-style" not in names(page)
    page.get_by_role("button", name="Show all").click()
    expect(row(page, "xl-style")).to_be_visible()


def test_names_that_are_markup_are_text(tab):
    tab.evaluate("() => { window.boom = () => { window.boomed = true } }")
    line = row(tab, EVIL)
    expect(line).to_be_visible()
    assert line.locator("img").count() == 0
    line.get_by_role("button", name=f"Details of {EVIL}").click()
    expect(tab.get_by_role("heading", name=EVIL)).to_be_visible()
    assert tab.evaluate("window.boomed") is None


def test_the_search_narrows_while_it_is_typed(tab):
    search = tab.get_by_label("Search embeddings")
    search.press_sequentially("twin")
    expect(tab.locator(".rows [data-id]")).to_have_count(2)
    expect(tab.locator(".count")).to_contain_text("2 embeddings")
    search.fill("nothing is called this")
    expect(tab.get_by_text("Nothing fits this search")).to_be_visible()
    tab.get_by_role("button", name="Show everything").click()
    expect(row(tab, "xl-style")).to_be_visible()


def test_the_search_finds_what_is_written_about_an_embedding(tab):
    search = tab.get_by_placeholder("Search names, files, notes and tags")
    search.fill("for the prompt NEGATIVE.")
    expect(tab.locator(".rows [data-id]")).to_have_count(1)
    expect(row(tab, "easy-negative")).to_be_visible()


@pytest.mark.parametrize(
    ("filter_name", "choice", "found"),
    [
        ("Base model", re.compile("SDXL"), ["xl-style"]),
        ("Format", re.compile("tensors named by"), ["xl-style"]),
        ("Condition", re.compile("duplicate"), ["twin-a", "twin-b"]),
        ("Condition", re.compile("damaged file"), ["broken.safetensors"]),
    ],
)
def test_a_filter_leaves_what_fits(tab, filter_name, choice, found):
    select = tab.get_by_label(filter_name, exact=True)
    option = select.locator("option").filter(has_text=choice)
    expect(option).to_contain_text(f"({len(found)})")
    select.select_option(value=option.get_attribute("value"))
    expect(tab.locator(".rows [data-id]")).to_have_count(len(found))
    assert sorted(names(tab)) == found


def test_the_order_can_be_chosen_turned_and_is_remembered(tab):
    tab.get_by_label("Order by").select_option(value="size")
    tab.get_by_label("Ascending; click for descending").click()
    expect(tab.locator(".rows .name").first).to_have_text("xl-style")
    tab.reload()
    show_tab(tab)
    tab.get_by_role("button", name="Show all").click()
    expect(tab.locator(".rows .name").first).to_have_text("xl-style")


def test_a_click_puts_an_embedding_into_the_prompt_and_the_next_takes_it_out(tab):
    row(tab, "easy-negative").locator(".name").click()
    expect(tab.get_by_role("status").filter(has_text="Put into the prompt of txt2img: easy-negative")).to_be_visible()
    expect(prompt(tab)).to_have_value("easy-negative")
    expect(heard(tab, "txt2img_prompt")).to_have_value("easy-negative")
    row(tab, "badhands").locator(".name").click()
    expect(prompt(tab)).to_have_value("easy-negative, badhands")
    row(tab, "easy-negative").locator(".name").click()
    expect(prompt(tab)).to_have_value("badhands")
    expect(heard(tab, "txt2img_prompt")).to_have_value("badhands")


def test_what_was_typed_before_stays(tab):
    show_tab(tab, "txt2img")
    prompt(tab).fill("a cat, oil on canvas,\n")
    show_tab(tab)
    row(tab, "easy-negative").locator(".name").click()
    expect(prompt(tab)).to_have_value("a cat, oil on canvas, easy-negative")


def test_shift_and_the_buttons_reach_the_other_prompt(tab):
    row(tab, "easy-negative").locator(".name").click(modifiers=["Shift"])
    expect(heard(tab, "txt2img_neg_prompt")).to_have_value("easy-negative")
    row(tab, "badhands").get_by_label("Put badhands into the negative prompt").click()
    expect(heard(tab, "txt2img_neg_prompt")).to_have_value("easy-negative, badhands")
    expect(prompt(tab)).to_have_value("")


def test_the_prompt_that_clicks_go_to_is_remembered(tab):
    tab.get_by_label("img2img", exact=True).check()
    tab.get_by_label("Negative", exact=True).check()
    tab.reload()
    show_tab(tab)
    row(tab, "easy-negative").locator(".name").click()
    expect(heard(tab, "img2img_neg_prompt")).to_have_value("easy-negative")


def test_brackets_in_a_name_are_escaped(tab):
    row(tab, "style (old)").locator(".name").click()
    expect(heard(tab, "txt2img_prompt")).to_have_value(r"style \(old\)")


def test_the_list_is_used_by_keys_alone(tab):
    tab.get_by_label("Search embeddings").fill("to-select")
    expect(tab.locator(".rows [data-id]")).to_have_count(2)
    tab.get_by_label("Read the folders again").focus()
    first, second = tab.locator(".rows [data-id]").all()
    for _ in range(12):
        tab.keyboard.press("Tab")
        if first.evaluate("row => row === row.getRootNode().activeElement"):
            break
    expect(first).to_be_focused()
    assert first.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
    tab.keyboard.press("ArrowDown")
    expect(second).to_be_focused()
    tab.keyboard.press("Enter")
    expect(prompt(tab)).to_have_value("to-select-b")
    tab.keyboard.press("Shift+Enter")
    expect(prompt(tab, "txt2img_neg_prompt")).to_have_value("to-select-b")
    tab.keyboard.press("Space")
    expect(second).to_have_attribute("aria-selected", "true")
    tab.keyboard.press("Shift+ArrowUp")
    expect(tab.get_by_text("2 selected")).to_be_visible()
    tab.keyboard.press("ArrowRight")
    expect(tab.get_by_role("heading", name="to-select-a")).to_be_focused()
    tab.keyboard.press("Escape")
    expect(first).to_be_focused()
    tab.keyboard.press("Escape")
    expect(tab.get_by_text("2 selected")).to_have_count(0)
    tab.keyboard.press("End")
    expect(second).to_be_focused()


def test_what_the_prompts_use_is_said_and_what_is_only_meant(tab):
    show_tab(tab, "txt2img")
    prompt(tab).fill("a cat, badhands, embedding:easy-negativ, xl-style")
    show_tab(tab)
    tab.get_by_role("button", name="Check prompts…").click()
    dialog = tab.get_by_role("dialog", name="What txt2img uses")
    used = dialog.get_by_role("table", name="Embeddings of the Prompt")
    expect(used.get_by_role("row").filter(has_text="badhands")).to_contain_text("6 tokens")
    expect(used.get_by_role("row").filter(has_text="badhands").locator(".mark")).to_have_text("yes")
    expect(used.get_by_role("row").filter(has_text="xl-style").locator(".mark")).to_have_text("no")
    expect(dialog.get_by_text("There is no easy-negativ. Is it easy-negative?")).to_be_visible()
    expect(dialog.get_by_text("It names no embedding.")).to_be_visible()
