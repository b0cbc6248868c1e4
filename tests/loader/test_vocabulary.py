"""A folder of embeddings as a pipeline's vocabulary, and reports on prompts."""

import builtins
import copy
import os
import time
from pathlib import Path

import pytest
import torch
from by_hand import embedding
from loanword import Unreadable, write
from loanword.loader import vocabulary
from loanword.loader.report import report
from loanword.loader.textual_inversion import load_textual_inversion, loaded, unload
from loanword.loader.vocabulary import attach

BOTH = ("clip_l", "clip_g")


def learned(pipe, prompt):
    return sum(each < 0 for each in pipe.tokenizer(prompt)["input_ids"])


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "embeddings"
    (root / "people").mkdir(parents=True)
    (root / "cat-toy").mkdir()
    write(embedding("EasyNegative", 4), root / "EasyNegative.safetensors", target="a1111")
    write(embedding("other", 2), root / "people" / "Anna.pt", format="a1111")
    write(embedding("two", 3), root / "people" / "EasyNegative.pt", format="a1111")
    write(embedding("<cat-toy>", 2), root / "cat-toy" / "learned_embeds.safetensors", format="diffusers")
    write(embedding("sd2", 2, ("clip_h",)), root / "sd2.pt", format="a1111")
    (root / "broken.pt").write_bytes(b"\x80\x02 not an embedding")
    (root / "EasyNegative.preview.png").write_bytes(b"\x89PNG")
    (root / "readme.txt").write_text("not an embedding")
    return root


def test_own_names_are_known_too_where_they_are_asked_for(folder, sd1, monkeypatch, tmp_path):
    monkeypatch.setenv("LOANWORD_LIBRARY", str(tmp_path / "library.sqlite"))
    write(embedding("badhandv3", 5), folder / "badhandv4.pt", format="a1111")
    write(embedding("Anna", 3), folder / "impostor.pt", format="a1111")
    with attach(sd1, folder), pytest.warns(UserWarning, match="no embedding 'badhandv3'"):
        assert learned(sd1, "embedding:badhandv3") == 0
    with attach(sd1, folder, own_names=True) as attached:
        assert learned(sd1, "a hand, embedding:BadHandV3") == 5
        assert learned(sd1, "<cat-toy>") == 2
        assert learned(sd1, "Anna") == 2
        assert learned(sd1, "impostor") == 3
        write(embedding("late", 2), folder / "people" / "new.pt", format="a1111")
        assert learned(sd1, "embedding:late") == 2
        assert "new" in attached.names


def test_nothing_is_read_until_a_prompt_names_it(folder, sd1, monkeypatch):
    opened = []
    original = os.open

    def spy(path, *arguments, **options):
        opened.append(str(path))
        return original(path, *arguments, **options)

    monkeypatch.setattr(os, "open", spy)
    attached = attach(sd1, folder)
    assert set(attached.names) == {"EasyNegative", "Anna", "people/EasyNegative", "cat-toy", "sd2", "broken"}
    assert learned(sd1, "a photo of a cat") == 0
    assert not [path for path in opened if "embeddings" in path]
    assert learned(sd1, "a photo, easynegative") == 4
    assert [Path(path).name for path in opened if "embeddings" in path] == ["EasyNegative.safetensors"]
    assert learned(sd1, "a photo, easynegative") == 4
    assert len([path for path in opened if "embeddings" in path]) == 1
    assert [each.name for each in loaded(sd1)] == ["EasyNegative"]


def test_names_come_from_files_and_folders(folder, sd1):
    attach(sd1, folder)
    assert learned(sd1, "anna") == 2
    assert learned(sd1, "embedding:people/anna.pt") == 2
    assert learned(sd1, "embedding:people/EasyNegative.pt") == 3
    assert learned(sd1, "easynegative") == 4
    assert learned(sd1, "cat-toy") == 2
    assert learned(sd1, "<cat-toy>") == 2


