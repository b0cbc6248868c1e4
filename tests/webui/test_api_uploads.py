"""Files that are sent to the API: what they are told to be, what is made of them, and what becomes of them."""

import io
import os
import stat
import zipfile

import loanword
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from api_server import serving_folder
from loanword.embeddings.embedding import Embedding
from loanword.extension.webui.actions import kept_uploads as uploads
from loanword.extension.webui.actions.kept_uploads import Uploads
from samples import L1, L

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
A_FILE = 'Content-Disposition: form-data; name="file"; filename="a.pt"'
CAT = Embedding("<cat>", {"clip_l": L})


@pytest.fixture
def client(tmp_path):
    with serving_folder(tmp_path) as client:
        yield client


def content_of(embeddings, **form):
    return loanword.render(embeddings, **form)[0].content


def test_a_file_is_told_what_it_is_converted_and_downloaded(client):
    sent = {
        "pets.bin": content_of([CAT, Embedding("<dog>", {"clip_l": L1})], format="diffusers"),
        "notes.pt": b"<html>not found</html>",
    }
    pets, notes = client.upload(**sent).json["items"]
    assert [each["name"] for each in pets["embeddings"]] == ["<cat>", "<dog>"]
    assert (pets["kind"], pets["embeddings"][0]["base_model"]["key"]) == ("embedding", "sd1")
    assert (notes["kind"], notes["embeddings"]) == ("not-an-embedding", [])
    started = client.post(f"/uploads/{pets['upload']}/convert", {"program": "a1111"})
    (outcome,) = client.finished(started)["outcomes"]
    assert [each["id"] for each in outcome["outputs"]] == [None, None]
    assert os.listdir(client.host.folders[0]) == []
    content = client.get(f"/jobs/{started.json['job']}/download").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = [loanword.read(archive.read(name)) for name in archive.namelist()]
    assert [each.vectors for each in found] == [{"clip_l": L}, {"clip_l": L1}]


def test_a_file_is_converted_into_a_folder_under_the_name_that_it_had(client):
    (sent,) = client.upload(**{"猫 style.pt": content_of(CAT, format="a1111")}).json["items"]
    folder = client.get("/session").json["folders"][0]["id"]
    body = {"program": "a1111", "folder": folder}
    (outcome,) = client.finished(client.post(f"/uploads/{sent['upload']}/convert", body))["outcomes"]
    assert outcome["outputs"][0]["name"] == "猫 style.safetensors"
    assert outcome["outputs"][0]["id"] == client.items()[0]["id"]
    assert loanword.read(os.path.join(client.host.folders[0], "猫 style.safetensors")).vectors == CAT.vectors


@pytest.mark.parametrize(
    "name",
    [
        "../x.pt",
        "/x.pt",
        "a\\x.pt",
        "C:x.pt",
        "x.pt\x00.png",
        "x.html",
        "x.svg",
        "x",
        ".pt",
        "",
        "x.pt.",
        "a\u202eb.pt",
    ],
)
def test_a_name_that_leads_elsewhere_or_hides_something_is_refused(client, name):
    assert client.upload(**{name: content_of(CAT)}).status in (400, 415, 422)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["--where", ""],
        ["--where--", ""],
        ["--where", 'Content-Disposition: form-data; name="other"', "", "x", "--where--", ""],
        ["--where", 'Content-Disposition: form-data; name="file"', "", "x", "--where--", ""],
        ["--where", f'{A_FILE}; filename="b.pt"', "", "x", "--where--", ""],
        ["--where", A_FILE, "", "x"],
        ["--where", A_FILE, "Content-Transfer-Encoding: base64", "", "x", "--where--", ""],
    ],
)
def test_a_form_that_is_none_is_refused(client, lines):
    body = "\r\n".join(lines).encode()
    answer = client.send("POST", "/upload", body, {"Content-Type": "multipart/form-data; boundary=where"})
    assert answer.status in (400, 422)


def test_a_file_in_a_form_arrives_bit_for_bit(client):
    content = bytes(range(256)) * 3 + b"\r\n--wher\r\n----where\r\n\n\r"
    client.upload(**{"x.pt": content})
    (kept,) = client.service.uploads._kept.values()
    with open(kept.path, "rb") as file:
        assert file.read() == content


def test_what_was_sent_is_nobody_elses_and_gone_with_the_program(client):
    client.upload(**{"x.pt": content_of(CAT)})
    folder = client.service.uploads.folder
    assert os.name == "nt" or stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    client.service.uploads.close()
    assert not os.path.exists(folder)


def test_no_folder_is_made_before_something_is_sent(client):
    client.items()
    assert client.service.uploads.folders == ()


def test_the_oldest_make_room(monkeypatch):
    monkeypatch.setattr(uploads, "MOST", 2)
    with Uploads() as kept:
        first, second, third = (kept.add("x.pt", bytes([number])) for number in range(3))
        assert not os.path.exists(first.path)
        assert kept.get(second.id) == second
        assert kept.get(third.id) == third


def test_the_folder_of_a_program_that_was_killed_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, age in (("loanword-uploads-old", 2 * uploads.STALE_AFTER), ("loanword-uploads-new", 0), ("other", 10**6)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.pt").write_bytes(b"x")
        os.utime(tmp_path / name, (os.stat(tmp_path).st_mtime - age,) * 2)
    with Uploads() as kept:
        assert kept.folder
        assert {each.name for each in tmp_path.iterdir()} >= {"loanword-uploads-new", "other"}
        assert not (tmp_path / "loanword-uploads-old").exists()
