"""The index of embeddings: what a scan notices, what it remembers, and what it does without reading files again."""

import dataclasses
import hashlib
import json
import os
import socket
import struct
import zlib
from pathlib import Path

import loanword
import numpy as np
import pytest
from loanword.converters.containers.safetensors import save_safetensors
from loanword.converters.indexing import open_library, reader
from loanword.converters.payload import Draft
from loanword.embeddings.library import MEMORY, Library
from samples import lora_tensors, some

LONG_AGO = 1_600_000_000 * 10**9


def save(path, rows=2, *, name=None, numbers=None, encoder="clip_l", age=True):
    """A real file with one embedding, by default of long ago, so that its time tells every change."""
    vectors = some(rows, encoder, seed=zlib.crc32(str(path).encode())) if numbers is None else numbers
    (path,) = loanword.write(loanword.Embedding(name or Path(path).stem, {encoder: vectors}), path, overwrite=True)
    return aged(path) if age else path


def aged(path):
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return str(path)


class Counted:
    """The real reader, which keeps the paths that it read."""

    def __init__(self):
        self.paths = []
        self.reader = dataclasses.replace(reader(), read=self.read)

    def read(self, path):
        self.paths.append(path)
        return reader().read(path)

    def taken(self):
        paths, self.paths = sorted(map(os.path.basename, self.paths)), []
        return paths


@pytest.fixture
def counted():
    return Counted()


@pytest.fixture
def library(tmp_path, counted):
    with Library(str(tmp_path / "index" / "library.sqlite"), counted.reader) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "embeddings"
    made.mkdir()
    return made


def names(paths):
    return sorted(os.path.basename(path) for path in paths)


def test_it_remembers_what_reading_says(library, folder):
    path = save(folder / "badhandv4.pt", 6, name="badhandv3")
    expected = loanword.read(path)
    library.scan([str(folder)])
    file = library.file(path)
    assert (file.kind, file.format, file.container, file.pickled) == ("embedding", "a1111", "torch-zip", True)
    assert (file.size, file.modified_ns) == (os.stat(path).st_size, LONG_AGO)
    (found,) = file.embeddings
    assert (found.name, found.aliases) == (expected.name, expected.aliases)
    assert (found.base_model, found.tokens, found.vectors) == ("sd1", 6, {"clip_l": (6, 768, "float32")})
    np.testing.assert_allclose(found.norms["clip_l"], np.linalg.norm(expected.vectors["clip_l"].numpy(), axis=1))
    assert (found.step, found.warnings, found.health) == (expected.provenance.step, (), ())


def test_it_remembers_what_other_files_are(library, folder):
    (folder / "page.pt").write_bytes(b"<!DOCTYPE html><html></html>")
    (folder / "half.pt").write_bytes(Path(save(folder / "whole.pt")).read_bytes()[:-100])
    library.scan([str(folder)])
    assert library.file(str(folder / "page.pt")).kind == "not-an-embedding"
    half = library.file(str(folder / "half.pt"))
    assert (half.kind, half.embeddings) == ("damaged", ())
    assert "half.pt" not in half.message
    assert half.message


def test_files_that_are_as_they_were_are_not_read_again(library, folder, counted):
    save(folder / "one.pt")
    save(folder / "two.safetensors")
    first = library.scan([str(folder)])
    assert (names(first.added), first.unchanged) == (["one.pt", "two.safetensors"], 0)
    assert counted.taken() == ["one.pt", "two.safetensors"]
    again = library.scan([str(folder)])
    assert (again.added, again.changed, again.removed, again.unchanged) == ((), (), (), 2)
    assert not again
    assert counted.taken() == []


def test_a_new_library_on_the_same_index_reads_nothing_again(library, folder, counted):
    save(folder / "one.pt")
    library.scan([str(folder)])
    counted.taken()
    with Library(library.path, counted.reader) as other:
        assert other.scan([str(folder)]).unchanged == 1
    assert counted.taken() == []


