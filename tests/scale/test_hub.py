"""hf://, by huggingface_hub itself, against a server that answers as the Hub does."""

import loanword
import pytest
from loanword.converters import hub as single_files
from loanword.converters import remote
from scale.collection import contents, embedding, make, rows
from scale.hub import REPOSITORY, Hub

fsspec = pytest.importorskip("fsspec")

constants = pytest.importorskip("huggingface_hub.constants")
WORDS = f"hf://{REPOSITORY}"


@pytest.fixture(scope="module")
def server():
    """Of which huggingface_hub keeps the address."""
    with Hub() as started, pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", started.url)
        template = started.url + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        for name, value in {"HF_ENDPOINT": started.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_none"}.items():
            patch.setenv(name, value)  # for workers
        yield started
        forget_listings()


@pytest.fixture
def hub(server, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server.files.clear()
    server.requests.clear()
    forget_listings()
    return server


def forget_listings():
    single_files._file_system.cache_clear()
    fsspec.get_filesystem_class("hf").clear_instance_cache()


def upload(hub, folder, prefix):
    hub.files.update({f"{prefix}/{name}": content for name, content in contents(folder).items()})


def about_files(hub):
    """The requests for single files since the last call."""
    seen = [each for each in hub.requests if "/resolve/" in each[1]]
    hub.requests.clear()
    return [(method, path.partition("/resolve/main/")[2]) for method, path in seen]


def listings(hub):
    return [path for _, path in hub.requests if "/tree/" in path]


def test_a_small_file_costs_one_request_and_no_listing_of_its_folder(hub):
    for name in ("cat", "dog"):
        hub.files[f"in/{name}.pt"] = loanword.render(embedding(name), container="torch-zip")[0].content
    for name in ("cat", "dog"):
        assert loanword.read(f"{WORDS}/in/{name}.pt").name == name
    assert listings(hub) == []
    assert about_files(hub) == [("GET", "in/cat.pt"), ("GET", "in/dog.pt")]


def test_of_a_large_file_only_ranges_are_read(hub, monkeypatch):
    monkeypatch.setattr(remote, "READ_AT_ONCE", 1000)
    hub.files["in/cat.pt"] = loanword.render(embedding("cat", rows=4), container="torch-zip")[0].content
    assert loanword.read(f"{WORDS}/in/cat.pt").vectors == embedding("cat", rows=4).vectors


def test_what_is_not_there_or_empty_is_said_so(hub):
    with pytest.raises(loanword.Unreadable, match="no such file"):
        loanword.read(f"{WORDS}/none.pt")
    with pytest.raises(loanword.Unreadable, match="no such file"):
        loanword.read("hf://someone/else/none.pt")
    hub.files["empty.pt"] = b""
    with pytest.raises(loanword.FileError, match="empty"):
        loanword.read(f"{WORDS}/empty.pt")


@pytest.mark.usefixtures("hub")
def test_what_is_there_is_not_replaced_unless_that_is_asked_for():
    (place,) = loanword.write(embedding("cat"), f"{WORDS}/out/")
    assert str(place.__fspath__()) == f"{WORDS}/out/cat.safetensors"
    with pytest.raises(loanword.CannotWrite, match="already there"):
        loanword.write(embedding("cat", 2), f"{WORDS}/out/")
    assert loanword.read(place) == embedding("cat")
    loanword.write(embedding("cat", 2), place, overwrite=True)
    assert loanword.read(place) == embedding("cat", 2)


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_collection_comes_out_as_it_does_on_a_disk(hub, tmp_path, jobs):
    make(tmp_path / "in")
    expected = loanword.convert_many(tmp_path / "in", tmp_path / "out", jobs=0)
    upload(hub, tmp_path / "in", "in")
    totals = loanword.convert_many(f"{WORDS}/in/", f"{WORDS}/out", jobs=jobs, report=tmp_path / "report.jsonl")
    assert totals == expected
    made = {name.removeprefix("out/"): content for name, content in hub.files.items() if name.startswith("out/")}
    assert made == contents(tmp_path / "out")
    read = [path for method, path in about_files(hub) if method == "GET" and path.startswith("in/")]
    assert {*read} == {row["source"].removeprefix(f"{WORDS}/") for row in rows(tmp_path / "report.jsonl")}
    again = loanword.convert_many(f"{WORDS}/in/", f"{WORDS}/out", jobs=jobs)
    assert (again.converted, again.identical) == (0, expected.converted)
