"""Files behind URLs: in memory, in archives, and where they are refused."""

import sys
import zipfile
from pathlib import Path
from typing import ClassVar

import loanword
import pytest
from click.testing import CliRunner
from loanword.__main__ import main
from loanword.converters import remote
from loanword.converters.finding import find
from loanword.converters.places import folder_of, is_url, joined, name_of
from scale.collection import contents, embedding, make, rows

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory():
    """A file system in memory, empty."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    return store


def put(folder, url):
    store, path = fsspec.core.url_to_fs(url)
    for name, content in contents(folder).items():
        store.pipe_file(f"{path}/{name}", content)


def held(url):
    store, path = fsspec.core.url_to_fs(url)
    return {
        name.removeprefix(store._strip_protocol(path)).strip("/"): store.cat_file(name) for name in store.find(path)
    }


@pytest.mark.parametrize(
    ("url", "folder", "name"),
    [
        ("s3://bucket/a/b.pt", "s3://bucket/a", "b.pt"),
        ("memory://b.pt", "memory://", "b.pt"),
        ("zip://a/b.pt::s3://bucket/c.zip", "zip://a::s3://bucket/c.zip", "b.pt"),
        ("simplecache::s3://bucket/a/b.pt", "simplecache::s3://bucket/a", "b.pt"),
    ],
)
def test_urls_are_taken_apart_and_put_together(url, folder, name):
    assert is_url(url)
    assert (folder_of(url), name_of(url)) == (folder, name)
    assert joined("s3://bucket/a", "b", "") == "s3://bucket/a/b/"


@pytest.mark.parametrize(
    "path", ["a/b.pt", "C:\\a\\b.pt", "C:/a/b.pt", "/a:/b.pt", "a/s3://b.pt", "://b.pt", "s3:/b.pt"]
)
def test_paths_are_no_urls(path):
    assert not is_url(path)


@pytest.mark.usefixtures("memory")
def test_what_is_written_behind_a_url_is_read_from_there():
    (place,) = loanword.write(embedding("cat"), "memory://out/deep/")
    assert str(place.url) == "memory://out/deep/cat.safetensors"
    assert loanword.read(place) == loanword.read(place.url) == embedding("cat")
    assert loanword.identify(place.url).path == place.url
    with pytest.raises(loanword.CannotWrite, match="already there"):
        loanword.write(embedding("cat", 2), "memory://out/deep/")
    loanword.write(embedding("cat", 2), place, overwrite=True)
    assert loanword.read(place) == embedding("cat", 2)
    (converted,) = loanword.convert(place, "memory://out/cat.pt", format="a1111")
    assert loanword.read(converted) == embedding("cat", 2)
    assert loanword.read(converted).provenance.original_sha256 == loanword.read(place).provenance.sha256


@pytest.mark.usefixtures("memory")
def test_a_concept_is_read_with_the_files_beside_it(tmp_path):
    loanword.write(embedding("<cat>"), tmp_path, container="folder")
    put(tmp_path, "memory://concepts")
    (found,) = find(["memory://concepts/"])
    assert loanword.read(found.path).name == "<cat>"


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    "url", ["memory://nothing.pt", "memory://nothing/", "nosuch://a.pt", "zip://a.pt::nothing.zip"]
)
def test_what_is_not_there_is_said_so(url):
    with pytest.raises(loanword.Unreadable) as caught:
        loanword.read(url)
    assert str(caught.value).startswith(url)


@pytest.mark.usefixtures("memory")
def test_a_large_file_costs_its_header_and_its_vectors(monkeypatch, tmp_path):
    path = tmp_path / "large.safetensors"
    tensors = {"lora_unet_x.lora_up.weight": (2048, 4096), "bundle_emb.word.emb_params": (2, 768)}
    write_tensors(path, tensors)
    put(tmp_path, "memory://in")
    store = type(fsspec.filesystem("memory"))
    fetched = []
    whole = store.cat_file

    def counted(self, path, start=None, end=None):
        content = whole(self, path, start=start, end=end)
        fetched.append(len(content))
        return content

    monkeypatch.setattr(store, "cat_file", counted, raising=False)
    (found,) = find(["memory://in"])
    assert loanword.read(found.source()).vectors["clip_l"].shape == (2, 768)
    assert len(fetched) <= 2
    assert sum(fetched) < 600_000
    fetched.clear()
    assert loanword.read("memory://in/large.safetensors") == loanword.read(path)
    assert sum(fetched) < 5_000_000, "of a file of unknown size, the first 4 MB are asked for"


def write_tensors(path, shapes):
    import numpy as np
    from loanword.converters.container import container_named
    from loanword.converters.payload import Draft, Tensor

    tree = {key: Tensor("float32", shape, np.ones(shape, "<f4").tobytes) for key, shape in shapes.items()}
    path.write_bytes(container_named("safetensors").save(Draft(tree)))


@pytest.mark.usefixtures("memory")
def test_a_collection_goes_from_memory_to_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make(tmp_path / "in")
    expected = loanword.convert_many(tmp_path / "in", tmp_path / "out", jobs=0)
    put(tmp_path / "in", "memory://in")
    assert loanword.convert_many("memory://in/", "memory://out") == expected
    assert held("memory://out") == contents(tmp_path / "out")
    again = loanword.convert_many(["memory://in/**"], "memory://out/")
    assert (again.converted, again.identical) == (0, 44)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()], "finished, without a journal"


def test_a_collection_comes_out_of_an_archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(Path("in"))
    with zipfile.ZipFile("all.zip", "w") as archive:
        for path in sorted(Path("in").rglob("*")):
            archive.write(path)
    expected = loanword.convert_many("in", "expected", jobs=0)
    totals = loanword.convert_many("zip://in/::all.zip", "out", jobs=0, report="report.jsonl")
    assert totals == expected
    assert contents("out") == contents("expected")
    assert {
        row["source"].startswith("zip://in/") and row["source"].endswith("::all.zip") for row in rows("report.jsonl")
    } == {True}
    with pytest.raises(loanword.CannotWrite, match="only read from"):
        loanword.write(embedding("cat"), "zip://out/::new.zip")


@pytest.mark.usefixtures("memory")
def test_other_file_systems_get_files_under_a_temporary_name_first(tmp_path):
    url = f"file://{tmp_path.as_posix()}/out/cat.pt"
    loanword.write(embedding("cat"), url)
    assert loanword.read(url) == embedding("cat")
    with pytest.raises(loanword.CannotWrite, match="already there"):
        loanword.write(embedding("cat", 2), url)
    loanword.write(embedding("cat", 3), url, overwrite=True)
    assert loanword.read(tmp_path / "out/cat.pt") == embedding("cat", 3)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cat.pt"]


@pytest.fixture
def careless(monkeypatch):
    """A store that writes over what is there though it was asked not to, as some servers of the S3 protocol do."""
    from fsspec.implementations.memory import MemoryFileSystem

    class Careless(MemoryFileSystem):
        protocol = "careless"
        store: ClassVar = {}
        pseudo_dirs: ClassVar = [""]

        def pipe_file(self, path, value, **_):
            super().pipe_file(path, value)

    fsspec.register_implementation("careless", Careless, clobber=True)
    monkeypatch.setattr(remote, "_WRITTEN_AT_ONCE", remote._WRITTEN_AT_ONCE | {"careless"})
    return fsspec.filesystem("careless")


def test_a_store_that_ignores_conditions_loses_nothing_either(careless, tmp_path):
    for number in range(3):
        loanword.write(embedding(f"style-{number}", number), tmp_path / f"in/style-{number}.pt")
    careless.pipe_file("careless://out/style-0.safetensors", b"somebody's")
    with pytest.raises(loanword.CannotWrite, match="is already there"):
        loanword.convert(tmp_path / "in/style-0.pt", "careless://out")
    totals = loanword.convert_many(tmp_path / "in", "careless://out", jobs=0, journal=tmp_path / "journal")
    assert (totals.converted, totals.skipped) == (2, 1)
    again = loanword.convert_many(tmp_path / "in", "careless://out", jobs=0, journal=tmp_path / "journal")
    assert (again.identical, again.skipped) == (2, 1)
    assert careless.cat_file("careless://out/style-0.safetensors") == b"somebody's"


@pytest.mark.usefixtures("memory")
def test_the_commands_take_urls(tmp_path):
    loanword.write([embedding("<cat>"), embedding("<dog>", 2)], "memory://in/two.bin", format="diffusers")
    loan = CliRunner()
    result = loan.invoke(main, ["convert", "memory://in/", "--out", "memory://out/"])
    assert (result.exit_code, result.stdout.split()) == (
        0,
        ["memory://out/cat.safetensors", "memory://out/dog.safetensors"],
    )
    shown = loan.invoke(main, ["inspect", "memory://out/"])
    assert [line.split()[1] for line in shown.stdout.splitlines()[1:]] == ["<cat>", "<dog>"]
    assert loan.invoke(main, ["convert", "memory://out/cat.safetensors", "--out", str(tmp_path)]).exit_code == 0
    assert loanword.read(tmp_path / "cat.safetensors") == embedding("<cat>")


def test_nothing_inside_a_file_is_taken_for_a_url(tmp_path, monkeypatch):
    url = "memory://elsewhere/evil.pt"
    word = loanword.Embedding(url, embedding("x").vectors, (f"{url}2",))
    loanword.write(word, tmp_path / "in/evil.bin", format="diffusers")
    loanword.write([word, embedding("<dog>")], tmp_path / "in/two.bin", format="diffusers")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    assert loanword.read(tmp_path / "in/evil.bin").name == url
    assert loanword.convert_many(tmp_path / "in", tmp_path / "out", jobs=0).converted == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["memory___elsewhere_evil.pt.safetensors"]


def test_without_fsspec_a_url_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(loanword.Unreadable, match=r"loanword\[scale\]"):
        loanword.read("s3://bucket/a.pt")
