"""What the API lists and tells, of real files on a real server."""

import os
import time

import loanword
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from api_server import serving_folder
from loanword.converters.container import container_named
from loanword.converters.containers.safetensors import save_safetensors
from loanword.converters.payload import Draft
from loanword.embeddings.embedding import Embedding, Provenance
from loanword.embeddings.library_query import SORTS
from samples import L1, PAIR, WRITABLE, L, lora_tensors, some

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
XTI = WRITABLE["xti"][0]


@pytest.fixture
def client(tmp_path):
    with serving_folder(tmp_path) as client:
        yield client


def put(client, embeddings, name, **form):
    return loanword.write(embeddings, os.path.join(client.host.folders[0], name), **form)[0]


def test_an_embedding_is_listed_with_all_that_is_known_of_it(client):
    origin = Provenance(step=500, checkpoint_name="base", checkpoint_hash="72f5", metadata={"author": "somebody"})
    path = put(client, Embedding("style", PAIR, ("alias",), provenance=origin), "sub/style.safetensors")
    client.host.loaded = "sdxl"
    (item,) = client.scanned().items()
    assert (item["name"], item["trigger"], item["aliases"]) == ("style", "style", ["alias"])
    assert (item["kind"], item["file"], item["folder"]["label"]) == ("embedding", "sub/style.safetensors", "embeddings")
    assert (item["base_model"]["key"], item["tokens"], item["pickle"]) == ("sdxl", 3, False)
    assert [(each["encoder"], each["count"], each["width"]) for each in item["vectors"]] == [
        ("clip_l", 3, 768),
        ("clip_g", 3, 1280),
    ]
    assert item["size"] == path.stat().st_size
    details = client.get(f"/embeddings/{item['id']}").json
    assert (details["step"], details["checkpoint_name"], details["checkpoint_hash"]) == (500, "base", "72f5")
    assert details["metadata"]["author"] == "somebody"
    assert details["sha256"] == loanword.read(path).provenance.sha256
    assert {**details, **item} == details


def test_nothing_that_is_answered_names_a_place_on_the_server(client):
    put(client, WRITABLE["a1111"][0], "style.pt", format="a1111")
    folder = client.host.folders[0]
    with open(os.path.join(folder, "broken.pt"), "wb") as file:
        file.write(b"PK\x03\x04")
    client.scanned()
    answers = [client.get("/session"), client.get("/embeddings")]
    for item in client.items():
        answers += [client.get(f"/embeddings/{item['id']}"), client.get(f"/embeddings/{item['id']}/inside")]
    job = client.post("/convert", {"ids": [each["id"] for each in client.items()], "program": "a1111"}).json["job"]
    client.ended(job)
    answers.append(client.get(f"/jobs/{job}"))
    for answer in answers:
        assert folder.encode() not in answer.content
        assert b"/tmp" not in answer.content
    assert {answer.status for answer in answers} == {200, 422}


def test_the_current_base_model_filters_unless_nothing_is_loaded(client):
    put(client, Embedding("old", {"clip_l": L}), "old.safetensors")
    put(client, Embedding("new", PAIR), "new.safetensors")
    client.scanned()
    assert [each["name"] for each in client.items("?base_model=current")] == ["old"]
    client.host.loaded = None
    assert [each["name"] for each in client.items("?base_model=current")] == ["new", "old"]
    assert client.get("/session").json["host"]["base_model"] is None


def test_pages_search_filters_and_sorts_are_those_of_the_library(client):
    for number in range(7):
        put(
            client,
            Embedding(f"style {number}", {"clip_l": some(number + 1)}),
            f"{number % 2}/style {number}.safetensors",
        )
    client.scanned()
    page = client.get("/embeddings?limit=3&offset=3&sort=tokens&order=desc").json
    assert (page["total"], page["offset"], [each["tokens"] for each in page["items"]]) == (7, 3, [4, 3, 2])
    assert [each["name"] for each in client.items("?q=STYLE%205")] == ["style 5"]
    assert page["facets"]["base_model"] == {"sd1": 7}
    (folder,) = client.get("/session").json["folders"]
    assert page["facets"]["folder"] == {folder["id"]: 7}
    assert len(client.items(f"?folder={folder['id']}&kind=embedding&format=kohya")) == 7
    assert [each["key"] for each in client.get("/session").json["sorts"]] == [*SORTS]


@pytest.mark.parametrize(
    "query", ["?sort=age", "?order=up", "?limit=0", "?limit=501", "?limit=x", "?nothing=1", "?q=a&q=b"]
)
def test_what_cannot_be_asked_is_refused(client, query):
    answer = client.get(f"/embeddings{query}")
    assert answer.status == 422
    assert answer.json["error"]["code"] == "unusable"


