"""ComfyUI's list of embeddings with loanword's in it, and the list with previews for the editor."""

import asyncio
import importlib
import json
import sys
from types import ModuleType

import loanword
import pytest
from comfyui.parts import made

web = pytest.importorskip("aiohttp.web")
utils = importlib.import_module("aiohttp.test_utils")
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


def serve(comfy, monkeypatch, *paths, names=None):
    """The answers of a server like ComfyUI's, with loanword in it, to GET requests."""
    listing = importlib.import_module("loanword.extension.comfyui.listing")

    class PromptServer:
        app, routes = web.Application(), web.RouteTableDef()

    async def embeddings(_):
        found = comfy.folder_paths.get_filename_list("embeddings") if names is None else names
        return web.json_response([each.rpartition(".")[0] or each for each in found])

    PromptServer.routes.get("/embeddings")(embeddings)
    PromptServer.instance = PromptServer()
    module = ModuleType("server")
    module.PromptServer = PromptServer
    monkeypatch.setitem(sys.modules, "server", module)
    assert listing.install() == []
    assert listing.install() == []

    async def ask():
        PromptServer.app.add_routes(PromptServer.routes)
        async with utils.TestClient(utils.TestServer(PromptServer.app)) as client:
            found = []
            for path in paths:
                answer = await client.get(path)
                found.append((answer.status, await answer.read(), answer.headers))
            return found

    return asyncio.run(ask())


def test_the_list_has_what_only_loanword_reads(comfy, monkeypatch):
    loanword.write([made("<cat>", 1), made("<dog>", 2)], comfy.embeddings / "two.bin", format="diffusers")
    loanword.write(made("picture"), comfy.embeddings / "picture.png")
    loanword.write(made("neon"), comfy.embeddings / "sub/neon.safetensors")
    ((status, body, _),) = serve(comfy, monkeypatch, "/embeddings")
    assert status == 200
    assert json.loads(body) == ["sub/neon", "two", "cat", "dog", "picture"]


def test_the_editors_list_has_previews_that_are_served(comfy, monkeypatch):
    loanword.write(made("my cat", 3), comfy.embeddings)
    (comfy.embeddings / "my cat.preview.png").write_bytes(PNG)
    loanword.write(made("other"), comfy.embeddings)
    ((_, body, _),) = serve(comfy, monkeypatch, "/loanword/embeddings?search=MY")
    (row,) = json.loads(body)["embeddings"]
    assert row["text"] == "embedding:my cat"
    assert (row["base_model"], row["tokens"], row["file"]) == (
        "Stable Diffusion 1.x",
        3,
        "embeddings/my cat.safetensors",
    )
    ((status, content, headers),) = serve(comfy, monkeypatch, f"/loanword/previews/{row['preview']}")
    assert (status, content, headers["Content-Type"]) == (200, PNG, "image/png")


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("automatic", r"embedding:cat \(v2\)"),
        ("comfyui", r"embedding:cat \(v2\)"),
        ("a1111", r"cat \(v2\)"),
        ("invokeai", "<cat (v2)>"),
        ("swarmui", "<embed:cat (v2)>"),
    ],
)
def test_what_is_chosen_is_written_as_the_prompt_is(comfy, monkeypatch, syntax, text):
    loanword.write(made("cat (v2)"), comfy.embeddings / "cat (v2).pt")
    ((_, body, _),) = serve(comfy, monkeypatch, f"/loanword/embeddings?syntax={syntax}")
    assert [row["text"] for row in json.loads(body)["embeddings"]] == [text]


def test_of_two_files_with_one_name_the_chosen_one_is_written(comfy, monkeypatch):
    loanword.write(made("style", 1), comfy.embeddings / "a/style.pt")
    loanword.write(made("style", 2), comfy.embeddings / "b/style.pt")
    ((_, body, _),) = serve(comfy, monkeypatch, "/loanword/embeddings")
    assert [row["text"] for row in json.loads(body)["embeddings"]] == ["embedding:a/style", "embedding:b/style"]


def test_no_path_gets_out_or_in(comfy, monkeypatch):
    loanword.write(made("my cat"), comfy.embeddings)
    (comfy.embeddings / "my cat.png").write_bytes(b"<html>")
    answers = serve(
        comfy, monkeypatch, "/loanword/embeddings", "/loanword/previews/x", "/loanword/previews/..%2f..%2fetc%2fpasswd"
    )
    assert str(comfy.base).encode() not in answers[0][1]
    assert [status for status, _, _ in answers] == [200, 404, 404]
    preview = json.loads(answers[0][1])["embeddings"][0]["preview"]
    ((status, _, _),) = serve(comfy, monkeypatch, f"/loanword/previews/{preview}")
    assert status == 404


@pytest.mark.parametrize("name", ["n" * 100_000, "new\nline", "a<img src=x onerror=alert(1)>"])
def test_a_name_that_no_list_can_show_goes_by_its_file(comfy, monkeypatch, name):
    loanword.write([made(name, 1), made("<other>", 1)], comfy.embeddings / "odd.bin", format="diffusers")
    lists = serve(comfy, monkeypatch, "/embeddings", "/loanword/embeddings")
    assert json.loads(lists[0][1]) == ["odd", "other"]
    assert {row["name"] for row in json.loads(lists[1][1])["embeddings"]} == {"odd", "other"}


def test_a_long_list_is_cut_and_counted(comfy, monkeypatch):
    embeddings = [made(f"<word {number}>", 1) for number in range(230)]
    loanword.write(embeddings, comfy.embeddings / "many.bin", format="diffusers")
    ((_, body, _),) = serve(comfy, monkeypatch, "/loanword/embeddings")
    found = json.loads(body)
    assert found["total"] == 230
    assert len(found["embeddings"]) == 200


def test_where_loanword_fails_comfyuis_own_list_stays(comfy, monkeypatch):
    listing = importlib.import_module("loanword.extension.comfyui.listing")
    monkeypatch.setattr(listing, "listed", lambda *_: 1 / 0)
    ((status, body, _),) = serve(comfy, monkeypatch, "/embeddings", names=["style.pt"])
    assert (status, json.loads(body)) == (200, ["style"])
    assert comfy.said("please report")
