"""A folder of hostile files: listed for what they are, and nothing runs."""

import json
import os

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from api_server import serving_folder
from hostile_corpus import make_corpus, needs_generator

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), needs_generator]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The folder, and the manifest's entries by file."""
    top = tmp_path_factory.mktemp("hostile")
    entries = make_corpus(top / "embeddings", top / "markers")
    yield top, {entry["file"]: entry for entry in entries if entry["file"]}
    assert os.listdir(top / "markers") == []


@pytest.fixture(scope="module")
def client(corpus):
    with serving_folder(corpus[0]) as client:
        yield client.scanned()


@pytest.fixture(scope="module")
def items(client):
    found = []
    while True:
        page = client.get(f"/embeddings?limit=500&offset={len(found)}").json
        found += page["items"]
        if len(found) >= page["total"]:
            return found


def test_what_is_to_be_refused_is_listed_as_that_and_used_by_nobody(corpus, items):
    refused = {name for name, entry in corpus[1].items() if entry["expect"] == "reject"}
    listed = [item for item in items if item["file"] in refused]
    assert len(listed) > 500
    for item in listed:
        assert item["kind"] != "embedding", item
        assert item["use"]["by"] is None, item
        assert item["use"]["why"], item


def test_everything_can_be_looked_at(corpus, client, items):
    for item in items:
        answers = [client.get(f"/embeddings/{item['id']}"), client.get(f"/preview/{item['id']}")]
        if item["kind"] == "embedding":
            answers.append(client.get(f"/embeddings/{item['id']}/inside"))
        for answer in answers:
            assert answer.status < 500, item
            assert str(corpus[0]).encode() not in answer.content, item
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_everything_can_be_converted_or_is_refused(corpus, client):
    state = client.finished(client.post("/convert", {"query": {}, "program": "a1111", "dry_run": True}))
    assert state["state"] == "done"
    assert {each["kind"] for each in state["outcomes"]} == {"done", "failed"}
    assert str(corpus[0]) not in json.dumps(state)
