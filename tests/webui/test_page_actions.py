"""What can be done on the page, clicked, and what is on the disk afterwards."""

import hashlib
import io
import json
import re
import zipfile

import loanword
import pytest
from PIL import Image
from playwright.sync_api import expect
from webui.a_library import one, picture
from webui.test_page_list import row


@pytest.fixture(autouse=True)
def originals(server):
    """Nothing that a user had is changed by anything here."""
    kept = [path for folder in (server.embeddings, server.loras) for path in folder.rglob("*") if path.is_file()]
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in kept if path.suffix not in (".json", ".txt")}
    yield
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in before} == before


def details(page, name):
    row(page, name).get_by_label(f"Details of {name}").click()
    panel = page.get_by_role("complementary", name="Details")
    expect(panel.get_by_role("heading", name=name, exact=True)).to_be_visible()
    return panel


def choose(page, label, text):
    page.get_by_role("dialog").get_by_label(label, exact=True).select_option(label=text)


def start(page, button):
    """Presses a dialog's button, and waits for the end of the job."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=button, exact=True).click()
    expect(dialog.locator(".job")).to_have_attribute("data-state", "done")
    return dialog


def test_one_embedding_is_converted_for_another_program(tab, server):
    details(tab, "to-convert").get_by_role("button", name="Convert…").click()
    choose(tab, "Program", "ComfyUI")
    choose(tab, "Precision", "float16")
    choose(tab, "Folder", "converted")
    dialog = start(tab, "Try it first")
    expect(dialog.locator(".outcomes li")).to_contain_text("to-convert")
    assert not list((server.folder / "converted").glob("to-convert*"))
    dialog = start(tab, "Convert")
    expect(dialog.locator(".jobtext")).to_have_text("1 done")
    (path,) = (server.folder / "converted").glob("to-convert*")
    made, original = loanword.read(path), loanword.read(server.embeddings / "to-convert.pt")
    assert made.provenance.format == "comfyui"
    assert made.vectors["clip_l"].dtype == "float16"
    assert made.vectors["clip_l"].numpy() == pytest.approx(original.vectors["clip_l"].numpy(), abs=1e-3)
    with tab.expect_download() as download:
        dialog.get_by_role("button", name="Download the result").click()
    assert download.value.path().read_bytes() == path.read_bytes()
    assert download.value.suggested_filename == path.name
    dialog.get_by_role("button", name="Close").click()
    tab.get_by_label("Folder", exact=True).select_option(label="converted (1)")
    expect(row(tab, "to-convert")).to_have_count(1)


def test_a_selection_is_converted_into_a_format(tab, server):
    for name in ("to-select-a", "to-select-b"):
        tab.get_by_label(f"Select {name}").check()
    tab.get_by_role("button", name="Convert…").click()
    choose(tab, "Format", "diffusers")
    choose(tab, "Folder", "converted")
    dialog = start(tab, "Convert")
    expect(dialog.locator(".jobtext")).to_have_text("2 done")
    for name in ("to-select-a", "to-select-b"):
        (path,) = (server.folder / "converted").glob(f"{name}.*")
        assert loanword.read(path).provenance.format == "diffusers"
        assert loanword.read(path).vectors == loanword.read(server.embeddings / f"{name}.pt").vectors
    with tab.expect_download() as download:
        dialog.get_by_role("button", name="Download the result").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert len(archive.namelist()) == 2


def test_all_that_is_found_can_be_tried_without_writing_anything(tab, server):
    tab.get_by_label("Search embeddings").fill("twin")
    expect(tab.locator(".rows [data-id]")).to_have_count(2)
    before = sorted(server.folder.rglob("*.safetensors"))
    tab.get_by_role("button", name="Convert all…").click()
    choose(tab, "Program", "diffusers")
    choose(tab, "Folder", "converted")
    dialog = start(tab, "Try it first")
    expect(dialog.locator(".outcomes li")).to_have_count(2)
    assert sorted(server.folder.rglob("*.safetensors")) == before


def test_a_conversion_that_is_there_already_is_not_replaced_unasked(tab, server):
    place = server.folder / "converted" / "to-replace.safetensors"
    place.write_bytes(b"precious")
    details(tab, "to-replace").get_by_role("button", name="Convert…").click()
    choose(tab, "Folder", "converted")
    dialog = start(tab, "Convert")
    expect(dialog.locator(".outcomes li")).to_contain_text("already there")
    assert place.read_bytes() == b"precious"
    dialog.get_by_label("Replace files that are there already").check()
    dialog = start(tab, "Convert")
    expect(dialog.locator(".jobtext")).to_have_text("1 done")
    assert loanword.read(place).vectors == loanword.read(server.embeddings / "to-replace.pt").vectors


def test_a_pickle_is_made_safe(tab, server):
    details(tab, "to-save").get_by_role("button", name="Make safe…").click()
    start(tab, "Make safe")
    made = loanword.read(server.embeddings / "to-save.safetensors")
    assert made.provenance.container == "safetensors"
    assert made.vectors == loanword.read(server.embeddings / "to-save.pt").vectors


def test_a_trigger_is_renamed_in_a_copy(tab, server):
    details(tab, "to-rename").get_by_role("button", name="Rename…").click()
    dialog = tab.get_by_role("dialog")
    name = dialog.get_by_label("New trigger")
    expect(name).to_be_focused()
    name.fill("a, b")
    dialog.get_by_role("button", name="Rename", exact=True).click()
    expect(dialog.locator(".jobtext")).to_contain_text("trigger")
    name.fill("renamed")
    start(tab, "Rename")
    assert loanword.read(server.embeddings / "renamed.safetensors").name == "renamed"
    dialog.get_by_role("button", name="Close").click()
    expect(row(tab, "renamed")).to_be_visible()


def test_a_file_with_several_embeddings_is_split(tab, server):
    panel = details(tab, "<cat>")
    expect(panel).to_contain_text("In the same file")
    panel.get_by_role("button", name="Split…").click()
    choose(tab, "Folder", "converted")
    dialog = start(tab, "Split")
    expect(dialog.locator(".outcomes li")).to_have_count(1)
    made = [
        loanword.read(path) for path in sorted((server.folder / "converted").glob("*")) if path.stem in ("cat", "dog")
    ]
    assert [each.name for each in made] == ["<cat>", "<dog>"]


def test_embeddings_are_bundled_into_a_copy_of_a_lora(tab, server):
    tab.get_by_label("Select to-bundle").check()
    tab.get_by_role("button", name="Bundle into a LoRA…").click()
    choose(tab, "LoRA", "plain")
    tab.get_by_role("dialog").get_by_label("Name of the new file").fill("plain with words")
    start(tab, "Bundle")
    (made,) = loanword.read_all(server.loras / "plain with words.safetensors")
    assert made.name == "to-bundle"
    assert made.vectors == loanword.read(server.embeddings / "to-bundle.pt").vectors


def test_the_embeddings_of_a_lora_are_unpacked(tab, server):
    tab.get_by_role("button", name="Unpack a LoRA…").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_label("LoRA", exact=True)).to_contain_text("carrier: hidden")
    choose(tab, "LoRA", "carrier: hidden")
    choose(tab, "Folder", "converted")
    start(tab, "Unpack")
    (path,) = (server.folder / "converted").glob("hidden*")
    assert loanword.read(path).vectors == loanword.read_all(server.loras / "carrier.safetensors")[0].vectors


def test_files_that_are_dropped_are_identified_converted_and_downloaded(tab, tmp_path):
    loanword.write(one("dropped", 3, 30), tmp_path / "dropped.pt", format="a1111")
    payload = [{"name": "dropped.pt", "content": list((tmp_path / "dropped.pt").read_bytes())}]
    payload.append({"name": "notes.safetensors", "content": list(b"version https://git-lfs.github.com/spec/v1\n")})
    transfer = tab.evaluate_handle(
        """files => {
            const transfer = new DataTransfer();
            for (const {name, content} of files) transfer.items.add(new File([new Uint8Array(content)], name));
            return transfer;
        }""",
        payload,
    )
    tab.locator(".tab").dispatch_event("drop", {"dataTransfer": transfer})
    dialog = tab.get_by_role("dialog")
    expect(dialog.locator(".uploads li")).to_have_count(2)
    expect(dialog.locator(".uploads li").first).to_contain_text("dropped (Stable Diffusion 1.x, 3 tokens)")
    choose(tab, "Program", "diffusers")
    dialog = start(tab, "Convert")
    with tab.expect_download() as download:
        dialog.get_by_role("button", name="Download the result").click()
    content = download.value.path().read_bytes()
    made = tmp_path / download.value.suggested_filename
    made.write_bytes(content)
    assert loanword.read(made).vectors == one("dropped", 3, 30).vectors


def test_a_file_is_added_to_a_folder(tab, server, tmp_path):
    loanword.write(one("added", 3, 31), tmp_path / "added.pt", format="a1111")
    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name="Add files…").click()
    chooser.value.set_files(tmp_path / "added.pt")
    choose(tab, "Folder", "embeddings")
    dialog = start(tab, "Convert")
    assert loanword.read(server.embeddings / "added.safetensors").vectors == one("added", 3, 31).vectors
    dialog.get_by_role("button", name="Close").click()
    expect(row(tab, "added")).to_be_visible()


def test_the_original_is_downloaded(tab, server):
    panel = details(tab, "badhands")
    with tab.expect_download() as download:
        panel.get_by_role("button", name="Download").click()
    assert download.value.path().read_bytes() == (server.embeddings / "badhands.pt").read_bytes()
    assert download.value.suggested_filename == "badhands.pt"


def test_what_a_user_writes_is_in_the_hosts_own_files(tab, server):
    panel = details(tab, "to-describe")
    panel.get_by_label("Description").fill("Softer light.")
    panel.get_by_label("Notes").fill("from a friend")
    panel.get_by_label("Tags").fill("light, soft")
    panel.get_by_label("Preferred weight").fill("1.2")
    panel.get_by_role("button", name="Save").click()
    expect(row(tab, "to-describe")).to_contain_text("Softer light.")
    written = json.loads((server.embeddings / "to-describe.json").read_text())
    assert (written["description"], written["notes"]) == ("Softer light.", "from a friend")
    expect(panel.get_by_label("Tags")).to_have_value("light, soft")
    tab.get_by_role("button", name="Close the details").click()
    row(tab, "to-describe").locator(".name").click()
    expect(tab.locator("#txt2img_prompt textarea")).to_have_value("(to-describe:1.2)")


def test_the_last_generated_picture_becomes_the_preview(tab, server):
    show = tab.locator("#txt2img_prompt textarea")
    show.evaluate("area => { area.value = 'a red thing'; area.dispatchEvent(new Event('input')) }")
    tab.locator("#txt2img_generate").dispatch_event("click")
    expect(tab.locator("#txt2img_prompt_heard textarea")).to_have_value("a red thing")
    details(tab, "to-picture").get_by_role("button", name="Set preview").click()
    expect(tab.get_by_role("status").filter(has_text="is its preview now")).to_be_visible()
    (path,) = server.embeddings.glob("to-picture*.png")
    first = Image.open(io.BytesIO(path.read_bytes())).getpixel((0, 0))
    expect(row(tab, "to-picture").locator("img")).to_be_visible()
    show.evaluate("area => { area.value = 'a blue thing'; area.dispatchEvent(new Event('input')) }")
    tab.locator("#txt2img_generate").dispatch_event("click")
    expect(tab.locator("#txt2img_prompt_heard textarea")).to_have_value("a blue thing")
    tab.get_by_role("complementary").get_by_role("button", name="Set preview").click()
    tab.get_by_role("dialog").get_by_role("button", name="Replace", exact=True).click()
    expect(tab.get_by_role("dialog")).to_have_count(0)
    assert Image.open(io.BytesIO(path.read_bytes())).getpixel((0, 0)) != first


def test_a_new_file_is_found_after_a_refresh(tab, server):
    (server.embeddings / "deep" / "down").mkdir(parents=True)
    loanword.write(one("fresh", 2, 40), server.embeddings / "deep" / "down" / "fresh.safetensors")
    (server.embeddings / "deep" / "down" / "fresh.preview.png").write_bytes(picture((0, 90, 0)))
    tab.get_by_label("Read the folders again").click()
    expect(row(tab, "fresh").locator("img")).to_be_visible()


def test_looking_inside_shows_pictures_and_the_same_as_tables(tab):
    panel = details(tab, "badhands")
    panel.get_by_text("Look inside").click()
    panel.locator("figure").nth(1).wait_for()
    for image in panel.locator("figure img").all():
        expect(image).to_have_attribute("src", re.compile("^blob:"))
        assert len(image.get_attribute("alt")) > 20
    words = panel.get_by_role("table", name="norms and words")
    expect(words.get_by_role("row")).to_have_count(7)
    expect(words).to_contain_text("cat")
    panel.locator("summary", has_text=re.compile("similarity$")).click()
    similarity = panel.get_by_role("table", name="CLIP ViT-L/14: similarity")
    expect(similarity.get_by_role("cell").first).to_have_text("1.00")


def test_what_is_like_an_embedding_is_one_click_away(tab):
    panel = details(tab, "near-a")
    panel.get_by_text("Look inside").click()
    neighbours = panel.get_by_role("table", name="Nearest in the library")
    expect(neighbours.get_by_role("row").nth(1)).to_contain_text("near-b")
    neighbours.get_by_role("button", name="near-b").click()
    expect(panel.get_by_role("heading", name="near-b", exact=True)).to_be_visible()


def test_the_same_vectors_in_another_file_are_one_click_away(tab):
    panel = details(tab, "twin-a")
    expect(panel).to_contain_text("Same vectors in")
    panel.get_by_role("button", name="twin-b.safetensors").click()
    expect(panel.get_by_role("heading", name="twin-b", exact=True)).to_be_visible()
