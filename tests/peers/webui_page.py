"""The Embeddings tab of a running WebUI, in Chromium: `python tests/peers/webui_page.py URL [PICTURE]`.

URL is a real WebUI that has loanword and at least one embedding, started with or without a model. The tab has to list
embeddings, put one into the prompt and out again, and open its details, without an error of any script of loanword's.
Needs playwright; PICTURE is where a picture of the tab goes. Exit status 0 where everything was right.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "webui"))

from conftest import CHROMIUM, show_tab

WAIT_MS = 60_000


def main(url: str, picture: str | None = None) -> int:
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: problems.append(f"a script failed: {error}"))
        page.goto(url)
        show_tab(page)
        name = page.locator(".rows .row[data-id]:not(.unusable) .name").first
        name.click()
        prompt = page.locator("#txt2img_prompt textarea")
        written = prompt.input_value()
        if not written:
            problems.append("a click put nothing into the prompt")
        name.click()
        if prompt.input_value():
            problems.append(f"a second click left {prompt.input_value()!r} in the prompt")
        page.get_by_label(f"Details of {name.inner_text()}", exact=True).first.click()
        page.get_by_role("complementary", name="Details").get_by_text("Look inside").wait_for()
        if picture:
            page.screenshot(path=picture)
        print("\n".join(problems) or f"listed {page.locator('.count').inner_text()}; {written} went into the prompt")
        browser.close()
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
