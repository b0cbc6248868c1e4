"""Notes and previews beside embeddings, in the WebUI's own files: what others wrote there stays."""

import json
import os
import urllib.parse

import loanword
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from api_server import serving_folder
from loanword.embeddings.embedding import Embedding
from loanword.extension.webui.catalogue import sidecar_texts
from loanword.extension.webui.catalogue.sidecars import OWN_KEY
from loanword.extension.webui.settings import READ_ONLY
from samples import L1, L

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
OTHERS = {"sd version": "SD1", "activation text": "style", "negative text": "", "mine": {"deep": [1]}, "notes": "old"}


@pytest.fixture
def client(tmp_path):
    with serving_folder(tmp_path) as client:
        loanword.write(Embedding("style", {"clip_l": L}), tmp_path / "embeddings" / "style.safetensors")
        yield client.scanned()


def beside(client, name):
    return os.path.join(client.host.folders[0], name)


def put(client, name, content):
    with open(beside(client, name), "wb") as file:
        file.write(content)


def kept(client, name="style.json"):
    with open(beside(client, name), encoding="utf-8") as file:
        return json.load(file)


def test_notes_are_written_where_webuis_keep_them(client):
    changes = {"description": "two\nlines <b>", "notes": "猫", "tags": ["hands", "negative"], "preferred_weight": 0.8}
    item = client.post("/sidecar", {"id": client.item("style")["id"], **changes}).json
    assert {name: item[name] for name in changes} == changes
    assert kept(client) == {
        "description": "two\nlines <b>",
        "notes": "猫",
        "tags": ["hands", "negative"],
        "preferred weight": 0.8,
    }


def test_what_others_wrote_stays_in_its_order(client):
    put(client, "style.json", json.dumps(OTHERS, indent=4).encode())
    client.post("/sidecar", {"id": client.item("style")["id"], "notes": "new"})
    assert list(kept(client).items()) == list({**OTHERS, "notes": "new"}.items())


def test_what_is_not_given_stays_and_what_is_empty_goes(client):
    name = client.item("style")["id"]
    client.post("/sidecar", {"id": name, "description": "a", "tags": ["b"], "preferred_weight": 1.5})
    client.post("/sidecar", {"id": name, "notes": "c"})
    item = client.item("style")
    assert (item["description"], item["notes"], item["tags"], item["preferred_weight"]) == ("a", "c", ["b"], 1.5)
    item = client.post("/sidecar", {"id": name, "description": "", "tags": [], "preferred_weight": 0}).json
    assert (item["description"], item["notes"], item["tags"], item["preferred_weight"]) == ("", "c", [], None)


@pytest.mark.parametrize("name", ["style.txt", "style.description.txt"])
def test_a_description_in_a_file_of_its_own_is_read(client, name):
    put(client, name, b"what it does")
    assert client.item("style")["description"] == "what it does"
    client.post("/sidecar", {"id": client.item("style")["id"], "description": "mine"})
    assert client.item("style")["description"] == "mine"


@pytest.mark.parametrize("content", [b"[1]", b"\xff\xfe", b"{", b"[" * 100000, b"null"])
def test_a_file_that_is_no_webuis_stays_as_it_is(client, content):
    put(client, "style.json", content)
    answer = client.post("/sidecar", {"id": client.item("style")["id"], "notes": "x"})
    assert answer.status == 409
    assert "style.json" in answer.json["error"]["message"]
    with open(beside(client, "style.json"), "rb") as file:
        assert file.read() == content
    assert client.item("style")["notes"] == ""


def test_several_in_one_file_have_notes_of_their_own(client):
    pets = [Embedding("<cat>", {"clip_l": L}), Embedding("<dog>", {"clip_l": L1})]
    loanword.write(pets, beside(client, "pets.bin"), format="diffusers")
    put(client, "pets.json", b'{"description": "both", "mine": 1}')
    client.scanned()
    client.post("/sidecar", {"id": client.item("<cat>")["id"], "description": "a cat"})
    assert client.item("<cat>")["description"] == "a cat"
    assert client.item("<dog>")["description"] == "both"
    assert {name: value for name, value in kept(client, "pets.json").items() if name != "loanword"} == {
        "description": "both",
        "mine": 1,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"preferred_weight": 1e9},
        {"tags": ["a,b"]},
        {"tags": [""]},
        {"tags": "a"},
        {"description": "x" * 20_001},
        {"title": "x"},
    ],
)
def test_what_no_webui_could_keep_is_refused(client, changes):
    assert client.post("/sidecar", {"id": client.item("style")["id"], **changes}).status == 422
    assert not os.path.exists(beside(client, "style.json"))


