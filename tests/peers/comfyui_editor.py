"""ComfyUI's editor in Chromium: the example workflows load and run, the list of embeddings and the help pages open."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
NODE = "LoanwordEmbeddingPrompt"
FIND = "window.app.graph._nodes.find(node => node.type === 'LoanwordEmbeddingPrompt')"


def checks(port, shots, checkpoint, examples):
    """What was looked at, whether it is right, and what was found; screenshots go into the folder `shots`."""
    from playwright.sync_api import sync_playwright

    shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_function("window.app?.graph && window.app.extensions?.some(each => each.name === 'loanword')")
        page.wait_for_timeout(3000)
        errors.clear()
        for name in examples:
            yield from _workflow(page, name, checkpoint, shots)
        yield from _picker(page, shots)
        yield from _help(page, shots)
        yield "the editor throws no errors", not errors, errors
        browser.close()


def _workflow(page, name, checkpoint, shots):
    made = json.loads((ROOT / "example_workflows" / f"{name}.json").read_text(encoding="utf-8"))
    widgets = {node["type"]: node["widgets_values"] for node in made["nodes"]}
    widgets["CheckpointLoaderSimple"][0] = checkpoint
    widgets["EmptyLatentImage"][:2] = [64, 64]
    widgets["KSampler"][2] = 2
    page.evaluate("workflow => window.app.loadGraphData(workflow)", made)
    page.wait_for_timeout(1000)
    page.keyboard.press("Escape")
    types = page.evaluate("() => window.app.graph._nodes.map(node => [node.type, Boolean(node.constructor.nodeData)])")
    missing = [kind for kind, known in types if not known]
    yield f"{name}: the editor knows every node", len(types) == len(made["nodes"]) and not missing, missing
    links = page.evaluate("() => [...window.app.graph.links.values()].length")
    yield f"{name}: every link is there", links == len(made["links"]), links
    _fit(page)
    page.get_by_role("button", name="Run", exact=True).first.click()
    saved = "() => window.app.graph._nodes.find(node => node.type === 'SaveImage').imgs?.length > 0"
    try:
        page.wait_for_function(saved, timeout=90_000)
        ran = True
    except Exception as error:
        ran = error
    page.wait_for_timeout(1000)
    page.screenshot(path=shots / f"{name}.png")
    yield f"{name}: Run makes a picture", ran is True, ran


def _picker(page, shots):
    page.evaluate(f"() => {FIND}.widgets.find(widget => widget.type === 'button').callback()")
    page.wait_for_selector(".loanword-picker li button")
    page.wait_for_timeout(800)
    page.screenshot(path=shots / "list.png")
    count = len(page.query_selector_all(".loanword-picker li"))
    yield "the list shows the embeddings", count > 5, count
    page.fill(".loanword-picker input", "my c")
    page.wait_for_function("() => document.querySelectorAll('.loanword-picker li').length === 1")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".loanword-picker", state="detached")
    text = page.evaluate(f"() => {FIND}.widgets.find(widget => widget.name === 'text').value")
    yield "what is searched and chosen by keyboard is in the prompt", text.endswith(", embedding:my cat"), text


def _help(page, shots):
    page.evaluate(f"() => {{ window.app.canvas.deselectAll(); window.app.canvas.selectNode({FIND}) }}")
    page.wait_for_timeout(600)
    page.locator("[data-testid=info-button], .help-button").first.click()  # the older editors' is the second
    page.wait_for_timeout(2000)
    text = page.locator("body").inner_text()
    page.screenshot(path=shots / "help.png")
    yield "the help page opens", "How embeddings are written" in text, text[-500:]
    page.keyboard.press("Escape")


def _fit(page):
    page.evaluate("() => { window.app.canvas.ds.scale = 0.8; window.app.canvas.ds.offset = [60, -40] }")
    page.evaluate("() => window.app.graph.setDirtyCanvas(true, true)")
    page.wait_for_timeout(500)
