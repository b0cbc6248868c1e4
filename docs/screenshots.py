"""Makes the pictures of the tab in README.md: `make screenshots`, in an environment of `tests/webui/`.

The library in them is made here; the previews are patterns.
"""

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path

import loanword
import numpy as np
from loanword.embeddings.embedding import Embedding, Provenance, Vectors
from PIL import Image, ImageColor
from playwright.sync_api import sync_playwright
from webui.conftest import CHROMIUM, show_tab
from webui.serving import data_folder, webui

PICTURES = Path(__file__).with_name("pictures")
WIDTHS = {"clip_l": 768, "clip_g": 1280, "clip_h": 1024}
SIZE = {"width": 1280, "height": 780}
SCALE = 1.5
COLOURS = 128
MARGIN = 28

# The newest first: name, encoders, vectors, format, suffix, description.
LIBRARY = (
    ("EasyNegative", "clip_l", 8, "kohya", ".safetensors", "Against the usual faults; for the negative prompt."),
    ("badhandv4", "clip_l", 6, "a1111", ".pt", "Better hands with little change of style."),
    ("negativeXL_D", "clip_l clip_g", 8, "comfyui", ".safetensors", ""),
    ("charturnerv2", "clip_l", 2, "a1111", ".pt", "A character from several sides: “a character turnaround of …”."),
    ("birb-style", "clip_l", 1, "diffusers", ".safetensors", "Soft round birds."),
    ("ng_deepnegative_v1_75t", "clip_l", 75, "a1111", ".pt", ""),
    ("bad-artist", "clip_l", 2, "a1111", ".pt", ""),
    ("CyberRealistic_Negative", "clip_l", 16, "a1111", ".pt", ""),
    ("unaestheticXL", "clip_l clip_g", 4, "comfyui", ".safetensors", ""),
    ("nfixer", "clip_h", 12, "a1111", ".pt", ""),
)
NEWEST = 1_710_000_000
APART_S = 11 * 86400
PALETTES = (
    ("#0b1d3a", "#2d5d7b", "#f2c57c"),
    ("#2b1b3d", "#a4506c", "#ffd9a0"),
    ("#10302b", "#4f8a6b", "#e8e2b8"),
    ("#1c1c28", "#6c6f93", "#e6d3d8"),
    ("#3a1f16", "#c0683c", "#f6e7cb"),
)


def vectors(rng, count, width):
    """Like trained ones: alike, of unlike lengths."""
    common = rng.normal(0, 1, width)
    rows = rng.normal(0, 1, (count, width)) + common * rng.uniform(0, 1.2, (count, 1))
    lengths = rng.uniform(0.36, 0.62, (count, 1))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True) * lengths).astype(np.float32)


def embedding(name, seed, encoders, count):
    rng = np.random.default_rng(seed)
    rows = {key: Vectors.from_numpy(vectors(rng, count, WIDTHS[key])) for key in encoders.split()}
    facts = Provenance(step=int(rng.integers(5, 300)) * 100, checkpoint_name="v1-5-pruned-emaonly")
    return Embedding(name, rows, provenance=facts)


def make_library(folder):
    for place, (name, encoders, count, format_key, suffix, description) in enumerate(LIBRARY):
        path = folder / f"{name}{suffix}"
        loanword.write(embedding(name, place, encoders, count), path, format=format_key)
        if description:
            (folder / f"{name}.json").write_text(json.dumps({"description": description}))
        if place % 5 != 2:
            pattern(place).save(folder / f"{name}.preview.png")
        date(path, place)
    cast = [embedding(name, seed, "clip_l", 4) for seed, name in ((50, "<ada>"), (51, "<bela>"))]
    loanword.write(cast, folder / "cast.bin", format="diffusers")
    date(folder / "cast.bin", 2.2)
    pointer = folder / "style-empire.safetensors"
    pointer.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0f' * 32}\nsize 24655\n")
    date(pointer, 2.5)


def date(path, place):
    seconds = NEWEST - place * APART_S
    os.utime(path, (seconds, seconds))


def pattern(seed, size=192):
    """A bent field in the colours of a palette."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    for _ in range(3):
        a, b, c = rng.uniform(0.6, 1.4, 3)
        x, y = x + 0.2 * np.sin(a * 5 * y + 6 * c), y + 0.2 * np.sin(b * 5 * x - 4 * c)
    field = 0.5 + 0.5 * np.sin(5 * (x + y) + rng.uniform(0, 6))
    colours = np.array([ImageColor.getrgb(each) for each in PALETTES[seed % len(PALETTES)]])
    channels = [np.interp(field, (0, 0.5, 1), colours[:, each]) for each in range(3)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def save(page, name, *, whole=False):
    page.mouse.move(0, 0)
    height = min(SIZE["height"], page.locator("#tabs").bounding_box()["height"] + MARGIN)
    clip = {"x": 0, "y": 0, "width": SIZE["width"], "height": SIZE["height"] if whole else height}
    content = page.screenshot(animations="disabled", clip=clip)
    picture = Image.open(io.BytesIO(content)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(PICTURES / f"{name}.png", optimize=True)
    print(f"docs/pictures/{name}.png  {(PICTURES / f'{name}.png').stat().st_size / 1000:.0f} KB")


@contextlib.contextmanager
def open_tab(browser, url, theme):
    page = browser.new_page(viewport=SIZE, device_scale_factor=SCALE, locale="en-US", reduced_motion="reduce")
    page.goto(f"{url}?__theme={theme}")
    show_tab(page)
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Order by").select_option(value="modified")
    page.get_by_label("Ascending; click for descending").click()
    page.locator(".rows .name", has_text="EasyNegative").wait_for()
    page.locator(".rows img").nth(3).wait_for()
    yield page
    page.close()


def look_inside(page, name):
    page.get_by_label(f"Details of {name}").click()
    panel = page.get_by_role("complementary", name="Details")
    panel.get_by_text("Look inside").click()
    panel.locator("figure img[src]").nth(1).wait_for()
    panel.get_by_text("Look inside").scroll_into_view_if_needed()
    panel.locator(".panelbody").evaluate(
        "panel => { panel.scrollTop = panel.querySelector('.lookinside').offsetTop - 60 }"
    )


def convert(page):
    for name in ("badhandv4", "bad-artist", "charturnerv2"):
        page.get_by_label(f"Select {name}", exact=True).check()
    page.get_by_role("button", name="Convert…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Program").select_option(label="ComfyUI")
    dialog.get_by_label("Precision").select_option(label="float16")
    dialog.get_by_role("button", name="Try it first").click()
    dialog.locator(".job[data-state=done]").wait_for()


def main():
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as open_things:
        folder = data_folder(Path(place) / "webui")
        make_library(folder / "embeddings")
        server = open_things.enter_context(webui(folder))
        chromium = open_things.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        for theme in ("light", "dark"):
            with open_tab(browser, server.url, theme) as page:
                save(page, f"tab-{theme}")
                look_inside(page, "badhandv4")
                save(page, f"inside-{theme}")
        with open_tab(browser, server.url, "light") as page:
            convert(page)
            save(page, "convert", whole=True)
        browser.close()


if __name__ == "__main__":
    main()
