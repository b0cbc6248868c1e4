"""What can be done to embeddings through the API, seen from the disk: originals stay, results are whole and new."""

import io
import os
import threading
import zipfile

import loanword
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from api_server import files_below, serving_folder
from loanword.converters.batch import Outcome
from loanword.converters.containers.safetensors import save_safetensors
from loanword.converters.finding import Found
from loanword.converters.payload import Draft
from loanword.embeddings.embedding import Embedding
from loanword.extension.webui.actions.jobs import Job
from samples import L1, PAIR, L, lora_tensors, some

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def client(tmp_path):
    (tmp_path / "Lora").mkdir()
    with serving_folder(tmp_path, loras=[str(tmp_path / "Lora")]) as client:
        folder = client.host.folders[0]
        loanword.write(Embedding("style", {"clip_l": L}), f"{folder}/style.pt", format="a1111")
        loanword.write(Embedding("xl", PAIR), f"{folder}/sub/xl.safetensors", format="onetrainer")
        pets = [Embedding("<cat>", {"clip_l": L}), Embedding("<dog>", {"clip_l": L1})]
        loanword.write(pets, f"{folder}/pets.bin", format="diffusers")
        (tmp_path / "Lora" / "detail.safetensors").write_bytes(save_safetensors(Draft(lora_tensors())))
        yield client.scanned()


@pytest.fixture
def originals(client):
    """Checks that everything that was there before is there afterwards, byte for byte."""
    before = files_below(os.path.dirname(client.host.folders[0]))
    yield before
    after = files_below(os.path.dirname(client.host.folders[0]))
    assert {name: after.get(name) for name in before if "library" not in name} == {
        name: content for name, content in before.items() if "library" not in name
    }


def folder_id(client):
    return client.get("/session").json["folders"][0]["id"]


def read(client, name):
    return loanword.read_all(os.path.join(client.host.folders[0], name))


@pytest.mark.usefixtures("originals")
def test_a_selection_is_converted_for_a_program_beside_its_originals(client):
    body = {"ids": [client.item("style")["id"], client.item("xl")["id"]], "program": "comfyui"}
    state = client.finished(client.post("/convert", body))
    assert (state["kind"], state["state"], state["done"], state["total"]) == ("convert", "done", 2, 2)
    assert {each["file"]: each["kind"] for each in state["outcomes"]} == {
        "style.pt": "done",
        "sub/xl.safetensors": "failed",
    }
    assert "already there" in next(each["reason"] for each in state["outcomes"] if each["kind"] == "failed")
    (output,) = next(each["outputs"] for each in state["outcomes"] if each["kind"] == "done")
    assert read(client, output["name"])[0].vectors == {"clip_l": L}
    assert client.get(f"/embeddings/{output['id']}").json["file"] == output["name"]


@pytest.mark.usefixtures("originals")
def test_all_that_a_query_finds_is_converted_in_the_background(client):
    body = {"query": {"base_model": ["sd1"]}, "format": "comfyui", "dtype": "float16"}
    state = client.finished(client.post("/convert", body))
    assert sorted(each["file"] for each in state["outcomes"]) == ["pets.bin", "style.pt"]
    written = {each["name"] for outcome in state["outcomes"] for each in outcome["outputs"]}
    assert len(written) == 3
    assert {read(client, name)[0].vectors["clip_l"].dtype for name in written} == {"float16"}


@pytest.mark.usefixtures("originals")
def test_of_a_file_with_several_only_the_chosen_one_is_converted(client):
    body = {"ids": [client.item("<dog>")["id"]], "program": "a1111"}
    (outcome,) = client.finished(client.post("/convert", body))["outcomes"]
    (output,) = outcome["outputs"]
    (dog,) = read(client, output["name"])
    assert dog.vectors == {"clip_l": L1}


@pytest.mark.skipif(os.name == "nt", reason="such names are not allowed there")
def test_in_another_folder_results_have_the_folders_of_their_originals(client, tmp_path):
    (tmp_path / "results").mkdir()
    client.host.folders.append(str(tmp_path / "results"))
    odd = "of\u202emine"
    loanword.write(Embedding("deep", {"clip_l": L}), f"{client.host.folders[0]}/{odd}/deep.pt")
    client.scanned()
    (folder,) = [each for each in client.get("/session").json["folders"] if each["label"] == "results"]
    body = {"ids": [client.item("deep")["id"]], "program": "a1111", "folder": folder["id"]}
    (outcome,) = client.finished(client.post("/convert", body))["outcomes"]
    assert outcome["kind"] == "done", outcome
    assert [*files_below(tmp_path / "results")] == [f"{odd}/deep.safetensors"]