def test_changed_removed_and_new_files_are_noticed_in_subfolders_too(library, folder, counted):
    save(folder / "same.pt")
    save(folder / "a" / "changed.pt", 2)
    save(folder / "a" / "b" / "removed.pt")
    library.scan([str(folder)])
    counted.taken()
    save(folder / "a" / "changed.pt", 3)
    (folder / "a" / "b" / "removed.pt").unlink()
    save(folder / "a" / "b" / "c" / "new.pt")
    scan = library.scan([str(folder)])
    assert (names(scan.added), names(scan.changed), names(scan.removed)) == (["new.pt"], ["changed.pt"], ["removed.pt"])
    assert scan.unchanged == 1
    assert counted.taken() == ["changed.pt", "new.pt"]
    assert names(file.path for file in library.files([str(folder)])) == ["changed.pt", "new.pt", "same.pt"]
    assert library.file(str(folder / "a" / "changed.pt")).embeddings[0].tokens == 3


def test_a_change_in_the_same_moment_and_of_the_same_size_is_noticed(library, folder):
    path = save(folder / "style.pt", age=False)
    library.scan([str(folder)])
    before, time = library.file(path).embeddings[0].fingerprint, os.stat(path).st_mtime_ns
    save(folder / "style.pt", numbers=loanword.Vectors("float32", (2, 768), bytes([0, 0, 0, 60]) * 1536), age=False)
    os.utime(path, ns=(time, time))
    scan = library.scan([str(folder)])
    assert library.file(path).embeddings[0].fingerprint != before
    assert (scan.changed, scan.unchanged) == ((), 1)


def test_a_scan_of_one_folder_leaves_others_alone(library, tmp_path):
    first, second = save(tmp_path / "a" / "one.pt"), save(tmp_path / "ab" / "two.pt")
    library.scan([str(tmp_path / "a"), str(tmp_path / "ab")])
    os.unlink(first)
    assert names(library.scan([str(tmp_path / "a")]).removed) == ["one.pt"]
    assert library.file(second)
    assert [file.path for file in library.files([str(tmp_path / "a")])] == []
    assert [file.path for file in library.files([str(tmp_path)])] == [second]


def test_a_folder_that_went_away_is_named_and_its_files_are_forgotten(library, tmp_path):
    path = save(tmp_path / "gone" / "one.pt")
    library.scan([str(tmp_path / "gone")])
    os.rename(tmp_path / "gone", tmp_path / "elsewhere")
    scan = library.scan([str(tmp_path / "gone")])
    assert (scan.unlistable, scan.removed) == ((str(tmp_path / "gone"),), (path,))


def test_folders_inside_one_another_count_once(library, folder):
    save(folder / "inner" / "one.pt")
    places = [str(folder / "inner"), str(folder), str(folder) + os.sep]
    assert len(library.scan(places).added) == 1
    assert library.page(places, loanword.Query()).total == 1
    assert len([*library.files(places)]) == 1


def test_links_to_folders_are_followed_without_circles(library, folder, tmp_path):
    save(tmp_path / "elsewhere" / "linked.pt")
    save(folder / "deep" / "own.pt")
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "away").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(folder / "deep")
    (folder / "dangling.pt").symlink_to(tmp_path / "nowhere.pt")
    scan = library.scan([str(folder)])
    assert names(scan.added) == ["linked.pt", "own.pt"]
    assert scan.unlistable == ()


def test_a_link_to_itself_hides_no_other_file(library, folder):
    paths = [save(folder / f"{number}.pt") for number in range(8)]
    (folder / "loop.pt").symlink_to("loop.pt")
    (folder / "loop").symlink_to("loop")
    scan = library.scan([str(folder)])
    assert len(scan.added) == len(paths)
    assert scan.unlistable == ()


def test_what_is_no_regular_file_is_left_alone(library, folder):
    os.mkfifo(folder / "pipe.pt")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(folder)  # a socket's path may not be long
        listener.bind("socket.pt")
        (folder / "folder.pt").mkdir()
        assert library.scan([str(folder)]).added == ()


