"""Pictures of what is inside an embedding are well formed, say what they show, and leave the host's plots alone."""

import io
import subprocess
import sys
import threading
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loanword.embeddings.embedding import Embedding, Vectors
from loanword.embeddings.errors import UnknownName
from loanword.extension.insight import picture_text
from loanword.extension.insight.inside import inside
from loanword.extension.insight.picture_text import drawable, font_for
from loanword.extension.insight.pictures import picture, pictures_of
from loanword.extension.insight.themes import DARK, LIGHT, contrast, rgb
from loanword.extension.insight.token_tables import TokenTable
from PIL import Image

matplotlib = pytest.importorskip("matplotlib")

TABLE = {"clip_l": TokenTable(np.eye(50, 768, dtype=np.float32) * 0.4, ["a"] * 50)}
WIDTH = 768


def seen(rows, name="style", tables=TABLE):
    return inside(Embedding(name, {"clip_l": Vectors.from_numpy(np.asarray(rows))}), tables)


def random_rows(count, scale=0.02):
    return np.random.default_rng(count).standard_normal((count, WIDTH)) * scale


def pixels(content):
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGBA")).astype(int)


def has_colour(shown, colour, alpha=255):
    """Whether some pixels have that colour, nearly."""
    wanted = [*(round(each * 255) for each in rgb(colour)), alpha]
    return (np.abs(shown - wanted).max(axis=2) <= 3).sum() > 20


def test_each_part_has_a_heat_map_and_a_chart_and_says_what_is_on_them():
    both = {"clip_l": Vectors.from_numpy(random_rows(3)), "clip_g": Vectors.from_numpy(np.ones((1, 1280)))}
    found = pictures_of(inside(Embedding("x", both), TABLE))
    assert [each.key for each in found] == ["clip_l-similarity", "clip_l-norms", "clip_g-norms"]
    assert all(each.alt.endswith(".") for each in found)
    assert found[0].title == "CLIP ViT-L/14: similarity of the vectors"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("count", [1, 2, 8, 75])
def test_pictures_are_well_formed_in_both_forms(count, dark):
    found = seen(random_rows(count))
    for each in pictures_of(found):
        root = ET.fromstring(picture(found, each.key, dark=dark))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 10
        assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
        shown = pixels(picture(found, each.key, dark=dark, form="png"))
        assert has_colour(shown, (DARK if dark else LIGHT).ink)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_colours_stand_out_from_the_page(theme):
    for colour, least in ((theme.ink, 7), (theme.quiet, 4.5), (theme.usual, 3), (theme.unusual, 3), (theme.alike, 3)):
        assert contrast(rgb(colour), rgb(theme.page)) >= least


def test_what_is_behind_a_picture_shows_through_unless_it_is_opaque():
    found = seen(random_rows(3))
    for dark, theme in ((False, LIGHT), (True, DARK)):
        shown = pixels(picture(found, "clip_l-norms", dark=dark, form="png"))
        assert (shown[0, :, 3] == 0).all()
        shown = pixels(picture(found, "clip_l-norms", dark=dark, form="png", opaque=True))
        assert (shown[..., 3] == 255).all()
        assert has_colour(shown, theme.page)


def test_a_heat_map_has_the_colours_of_its_numbers():
    rows = np.zeros((3, WIDTH))
    rows[0, 0], rows[1, 0], rows[2, 1] = 1, -1, 1
    shown = pixels(picture(seen(rows), "clip_l-similarity", form="png"))
    assert all(has_colour(shown, colour) for colour in (LIGHT.alike, LIGHT.opposite, LIGHT.unlike))


def test_unusual_norms_are_told_from_usual_ones():
    usual = np.eye(2, WIDTH) * 0.4
    assert not has_colour(pixels(picture(seen(usual), "clip_l-norms", form="png")), LIGHT.unusual)
    unusual = pixels(picture(seen(usual * [[1], [3]]), "clip_l-norms", form="png"))
    assert has_colour(unusual, LIGHT.unusual)
    assert has_colour(unusual, LIGHT.usual)
    without = picture(seen(usual * [[1], [3]], tables={}), "clip_l-norms", form="png")
    assert not has_colour(pixels(without), LIGHT.unusual)