USES = {
    "read by the host": (Embedding("a", {"clip_l": L}), {"format": "kohya"}, "sd1", "host"),
    "no model loaded": (Embedding("a", {"clip_l": L}), {"format": "kohya"}, None, "host"),
    "another format": (Embedding("a", {"clip_l": L}), {"format": "onetrainer"}, "sd1", "loanword"),
    "a pickle": (Embedding("a", {"clip_l": L}), {"format": "a1111"}, "sd1", "loanword"),
    "another model": (Embedding("a", {"clip_l": L}), {"format": "kohya"}, "sdxl", None),
    "a model that the host has not": (Embedding("a", {"clip_l": L, "t5xxl": some(2, "t5xxl")}), {}, "sd1", None),
    "layers": (XTI, {}, "sd1", None),
    "output vectors": (Embedding("a", output_vectors={"clip_l": L}), {}, "sd1", None),
}


@pytest.mark.parametrize("case", USES)
def test_it_is_said_who_makes_an_embedding_work_and_why_not(client, case):
    embedding, form, loaded, by = USES[case]
    put(client, embedding, "", **form)
    client.host.loaded = loaded
    (item,) = client.scanned().items()
    assert item["use"]["by"] == by
    sentences = [item["use"]["why"], item["use"]["remedy"]]
    if by == "host":
        assert sentences == [None, None]
    else:
        assert all(each.endswith(".") and each[0].isupper() for each in sentences)


def test_what_loanword_may_not_register_is_used_by_nobody(client):
    put(client, Embedding("a", {"clip_l": L}), "a.pt")
    client.host.options["register"] = "nothing"
    (item,) = client.scanned().items()
    assert item["use"]["by"] is None
    assert "settings" in item["use"]["remedy"]


def test_a_file_that_holds_no_embedding_is_listed_with_what_it_is(client):
    with open(os.path.join(client.host.folders[0], "detail.safetensors"), "wb") as file:
        file.write(save_safetensors(Draft(lora_tensors())))
    (item,) = client.scanned().items()
    assert (item["kind"], item["name"], item["use"]["by"]) == ("not-an-embedding", "detail.safetensors", None)
    assert "LoRA" in item["use"]["why"]
    assert "models/Lora" in item["use"]["remedy"]


def test_duplicates_and_collisions_are_found_out(client):
    put(client, Embedding("style", {"clip_l": L}), "style.safetensors")
    put(client, Embedding("twin", {"clip_l": L}), "twin.safetensors")
    put(client, Embedding("style", {"clip_l": L1}), "other/style.safetensors")
    client.scanned()
    health = {each["file"]: {problem["key"] for problem in each["health"]} for each in client.items()}
    assert health == {
        "style.safetensors": {"duplicate", "collision"},
        "twin.safetensors": {"duplicate"},
        "other/style.safetensors": {"collision"},
    }
    assert len(client.items("?health=collision")) == 2
    twin = client.item("twin")
    (other,) = client.get(f"/embeddings/{twin['id']}").json["duplicates"]
    assert other["file"] == "style.safetensors"


def test_siblings_are_the_others_in_a_file(client):
    put(client, [Embedding("<cat>", {"clip_l": L}), Embedding("<dog>", {"clip_l": L1})], "pets.bin", format="diffusers")
    client.scanned()
    cat, dog = client.item("<cat>"), client.item("<dog>")
    assert cat["id"] != dog["id"]
    assert client.get(f"/embeddings/{cat['id']}").json["siblings"] == [
        {"id": dog["id"], "name": "<dog>", "file": "pets.bin"}
    ]