@pytest.mark.parametrize("name", ["notes.txt", "style.jpg", "model.gguf", ".hidden.pt", "style", ".git/style.pt"])
def test_files_that_no_container_is_called_like_are_left_out(library, folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"nothing")
    assert library.scan([str(folder)]).added == ()


def png(path, size=(64, 48)):
    from PIL import Image

    rng = np.random.default_rng(len(str(path)))
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)
    return aged(path)


def kinds(library, folder):
    rows = library.page([str(folder)], loanword.Query(sort="file")).rows
    return {os.path.basename(row.file.path): row.file.kind for row in rows}


def test_previews_are_left_out_and_plain_pictures_are_no_embeddings(library, folder, counted):
    pytest.importorskip("PIL")
    save(folder / "style.pt")
    save(folder / "other.safetensors")
    png(folder / "style.preview.png")
    png(folder / "other.png")
    png(folder / "holiday.png")
    library.scan([str(folder)])
    assert counted.taken() == ["holiday.png", "other.png", "other.safetensors", "style.pt"]
    assert kinds(library, folder) == {
        "style.pt": "embedding",
        "other.safetensors": "embedding",
        "holiday.png": "not-an-embedding",
    }
    os.unlink(folder / "other.safetensors")
    library.scan([str(folder)])
    assert kinds(library, folder)["other.png"] == "not-an-embedding"


def test_a_picture_with_an_embedding_is_one_even_beside_a_model_of_its_name(library, folder):
    save(folder / "style.pt", 1)
    save(folder / "style.png", 3)
    library.scan([str(folder)])
    assert kinds(library, folder) == {"style.pt": "embedding", "style.png": "embedding"}


def test_companions_are_read_with_the_file_they_belong_to(library, folder):
    for name, encoder in (("learned_embeds.bin", "clip_l"), ("learned_embeds_2.bin", "clip_g")):
        half = loanword.Embedding("<cat>", {encoder: some(2, encoder)})
        loanword.write(half, folder / name, format="diffusers", container="torch-zip")
    assert len(library.scan([str(folder)]).added) == 1
    (row,) = library.page([str(folder)], loanword.Query()).rows
    assert row.embedding.base_model == "sdxl"


@pytest.mark.parametrize("name", ["Größe", "Gro\u0308ße", "龙", "𝔘nicode", "a b", "%_\\", "🙂", "'; DROP TABLE x; --"])
def test_names_of_every_alphabet_are_kept_and_found(library, folder, name):
    path = save(folder / "file.pt", name=name)
    os.rename(path, folder / f"{name}.pt")
    library.scan([str(folder)])
    page = library.page([str(folder)], loanword.Query(text=name))
    assert [row.embedding.name for row in page.rows] == [name]
    assert page.rows[0].file.path == str(folder / f"{name}.pt")
    assert library.page([str(folder)], loanword.Query(text="x" + name)).total == 0


def test_search_ignores_case_accents_and_unicode_form(library, folder):
    save(folder / "Café Größe.pt")
    library.scan([str(folder)])
    for text in ("CAFE", "cafe\u0301", "grosse", "GRÖSSE café", "größe", "ｃａｆé"):
        assert library.page([str(folder)], loanword.Query(text=text)).total == 1, text


def test_file_names_that_are_no_text_are_kept(library, folder):
    path = os.path.join(os.fsencode(folder), b"caf\xe9.pt")
    try:
        os.rename(save(folder / "file.pt"), path)
    except OSError:
        pytest.skip("this file system takes text only")
    library.scan([str(folder)])
    (row,) = library.page([str(folder)], loanword.Query(text="caf")).rows
    assert os.fsencode(row.file.path) == path
    assert library.scan([str(folder)]).unchanged == 1


def test_names_with_half_a_character_are_kept(library, folder):
    vectors = {"clip_l": some(1)}
    draft = loanword.render(loanword.Embedding("A" * 7, vectors), format="diffusers", container="torch-zip")[0].content
    halved = draft.replace(b"AAAAAAA", b"AAA\xed\xa0\x80A")
    (folder / "learned_embeds.bin").write_bytes(with_right_checksums(halved))
    library.scan([str(folder)])
    (row,) = library.page([str(folder)], loanword.Query(text="aaa")).rows
    assert row.embedding.name == "AAA\ud800A"