def test_the_settings_can_keep_everything_as_it_is(client):
    client.host.options["sidecars"] = READ_ONLY
    name = client.item("style")["id"]
    assert client.post("/sidecar", {"id": name, "notes": "x"}).status == 403
    assert client.post("/preview", {"id": name}).status == 403


def picture(colour):
    image = pytest.importorskip("PIL.Image").new("RGB", (32, 32), colour)
    image.info["parameters"] = "a cat\nSteps: 20"
    return image


def test_the_last_image_becomes_the_preview_with_what_it_says(client):
    name = client.item("style")["id"]
    assert client.post("/preview", {"id": name}).status == 409
    client.host.image = picture("red")
    assert client.post("/preview", {"id": name}).json["preview"]
    image = pytest.importorskip("PIL.Image").open(beside(client, "style.preview.png"))
    assert (image.getpixel((0, 0)), image.text["parameters"]) == ((255, 0, 0), "a cat\nSteps: 20")
    answer = client.get(f"/preview/{name}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    client.host.image = picture("blue")
    assert client.post("/preview", {"id": name}).status == 409
    assert client.post("/preview", {"id": name, "overwrite": True}).status == 200
    assert client.get(f"/preview/{name}").content != answer.content


@pytest.mark.parametrize("name", ["style.png", "style.jpg", "style.preview.webp"])
def test_a_preview_of_anothers_is_shown_and_not_replaced(client, name):
    import io

    content = io.BytesIO()
    picture("green").save(content, format={"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[name.rpartition(".")[2]])
    put(client, name, content.getvalue())
    client.host.image = picture("red")
    item = client.scanned().item("style")
    assert item["preview"]
    assert client.get(f"/preview/{item['id']}").content == content.getvalue()
    assert client.post("/preview", {"id": item["id"]}).status == 409


@pytest.mark.parametrize("content", [b"<svg><script>alert(1)</script></svg>", b"<!DOCTYPE html>", b"", b"%!PS"])
def test_what_is_no_picture_is_not_served_as_one(client, content):
    put(client, "style.preview.png", content)
    answer = client.get(f"/preview/{client.item('style')['id']}")
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"


def found(client, words):
    return [item["name"] for item in client.items(f"?q={urllib.parse.quote(words)}")]


def test_a_search_looks_into_what_the_tab_wrote_at_once(client):
    assert found(client, "golden") == []
    name = client.item("style")["id"]
    client.post("/sidecar", {"id": name, "description": "the Golden hour", "notes": "Café", "tags": ["hands"]})
    for words in ("golden", "cafe", "hands", "style golden cafe"):
        assert found(client, words) == ["style"], words
    client.post("/sidecar", {"id": name, "description": ""})
    assert (found(client, "golden"), found(client, "hands")) == ([], ["style"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("style.json", json.dumps({"notes": "from another extension", "tags": "a, golden"}).encode()),
        ("style.txt", b"golden"),
        ("style.description.txt", b"golden"),
    ],
)
def test_a_search_looks_into_what_others_wrote_after_the_next_scan(client, name, content):
    put(client, name, content)
    assert found(client.scanned(), "golden") == ["style"]
    put(client, name, content.replace(b"golden", b"silver!"))
    assert (found(client.scanned(), "golden"), found(client, "silver!")) == ([], ["style"])
    os.unlink(beside(client, name))
    assert found(client.scanned(), "silver!") == []


def test_a_search_looks_into_the_notes_of_each_embedding_of_a_file(client):
    pets = [Embedding("<cat>", {"clip_l": L}), Embedding("<dog>", {"clip_l": L1})]
    loanword.write(pets, beside(client, "pets.bin"), format="diffusers")
    put(
        client,
        "pets.json",
        json.dumps({"description": "both", OWN_KEY: {"embeddings": {"<dog>": {"notes": "barks"}}}}).encode(),
    )
    client.scanned()
    assert found(client, "barks") == ["<dog>"]
    assert sorted(found(client, "both")) == ["<cat>", "<dog>"]
    loanword.write([pets[1]], beside(client, "pets.bin"), format="diffusers", overwrite=True)
    put(client, "pets.json", b"{}")
    assert found(client.scanned(), "both") == []


def test_sidecars_that_did_not_change_are_not_read_again(client, monkeypatch):
    put(client, "style.txt", b"golden")
    client.scanned()
    monkeypatch.setattr(sidecar_texts, "read_sidecar", lambda *_: pytest.fail("it was read"))
    assert found(client.scanned(), "golden") == ["style"]


def test_what_is_written_is_found_in_an_index_that_had_to_be_made_again(client):
    put(client, "style.txt", b"golden")
    client.scanned()
    client.service.library.close()
    with open(client.service.library.path, "r+b") as index:
        index.write(b"no database at all")
    assert found(client.scanned(), "golden") == ["style"]