def test_what_cannot_be_loaded_is_explained_when_it_is_named(folder, sd1):
    attach(sd1, folder)
    plain = sd1.tokenizer("a photo, 2sd")["input_ids"]
    assert plain
    for _ in range(2):
        with pytest.warns(
            UserWarning, match=r"sd2.pt: 'sd2' has vectors clip_h 2 x 1024, this pipeline takes them for clip_l"
        ):
            assert learned(sd1, "a photo, sd2") == 0
    with pytest.warns(UserWarning, match=r"broken.pt: .*\(so 'broken' is read as plain words\)"):
        assert learned(sd1, "broken, easynegative") == 4


def test_a_file_that_failed_is_not_read_again_until_it_changes(folder, sd1, monkeypatch):
    reads = []
    original = vocabulary.read_all
    monkeypatch.setattr(vocabulary, "read_all", lambda path, **options: reads.append(path) or original(path, **options))
    attach(sd1, folder)
    for _ in range(3):
        with pytest.warns(UserWarning, match="broken"):
            sd1.tokenizer("broken")
    assert len(reads) == 1
    write(embedding("x", 2), folder / "broken.pt", format="a1111", overwrite=True)
    assert learned(sd1, "broken") == 2


def test_new_changed_and_removed_files_are_noticed(folder, sd1):
    attach(sd1, folder)
    assert learned(sd1, "easynegative") == 4
    write(embedding("x", 6), folder / "EasyNegative.safetensors", target="a1111", overwrite=True)
    assert learned(sd1, "easynegative") == 6
    assert learned(sd1, "newcomer") == 0
    write(embedding("x", 2), folder / "newcomer.pt", format="a1111")
    (folder / "later").mkdir()
    assert learned(sd1, "newcomer") == 2
    write(embedding("x", 3), folder / "later" / "late.pt", format="a1111")
    assert learned(sd1, "late") == 3
    (folder / "EasyNegative.safetensors").unlink()
    assert learned(sd1, "easynegative") == 3  # the one in people/, which has the name to itself now
    (folder / "newcomer.pt").unlink()
    assert learned(sd1, "newcomer") == 0