def test_a_dry_run_writes_nothing(client):
    before = files_below(client.host.folders[0])
    body = {"ids": [client.item("style")["id"]], "program": "a1111", "folder": folder_id(client), "dry_run": True}
    state = client.finished(client.post("/convert", body))
    assert state["outcomes"][0]["outputs"] == [{"name": "style.safetensors", "id": None}]
    assert not state["download"]
    assert files_below(client.host.folders[0]) == before


def test_a_file_that_is_there_is_replaced_only_when_that_is_asked_for(client):
    place = os.path.join(client.host.folders[0], "style.safetensors")
    with open(place, "wb") as file:
        file.write(b"something else")
    body = {"ids": [client.item("style")["id"]], "program": "a1111"}
    assert client.finished(client.post("/convert", body))["outcomes"][0]["kind"] == "failed"
    with open(place, "rb") as file:
        assert file.read() == b"something else"
    assert client.finished(client.post("/convert", {**body, "overwrite": True}))["outcomes"][0]["kind"] == "done"
    assert read(client, "style.safetensors")[0].vectors == {"clip_l": L}


@pytest.mark.usefixtures("originals")
def test_the_original_is_not_replaced_even_when_that_is_asked_for(client):
    body = {"ids": [client.item("xl")["id"]], "format": "onetrainer", "overwrite": True}
    (outcome,) = client.finished(client.post("/convert", body))["outcomes"]
    assert (outcome["kind"], outcome["outputs"]) == ("failed", [])
    assert "original" in outcome["reason"]


def test_the_results_of_a_job_are_downloaded_in_one_file(client):
    state = client.post("/convert", {"query": {}, "format": "diffusers"})
    ended = client.finished(state)
    assert ended["download"]
    answer = client.get(f"/jobs/{state.json['job']}/download")
    assert answer.headers["content-disposition"].startswith("attachment;")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == sum(len(each["outputs"]) for each in ended["outcomes"])
        assert not [name for name in archive.namelist() if name.startswith("/") or ".." in name]


def test_a_job_is_cancelled_after_the_file_that_it_is_at(client):
    (file,) = loanword.render(Embedding("many", {"clip_l": L1}), format="onetrainer")
    for number in range(500):
        with open(os.path.join(client.host.folders[0], f"many {number}.safetensors"), "wb") as copy:
            copy.write(file.content)
    client.scanned()
    body = {"query": {"q": "many"}, "format": "a1111"}
    job = client.post("/convert", body).json["job"]
    assert client.post(f"/jobs/{job}/cancel").json == {}
    state = client.ended(job)
    assert state["state"] == "cancelled"
    assert len(state["outcomes"]) == state["done"] < 500
    written = [output["name"] for outcome in state["outcomes"] for output in outcome["outputs"]]
    assert all(read(client, name)[0].vectors == {"clip_l": L1} for name in written)


def test_a_job_that_is_said_to_be_done_has_all_of_its_outcomes(client):
    job = Job("convert", outcomes=[Outcome(Found("a.pt"), "done")], done=1, total=2)
    client.service.jobs._jobs[job.id] = job

    class EndsMeanwhile(list):
        def __iter__(self):
            seen = [*super().__iter__()]
            job.add(Outcome(Found("b.pt"), "done"))
            job.state = "done"
            return iter(seen)

    job.outcomes = EndsMeanwhile(job.outcomes)
    state = client.get(f"/jobs/{job.id}").json
    assert (state["state"], state["done"], len(state["outcomes"])) == ("running", 1, 1)


@pytest.mark.usefixtures("originals")
def test_a_pickle_is_made_safe_and_nothing_else_is(client):
    body = {"ids": [client.item("style")["id"], client.item("xl")["id"]]}
    outcomes = {each["file"]: each for each in client.finished(client.post("/make-safe", body))["outcomes"]}
    assert outcomes["sub/xl.safetensors"]["kind"] == "skipped"
    (output,) = outcomes["style.pt"]["outputs"]
    assert not client.get(f"/embeddings/{output['id']}").json["pickle"]
    assert read(client, output["name"])[0].vectors == {"clip_l": L}


@pytest.mark.usefixtures("originals")
@pytest.mark.parametrize("name", ["style", "xl", "<dog>"])
def test_a_renamed_embedding_is_a_new_file_of_that_name(client, name):
    item = client.item(name)
    old = read(client, item["file"])
    (outcome,) = client.finished(client.post("/rename", {"id": item["id"], "name": "other name"}))["outcomes"]
    assert outcome["kind"] == "done", outcome
    (output,) = outcome["outputs"]
    assert os.path.basename(output["name"]) == "other name.safetensors"
    (new,) = read(client, output["name"])
    assert new.name == "other name"
    assert new.vectors == next(each.vectors for each in old if each.name == name)