NAMES = [
    "$x^2$",
    "$\\frac{",
    "a_b^c{}",
    "<script>alert(1)</script> &amp;",
    "猫 🎨",
    "\ud800",
    "a\nb\u202ec",
    "x" * 500,
    "%s {0}",
    "\\$",
    "\\",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_drawn_literally_and_without_warnings(name):
    found = seen(random_rows(2), name)
    for form in ("svg", "png"):
        content = picture(found, "clip_l-norms", form=form)
    assert b"<script" not in picture(found, "clip_l-norms")
    assert len(pixels(content)) > 100


def test_a_name_with_dollars_is_no_mathematics():
    from matplotlib.text import Text

    font = font_for(["$a$"])
    for name in ("$a$", "\\$a$", "a$", "$$", "a\\$b$"):
        assert Text()._preprocess_math(drawable(name, font, 60)) == (name, False)


def test_letters_that_no_font_has_are_drawn_as_their_codes(monkeypatch):
    monkeypatch.setattr(picture_text, "FONTS", ("DejaVu Sans",))
    assert drawable("a猫$\U000f0000", font_for(["a猫"]), 60) == "a\\u{732b}\\$\\u{f0000}"


def test_the_first_font_that_has_all_letters_is_taken(monkeypatch):
    monkeypatch.setattr(picture_text, "FONTS", ("No Such Font", "STIXGeneral", "DejaVu Sans"))
    assert font_for(["abc"]).get_family() == ["STIXGeneral"]
    assert font_for(["שלום"]).get_family() == ["DejaVu Sans"]
    assert font_for(["abc", "猫"]).get_family() == ["No Such Font"]


def test_an_unknown_picture_is_refused():
    with pytest.raises(UnknownName):
        picture(seen(random_rows(1)), "clip_l-similarity")


def test_the_same_facts_give_the_same_bytes():
    found = seen(random_rows(4))
    assert picture(found, "clip_l-similarity") == picture(found, "clip_l-similarity")


def test_the_settings_of_the_host_are_not_seen_in_pictures_and_stay_as_they_are():
    plain = picture(seen(random_rows(3)), "clip_l-norms")
    with matplotlib.rc_context(
        {"axes.grid": True, "font.size": 30, "savefig.facecolor": "red", "axes.facecolor": "blue"}
    ):
        assert picture(seen(random_rows(3)), "clip_l-norms") == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_several_threads_draw_at_once():
    found = seen(random_rows(4))
    expected = picture(found, "clip_l-similarity")
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.append(picture(found, "clip_l-similarity"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [expected] * 4


def test_pyplot_is_never_loaded():
    code = (
        "import sys, numpy; from loanword.embeddings.embedding import Embedding, Vectors\n"
        "from loanword.extension.insight.inside import inside\n"
        "from loanword.extension.insight.pictures import picture\n"
        "assert 'matplotlib' not in sys.modules\n"
        "picture(inside(Embedding('x', {'clip_l': Vectors.from_numpy(numpy.ones((2, 768)))})), 'clip_l-norms')\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    checkout = str(sys.modules["loanword"].__path__[0])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": f"{checkout}/checkout"}, timeout=120)


def test_without_matplotlib_there_are_no_pictures(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert pictures_of(seen(random_rows(3))) == []


ODD = st.sampled_from([0.0, 1.0, -1.0, 1e-45, 1e-300, 3e38, 1e300, float("inf"), float("nan"), 0.4])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(ODD, min_size=2, max_size=2), min_size=1, max_size=5), st.text(max_size=20))
def test_whatever_the_numbers_and_names_are_there_are_pictures(rows, name):
    wide = np.zeros((len(rows), WIDTH))
    wide[:, :2] = rows
    embedding = Embedding(name or "x", {"clip_l": Vectors.from_numpy(wide, "float64")})
    found = inside(embedding, TABLE)
    for each in pictures_of(found):
        ET.fromstring(picture(found, each.key))