NAMES = [
    "<script>alert(1)</script>",
    "a\u202egnp.exe",
    "a\x1b[2Jb",
    "a\x00b",
    "\ud83d",
    "a\nb",
    "'><img src=x onerror=1>",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_comes_back_as_text(client, name):
    embedding = Embedding("plain", {"clip_l": L}, provenance=Provenance(metadata={name: name}))
    tree = {"string_to_param": {"*": embedding.vectors["clip_l"]}, "name": name}
    with open(os.path.join(client.host.folders[0], "plain.pt"), "wb") as file:
        file.write(container_named("torch-zip").save(Draft(tree)))
    answer = client.scanned().get("/embeddings")
    text = answer.content.decode("ascii")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not set(text) & set("<>&'")
    (item,) = answer.json["items"]
    assert all(each.isprintable() for each in (item["name"], *item["aliases"]))


def test_a_trigger_is_typed_as_prompts_of_the_host_need_it(client):
    put(client, Embedding("style (v2)", {"clip_l": L}), "style.safetensors")
    (item,) = client.scanned().items()
    assert item["name"] in ("style", "style (v2)")
    assert item["trigger"] == item["name"].replace("(", "\\(").replace(")", "\\)")


def test_the_inside_comes_with_pictures_and_their_words(client):
    pytest.importorskip("matplotlib")
    put(client, Embedding("style", {"clip_l": L}), "style.safetensors")
    (item,) = client.scanned().items()
    inside = client.get(f"/embeddings/{item['id']}/inside").json
    assert len(inside["encoders"][0]["norms"]) == 3
    assert inside["text"]
    for picture in inside["pictures"]:
        assert picture["alt"]
        answer = client.get(f"/embeddings/{item['id']}/pictures/{picture['key']}?theme=dark")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
        assert b"<svg" in answer.content
    assert client.get(f"/embeddings/{item['id']}/pictures/none").status == 404


@pytest.mark.parametrize("language", ["de_DE", "", "None", "../localizations/de_DE", "xx\0"])
def test_what_is_written_in_pictures_is_in_the_hosts_language(client, language):
    pytest.importorskip("matplotlib")
    put(client, Embedding("style", {"clip_l": L}), "style.safetensors")
    item = client.scanned().item("style")
    client.host.spoken = language
    drawn = client.get(f"/embeddings/{item['id']}/pictures/clip_l-similarity").content.decode()
    written = ("Kosinus-Ähnlichkeit", "Ähnlichkeit der Vektoren"), ("cosine similarity", "similarity of the vectors")
    german, english = ([f"{text} -->" in drawn for text in texts] for texts in written)
    assert (german, english) == (([True] * 2, [False] * 2) if language == "de_DE" else ([False] * 2, [True] * 2))


def test_an_original_is_downloaded_as_it_is_under_its_own_name(client):
    path = put(client, Embedding("猫 style", {"clip_l": L}), "猫 style.safetensors")
    (item,) = client.scanned().items()
    answer = client.get(f"/download/{item['id']}")
    assert answer.content == path.read_bytes()
    assert answer.headers["content-disposition"].startswith('attachment; filename="_ style.safetensors"')
    assert "filename*=UTF-8''%E7%8C%AB%20style.safetensors" in answer.headers["content-disposition"]
    assert client.but(Range="bytes=0-,0-,0-").get(f"/download/{item['id']}").content == path.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="links need permission there")
def test_a_link_to_something_else_is_not_a_way_to_have_it_sent(client, tmp_path):
    (tmp_path / "secret").write_text("of somebody")
    os.symlink(tmp_path / "secret", os.path.join(client.host.folders[0], "style.pt"))
    (item,) = client.scanned().items()
    answer = client.get(f"/download/{item['id']}")
    assert answer.status == 409
    assert b"somebody" not in answer.content


def test_an_id_of_a_file_that_is_gone_says_so(client):
    path = put(client, Embedding("style", {"clip_l": L}), "style.safetensors")
    (item,) = client.scanned().items()
    path.unlink()
    assert client.get(f"/download/{item['id']}").status == 422
    client.scanned()
    for place in (f"/embeddings/{item['id']}", f"/embeddings/{item['id']}/inside", f"/download/{item['id']}"):
        assert client.get(place).status in (404, 422)


def test_a_prompt_is_reported_on(client):
    put(client, Embedding("badhand", {"clip_l": L}), "badhand.safetensors")
    put(client, Embedding("xlstyle", PAIR), "xlstyle.safetensors")
    client.scanned()
    body = {"prompt": "a (badhand:1.2) and badhnad", "negative_prompt": "embedding:xlstyle, embedding:none"}
    prompt, negative = client.post("/report", body).json["prompts"]
    assert [(each["name"], each["written"], each["fits"], each["tokens"]) for each in prompt["used"]] == [
        ("badhand", "badhand", True, 3)
    ]
    assert prompt["unknown"] == [{"written": "badhnad", "nearest": ["badhand"]}]
    assert [(each["name"], each["fits"]) for each in negative["used"]] == [("xlstyle", False)]
    assert [each["written"] for each in negative["unknown"]] == ["none"]
    assert any("SDXL" in each for each in negative["sentences"])


def test_a_prompt_is_as_long_as_the_hosts_own_counter_says(client):
    client.host.lengths = {("a, b", False): (76, 150), ("c", True): (3, 75), ("T5", False): (40, 255)}
    prompts = client.post("/report", {"prompt": "a, b", "negative_prompt": "c"}).json["prompts"]
    assert [each["tokens"] for each in prompts] == [76, 3]
    assert [each["sentences"][-1] for each in prompts] == [
        "The prompt takes 76 of the 150 tokens in 2 parts.",
        "The prompt takes 3 of the 75 tokens in one part.",
    ]
    (prompt,) = client.post("/report", {"prompt": "T5"}).json["prompts"]
    assert prompt["sentences"][-1] == "The prompt takes 40 of 255 tokens."


def test_the_first_page_of_many_files_comes_at_once(client):
    folder = client.host.folders[0]
    (file,) = loanword.render(Embedding("style", {"clip_l": L1}), format="kohya")
    for number in range(2000):
        with open(os.path.join(folder, f"style {number}.safetensors"), "wb") as copy:
            copy.write(file.content)
    client.scanned()
    began = time.perf_counter()
    page = client.get("/embeddings").json
    assert time.perf_counter() - began < 1
    assert (page["total"], len(page["items"])) == (2000, 60)