@pytest.mark.parametrize("name", ["", " ", "a:b", "../a", "a/b", "con", "a\nb", "<a>", "(a)", ".a", "a" * 300])
def test_a_trigger_that_no_file_or_prompt_can_have_is_refused(client, name):
    before = files_below(client.host.folders[0])
    answer = client.post("/rename", {"id": client.item("style")["id"], "name": name})
    assert answer.status == 422
    assert files_below(client.host.folders[0]) == before


@pytest.mark.usefixtures("originals")
def test_a_file_with_several_is_split(client):
    (outcome,) = client.finished(client.post("/split", {"id": client.item("<cat>")["id"]}))["outcomes"]
    found = [read(client, each["name"]) for each in outcome["outputs"]]
    assert [[each.vectors for each in one] for one in found] == [[{"clip_l": L}], [{"clip_l": L1}]]
    assert client.post("/split", {"id": client.item("style")["id"]}).status == 422


@pytest.mark.usefixtures("originals")
def test_embeddings_go_into_a_lora_and_out_again(client):
    (lora,) = client.get("/loras").json["items"]
    assert (lora["name"], lora["bundled"]) == ("detail", [])
    body = {"lora": lora["id"], "ids": [client.item("style")["id"], client.item("<dog>")["id"]], "name": "detail+"}
    assert client.finished(client.post("/bundle", body))["state"] == "done"
    both = {each["name"]: each for each in client.get("/loras").json["items"]}
    assert both["detail+"]["bundled"] == ["<dog>", "style"]
    assert both["detail"]["bundled"] == []
    body = {"lora": both["detail+"]["id"], "program": "a1111", "folder": folder_id(client)}
    (outcome,) = client.finished(client.post("/unbundle", body))["outcomes"]
    assert [read(client, each["name"])[0].vectors for each in outcome["outputs"]] == [{"clip_l": L1}, {"clip_l": L}]
    again = client.finished(client.post("/unbundle", body))
    assert again["state"] == "failed"
    assert "already there" in again["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/convert", {}),
        ("/convert", {"ids": [], "program": "a1111"}),
        ("/convert", {"ids": ["x"], "query": {}, "program": "a1111"}),
        ("/convert", {"query": {}, "program": "a1111", "format": "kohya"}),
        ("/convert", {"query": {}, "program": "paint"}),
        ("/convert", {"query": {}, "format": "../../etc"}),
        ("/convert", {"query": {}, "format": "kohya", "dtype": "int3"}),
        ("/convert", {"query": {}, "program": "a1111", "folder": "../../etc"}),
        ("/convert", {"query": {}, "program": "a1111", "output": "/etc/x"}),
        ("/convert", {"query": {"q": 1}, "program": "a1111"}),
        ("/convert", {"query": {"sort": "colour"}, "program": "a1111"}),
        ("/convert", {"ids": [1], "program": "a1111"}),
        ("/convert", {"ids": ["e" * 25], "program": "a1111"}),
        ("/make-safe", {"ids": ["/etc/passwd"]}),
        ("/split", {"id": "../x"}),
        ("/bundle", {"lora": "x", "ids": [], "name": "../x"}),
        ("/unbundle", {"lora": "x"}),
        ("/uploads/0123456789012345678901/convert", {"program": "a1111"}),
        ("/jobs/0123456789012345678901/cancel", {}),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(client, path, body):
    before = files_below(client.host.folders[0])
    assert client.post(path, body).status in (404, 422)
    assert files_below(client.host.folders[0]) == before


def test_all_that_a_query_finds_is_looked_for_by_the_job(client):
    answered = threading.Event()
    client.service.jobs.start("wait", lambda _: answered.wait(30))
    started = client.post("/convert", {"query": {"q": "no such style"}, "program": "a1111", "dry_run": True})
    assert started.status == 202
    answered.set()
    state = client.finished(started)
    assert (state["state"], state["message"]) == ("failed", "nothing was chosen")


def test_a_refresh_finds_what_was_added_and_has_the_host_look(client):
    loanword.write(Embedding("late", {"clip_l": some(2)}), f"{client.host.folders[0]}/deep/late.safetensors")
    refreshed = client.host.refreshed
    client.scanned()
    assert client.item("late")["file"] == "deep/late.safetensors"
    assert client.host.refreshed == refreshed + 1