def test_changes_are_noticed_in_a_folder_that_was_quiet_for_long(folder, sd1):
    for path in (folder, folder / "people", folder / "cat-toy"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    attach(sd1, folder)
    sd1.tokenizer("a photo")
    assert learned(sd1, "newcomer") == 0
    write(embedding("x", 2), folder / "people" / "newcomer.pt", format="a1111")
    assert learned(sd1, "newcomer") == 2


def test_all_encoders_learn_a_word_when_one_tokenizer_meets_it(sdxl, tmp_path):
    write(embedding("xl", 3, BOTH), tmp_path / "xl.safetensors", format="comfyui")
    write(embedding("half", 2), tmp_path / "half.pt", format="a1111")
    attach(sdxl, tmp_path)
    assert learned(sdxl, "xl") == 3
    assert [each.vectors for each in loaded(sdxl)] == [{"clip_l": 3, "clip_g": 3}]
    with pytest.warns(UserWarning, match="clip_g reads nothing"):
        assert learned(sdxl, "half") == 0
    unload(sdxl)
    with attach(sdxl, tmp_path, allow_partial=True):
        assert learned(sdxl, "half") == 2
    assert loaded(sdxl) == ()


def test_what_was_loaded_by_hand_goes_before_the_folder(folder, sd1):
    load_textual_inversion(sd1, embedding("easynegative", 7))
    attach(sd1, folder)
    assert learned(sd1, "EasyNegative") == 7
    unload(sd1, "easynegative")
    assert learned(sd1, "EasyNegative") == 4


def test_detaching_leaves_no_trace(folder, sd1):
    kind, table = type(sd1.tokenizer), type(sd1.text_encoder.get_input_embeddings())
    attached = attach(sd1, folder)
    assert type(sd1.tokenizer) is not kind
    assert learned(sd1, "easynegative, anna") == 6
    attached.detach()
    assert (type(sd1.tokenizer), type(sd1.text_encoder.get_input_embeddings())) == (kind, table)
    assert learned(sd1, "easynegative, anna") == 0
    with attach(sd1, folder):
        sd1.tokenizer("anna")
    assert type(sd1.tokenizer) is kind
    attach(sd1, folder)
    unload(sd1)
    assert type(sd1.tokenizer) is kind


def test_a_copy_of_a_pipeline_has_the_folder_too(folder, sd1):
    attach(sd1, folder)
    other = copy.deepcopy(sd1)
    assert learned(other, "easynegative") == 4
    assert loaded(sd1) == ()
    assert [each.name for each in loaded(other)] == ["EasyNegative"]


def test_a_folder_that_is_missing_is_told(sd1, tmp_path):
    with pytest.raises(Unreadable, match="no such folder"):
        attach(sd1, tmp_path / "nothere")


def test_ten_thousand_files_cost_a_listing(sd1, tmp_path, monkeypatch):
    for i in range(10_000):
        (tmp_path / f"style{i}.pt").touch()
    monkeypatch.setattr(builtins, "open", None)
    start = time.process_time()
    attached = attach(sd1, tmp_path)
    assert time.process_time() - start < 2
    assert len(attached.names) == 10_000
    os.utime(tmp_path, (1_000_000_000, 1_000_000_000))
    sd1.tokenizer("a photo")
    start = time.process_time()
    for _ in range(20):
        sd1.tokenizer("a photo of a cat in a garden, best quality")
    assert time.process_time() - start < 0.5


def test_a_report_tells_what_is_used_where_and_what_fits(sdxl):
    word = embedding("EasyNegative", 4, BOTH)
    load_textual_inversion(sdxl, [word, embedding("long_q", 30, BOTH)])
    found = report(sdxl, "a photo, (easynegative:1.2), embedding:nothere, easynegativ, " + "word " * 55 + "long_q")
    first, second = found.encoders
    assert (first.encoder, second.encoder, first.limit) == ("clip_l", "clip_g", 77)
    (use, cut) = first.used
    assert (use.name, use.written, use.position, use.vectors, use.kept) == ("EasyNegative", "easynegative", 5, 4, 4)
    with pytest.warns(UserWarning, match="no embedding 'nothere' is loaded"):
        ids = sdxl.tokenizer(found.prompt)["input_ids"]
    assert [ids.index(each) for each in ids if each < 0][:5] == [5, 6, 7, 8, cut.position]
    with pytest.warns(UserWarning, match=f"{cut.kept} of its 30 vectors|nothere"):
        truncated = sdxl.tokenizer(found.prompt, truncation=True, max_length=77)["input_ids"]
    assert sum(each < 0 for each in truncated) == 4 + cut.kept
    assert first.tokens == len(ids)
    assert [(each.name, each.nearest[:1]) for each in found.unknown] == [
        ("nothere", ()),
        ("easynegativ", ("EasyNegative",)),
    ]
    text = str(found)
    assert f"clip_l: {len(ids)} of 77 tokens  (more than fit)" in text
    assert "EasyNegative (as 'easynegative'): 4 vectors at 5" in text
    assert "'easynegativ' is not loaded; did you mean 'EasyNegative'?" in text


def test_a_report_on_a_pipeline_without_embeddings(sd1):
    found = report(sd1, "a photo of <cat-toy>")
    assert str(found).splitlines() == ["clip_l: 10 of 77 tokens", "  no embeddings", "'cat-toy' is not loaded"]


def test_a_report_tells_why_a_file_cannot_be_used(folder, sd1):
    attach(sd1, folder)
    found = report(sd1, "sd2, easynegative, Ana")
    assert len(found.unusable) == 1
    assert "'sd2' has vectors clip_h" in str(found)
    assert [each.name for each in found.encoders[0].used] == ["EasyNegative"]


def test_a_report_tells_what_an_encoder_gets_of_part_of_an_embedding(sdxl):
    load_textual_inversion(sdxl, embedding("EasyNegative", 4), allow_partial=True)
    text = str(report(sdxl, "a photo, easynegative"))
    assert "clip_g: 5 of 77 tokens\n  EasyNegative (as 'easynegative'): nothing" in text


def test_a_report_changes_nothing(sd1):
    load_textual_inversion(sd1, embedding("EasyNegative", 4))
    state = torch.get_rng_state()
    report(sd1, "easynegative " * 30)
    assert torch.equal(torch.get_rng_state(), state)
