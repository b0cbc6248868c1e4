"""A browser, a running WebUI with a library, and its Embeddings tab."""

from importlib.util import find_spec

import pytest

NEEDED = ("gradio", "playwright", "axe_playwright_python")
MISSING = [name for name in NEEDED if find_spec(name) is None]
collect_ignore_glob = ["test_page_*.py"] if MISSING else []
"""The page is tested in environments with a host's own versions: `requirements-gradio-*.txt`."""

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
WAIT_MS = 15_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A WebUI with a Stable Diffusion 1 model and one file of each kind; tests that write have files of their own."""
    from webui.a_library import make_library
    from webui.serving import data_folder, webui

    folder = data_folder(tmp_path_factory.mktemp("webui"))
    (folder / "converted").mkdir()
    make_library(folder / "embeddings", folder / "models" / "Lora")
    with webui(folder, "--setting", f"loanword_folders={folder / 'converted'}") as running:
        yield running


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield started
        started.close()


@pytest.fixture
def open_tab(browser):
    """`open_tab(server)` gives the page with its Embeddings tab open; no script on it may fail."""
    contexts, problems = [], []

    def opened(server, *, theme="light", width=1400, height=2200, wait_for=".rows [data-id]"):
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale="en-US", accept_downloads=True, reduced_motion="reduce"
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{server.url}?__theme={theme}")
        show_tab(page)
        if wait_for:
            page.wait_for_selector(wait_for)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems


def show_tab(page, name="Embeddings"):
    page.locator("#tabs > .tab-nav button, #tabs > .tab-wrapper button", has_text=name).first.click()


@pytest.fixture
def tab(server, open_tab):
    """The tab with everything listed."""
    page = open_tab(server)
    page.get_by_role("button", name="Show all").click()
    page.get_by_text("xl-style", exact=True).wait_for()
    return page