def with_right_checksums(archive):
    """A stored zip whose pickle was changed, made sound again."""
    pickle = archive.index(b"PK\3\4")
    name, extra = struct.unpack_from("<2H", archive, pickle + 26)
    size = struct.unpack_from("<I", archive, pickle + 22)[0]
    start = pickle + 30 + name + extra
    before, after = archive[pickle + 14 : pickle + 18], zlib.crc32(archive[start : start + size]).to_bytes(4, "little")
    return archive.replace(before, after)


def test_of_a_large_lora_only_the_bundle_is_read(library, folder):
    path = folder / "pixelart.safetensors"
    bundle = {**lora_tensors(), "bundle_emb.pixel.clip_l": some(2)}
    content = save_safetensors(Draft(bundle))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    end = len(content) - 8 - length
    header["lora_unet_large.lora_up.weight"] = {"dtype": "U8", "shape": [2**34], "data_offsets": [end, end + 2**34]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + content[8 + length :])
        file.truncate(8 + len(text) + end + 2**34)
    library.scan([str(folder)])
    file = library.file(str(path))
    assert (file.format, [each.name for each in file.embeddings]) == ("lora-bundle", ["pixel"])


def test_the_hash_of_a_whole_file_is_computed_when_asked_for_and_kept(library, folder):
    path = save(folder / "style.pt")
    library.scan([str(folder)])
    assert library.file(path).sha256 is None
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert library.file(path, hashed=True).sha256 == digest
    assert library.file(path).sha256 == digest
    save(folder / "style.pt", 3)
    assert library.file(path, hashed=True).sha256 == digest  # as it was when it was read
    library.scan([str(folder)])
    assert library.file(path).sha256 is None
    os.unlink(path)
    assert library.file(path, hashed=True).sha256 is None


def test_the_original_hash_is_what_the_file_says(library, folder):
    original = save(folder / "style.pt")
    digest = hashlib.sha256(Path(original).read_bytes()).hexdigest()
    loanword.convert(original, str(folder / "out"))
    library.scan([str(folder / "out")])
    (row,) = library.page([str(folder / "out")], loanword.Query()).rows
    assert row.embedding.original_sha256 == digest


def test_a_scan_tells_how_far_it_is_and_can_be_cancelled(library, folder):
    for number in range(7):
        save(folder / f"style-{number}.pt")
    told = []
    scan = library.scan([str(folder)], progress=lambda *done: told.append(done), cancelled=lambda: len(told) == 3)
    assert told == [(1, 7), (2, 7), (3, 7)]
    assert len(scan.added) == 3
    assert library.page([str(folder)], loanword.Query()).total == 3
    assert len(library.scan([str(folder)]).added) == 4


def test_a_library_in_memory_works_like_any_other(folder):
    save(folder / "one.pt")
    with open_library(MEMORY) as library:
        assert len(library.scan([str(folder)]).added) == 1
        assert library.scan([str(folder)]).unchanged == 1


def test_the_index_is_where_the_environment_says(monkeypatch, tmp_path, folder):
    monkeypatch.setenv("LOANWORD_LIBRARY", str(tmp_path / "here.sqlite"))
    with open_library() as library:
        library.scan([str(folder)])
    assert (tmp_path / "here.sqlite").exists()
    monkeypatch.delenv("LOANWORD_LIBRARY")
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    with open_library() as library:
        library.scan([str(folder)])
        assert Path(library.path).is_relative_to(tmp_path / "home")
        assert Path(library.path).exists()


def test_another_reader_reads_everything_again(library, folder, counted):
    save(folder / "one.pt")
    library.scan([str(folder)])
    counted.taken()
    with Library(library.path, dataclasses.replace(counted.reader, revision="newer")) as newer:
        assert len(newer.scan([str(folder)]).added) == 1
    assert counted.taken() == ["one.pt"]
