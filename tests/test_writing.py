"""Files out of embeddings: where they go, what they are called, and what is never done to anybody's file."""

import hashlib
import json
import os

import loanword
import numpy as np
import pytest
from loanword.converters.container import all_containers
from loanword.embeddings.embedding import Embedding, Provenance, Vectors


def embedding(name="word", *, width=768, encoder="clip_l", dtype="float32", count=2, **fields):
    numbers = np.random.default_rng(3).normal(size=(count, width))
    return Embedding(name, {encoder: Vectors.from_numpy(numbers, dtype)}, **fields)


def sdxl(name="word", count=2):
    vectors = {**embedding(count=count).vectors, **embedding(width=1280, encoder="clip_g", count=count).vectors}
    return Embedding(name, vectors)


def header_of(path):
    content = path.read_bytes()
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".bin", ".npy", ".pdparams", ".png"])
def test_the_suffix_of_the_destination_picks_the_container(suffix, tmp_path):
    (path,) = loanword.write(embedding(), tmp_path / f"word{suffix}")
    assert path == tmp_path / f"word{suffix}"
    found = loanword.read(path)
    assert found.vectors == embedding().vectors
    assert suffix in all_containers()[found.provenance.container].suffixes


def test_a_folder_gets_files_named_after_the_embeddings(tmp_path):
    paths = loanword.write([embedding("one"), embedding("<two>")], tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["one.safetensors", "two.safetensors"]
    assert [loanword.read(path).name for path in paths] == ["one", "<two>"]


def test_names_that_a_file_system_cannot_tell_apart_get_numbers(tmp_path):
    paths = loanword.write([embedding("Word"), embedding("word"), embedding("<word>")], tmp_path)
    assert [path.name for path in paths] == ["Word.safetensors", "word-2.safetensors", "word-3.safetensors"]


def test_what_is_there_stays_unless_overwriting_is_asked_for(tmp_path):
    place = tmp_path / "word.safetensors"
    place.write_bytes(b"precious")
    with pytest.raises(loanword.CannotWrite, match="already there"):
        loanword.write(embedding(), place)
    assert place.read_bytes() == b"precious"
    loanword.write(embedding(), place, overwrite=True)
    assert loanword.read(place).vectors == embedding().vectors


def test_nothing_is_written_where_one_of_several_files_cannot_be(tmp_path):
    (tmp_path / "word_2.safetensors").write_bytes(b"precious")
    with pytest.raises(loanword.CannotWrite, match="already there"):
        loanword.write(sdxl(), tmp_path, target="diffusers")
    assert os.listdir(tmp_path) == ["word_2.safetensors"]


def test_an_original_is_never_replaced_not_even_when_overwriting(tmp_path):
    (original,) = loanword.write(embedding(), tmp_path / "word.safetensors")
    before = original.read_bytes()
    with pytest.raises(loanword.CannotWrite, match="original"):
        loanword.convert(original, tmp_path, overwrite=True)
    with pytest.raises(loanword.CannotWrite, match="original"):
        loanword.convert(original, original, overwrite=True, dtype="float16")
    assert original.read_bytes() == before


def test_several_embeddings_do_not_go_into_one_file_of_a_format_for_one(tmp_path):
    with pytest.raises(loanword.CannotWrite, match="give a folder"):
        loanword.write([embedding("one"), embedding("two")], tmp_path / "both.safetensors", format="kohya")
    (path,) = loanword.write([embedding("one"), embedding("two")], tmp_path / "both.safetensors", format="diffusers")
    assert [each.name for each in loanword.read_all(path)] == ["one", "two"]


def test_one_file_may_hold_embeddings_for_different_encoders(tmp_path):
    words = [embedding("one"), embedding("two", width=1024, encoder="clip_h")]
    (path,) = loanword.write(words, tmp_path / "both.safetensors", format="diffusers")
    assert [list(each.vectors) for each in loanword.read_all(path)] == [["clip_l"], ["clip_h"]]


def test_reading_one_of_several_names_them_and_says_how_to_read_all(tmp_path):
    (path,) = loanword.write([embedding("one"), embedding("two")], tmp_path / "both.bin", format="diffusers")
    with pytest.raises(loanword.SeveralEmbeddings, match=r"'one', 'two'.*read_all"):
        loanword.read(path)


def test_the_same_embedding_makes_the_same_bytes():
    for row in loanword.formats().values():
        for container in row.containers:
            try:
                first, second = (
                    loanword.render(embedding(), format=row.key, container=container)[0].content for _ in range(2)
                )
            except loanword.CannotWrite:
                continue
            assert first == second, (row.key, container)


def test_facts_and_the_original_hash_survive_the_way_through_safetensors_and_back(tmp_path):
    origin = Provenance(step=15001, checkpoint_name="illust", checkpoint_hash="72f558e947", metadata={"notes": "soft"})
    (first,) = loanword.write(embedding("hands", aliases=("old",), provenance=origin), tmp_path / "a" / "hands.pt")
    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    (second,) = loanword.convert(first, tmp_path / "b" / "hands.safetensors")
    (third,) = loanword.convert(second, tmp_path / "c" / "hands.pt")
    for path in (second, third):
        found = loanword.read(path)
        assert found.name == "hands"
        assert found.aliases == ("old",)
        assert found.provenance.step == 15001
        assert found.provenance.checkpoint_name == "illust"
        assert found.provenance.checkpoint_hash == "72f558e947"
        assert found.provenance.metadata == {"notes": "soft"}
        assert found.provenance.original_sha256 == digest


def test_safetensors_carry_model_spec(tmp_path):
    (path,) = loanword.write(sdxl("<cat-toy>"), tmp_path, target="comfyui")
    metadata = header_of(path)["__metadata__"]
    content = path.read_bytes()
    data = content[8 + int.from_bytes(content[:8], "little") :]
    assert metadata["modelspec.sai_model_spec"] == "1.0.1"
    assert metadata["modelspec.architecture"] == "stable-diffusion-xl-v1-base/textual-inversion"
    assert metadata["modelspec.title"] == "<cat-toy>"
    assert metadata["modelspec.trigger_phrase"] == "<cat-toy>"
    assert metadata["modelspec.hash_sha256"] == "0x" + hashlib.sha256(data).hexdigest()


def test_an_authors_own_model_spec_stays_as_it_is(tmp_path):
    theirs = {"modelspec.title": "Their title", "modelspec.author": "them", "modelspec.license": "CC0"}
    (path,) = loanword.write(embedding(provenance=Provenance(metadata=theirs)), tmp_path / "word.safetensors")
    assert theirs.items() <= header_of(path)["__metadata__"].items()
    assert theirs.items() <= loanword.read(path).provenance.metadata.items()


def test_a_concepts_folder_is_laid_out_like_the_librarys_and_read_back(tmp_path):
    paths = loanword.write(embedding("<cat-toy>"), tmp_path, format="diffusers", container="folder")
    assert (tmp_path / "cat-toy" / "token_identifier.txt").read_text().strip() == "<cat-toy>"
    assert all(path.parent == tmp_path / "cat-toy" for path in paths)
    assert loanword.read(tmp_path / "cat-toy").name == "<cat-toy>"


def test_diffusers_two_files_are_read_back_as_one_embedding(tmp_path):
    paths = loanword.write(sdxl("<cat-toy>"), tmp_path / "learned_embeds.safetensors", target="diffusers")
    assert [path.name for path in paths] == ["learned_embeds.safetensors", "learned_embeds_2.safetensors"]
    found = loanword.read(paths[0])
    assert found.name == "<cat-toy>"
    assert found.vectors == sdxl().vectors


def test_bytes_and_streams_read_like_the_file(tmp_path):
    (path,) = loanword.write(embedding(), tmp_path / "word.pt")
    from_bytes = loanword.read(path.read_bytes())
    with path.open("rb") as stream:
        from_stream = loanword.read(stream)
    assert from_bytes.vectors == from_stream.vectors == embedding().vectors
    assert from_stream.name == "word"


def test_a_stream_without_a_name_still_gives_an_embedding(tmp_path):
    import io

    (path,) = loanword.write(embedding(), tmp_path / "word.safetensors", format="star-key")
    assert loanword.read(io.BytesIO(path.read_bytes()), name="given").name == "given"


def test_render_touches_no_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert loanword.render(sdxl(), target="diffusers")
    assert os.listdir(tmp_path) == []


def test_a_large_files_hash_is_kept_though_only_a_part_of_it_was_read(tmp_path):
    torch = pytest.importorskip("torch")
    table = torch.randn(49408, 768, generator=torch.Generator().manual_seed(0)).half()
    path = tmp_path / "learned_embeds.bin"
    torch.save({"<word>": table[49400:49402]}, path)
    found = loanword.read(path)
    assert found.provenance.sha256 is None
    np.testing.assert_array_equal(found.vectors["clip_l"].numpy(), table[49400:49402].float().numpy())
    (written,) = loanword.convert(path, tmp_path / "out")
    assert loanword.read(written).provenance.original_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_target_and_a_format_together_are_a_contradiction():
    with pytest.raises(loanword.CannotWrite, match="only one of them"):
        loanword.render(embedding(), target="a1111", format="kohya")


def test_a_file_is_identified_whether_or_not_it_is_an_embedding(tmp_path):
    (path,) = loanword.write(embedding(), tmp_path / "word.pt")
    assert loanword.identify(path).format == "a1111"
    page = tmp_path / "page.pt"
    page.write_text("<!DOCTYPE html><html><body>Not found</body></html>")
    what = loanword.identify(page)
    assert what.kind == "not-an-embedding"
    assert what.message.startswith(str(page))
