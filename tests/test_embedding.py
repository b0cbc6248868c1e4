"""The model: immutable, exact, and strict about what fits together."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from loanword.embeddings.embedding import Embedding, Provenance, Vectors


def vectors(count=2, width=768, dtype="float32"):
    return Vectors.from_numpy(np.random.default_rng(count).normal(size=(count, width)), dtype)


def test_vectors_keep_their_exact_bytes():
    data = np.random.default_rng(1).bytes(2 * 768 * 2)
    assert Vectors("bfloat16", (2, 768), data).tobytes() == data


def test_vectors_refuse_bytes_that_do_not_fill_their_shape():
    with pytest.raises(ValueError, match="100 bytes do not fill 2 x 768 numbers of float32"):
        Vectors("float32", (2, 768), bytes(100))


def test_a_cast_and_its_way_back_change_nothing_where_the_type_is_wider():
    narrow = vectors(dtype="bfloat16")
    assert narrow.cast("float32").cast("bfloat16") == narrow


def test_rows_are_a_part_of_the_vectors():
    five = vectors(5)
    np.testing.assert_array_equal(five.rows(1, 3).numpy(), five.numpy()[1:3])


@pytest.mark.parametrize("again", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_and_pickles_are_equal_even_when_made_of_a_view_of_a_file(again):
    content = vectors().tobytes()
    view = Vectors("float32", (2, 768), memoryview(content))
    origin = Provenance(path="a.pt", metadata={"notes": "x"}, content=content)
    embedding = Embedding("word", {"clip_l": view}, aliases=("other",), provenance=origin)
    same = again(embedding)
    assert same == embedding
    assert hash(same) == hash(embedding)
    assert same.provenance.original_sha256 == origin.sha256
    assert same.provenance.metadata == {"notes": "x"}


def test_encoders_come_in_the_pipelines_order():
    embedding = Embedding("word", {"t5xxl": vectors(width=4096), "clip_g": vectors(width=1280), "clip_l": vectors()})
    assert list(embedding.vectors) == ["clip_l", "clip_g", "t5xxl"]
    assert embedding.base_model == "sd3"


@pytest.mark.parametrize(
    ("encoders", "base_model"),
    [
        (("clip_l",), "sd1"),
        (("clip_h",), "sd2"),
        (("clip_l", "clip_g"), "sdxl"),
        (("clip_l", "t5xxl"), "flux"),
        (("clip_l", "clip_g", "t5xxl", "llama"), "hidream"),
        (("t5xxl",), None),
        (("clip_g",), None),
        (("mistral3_24b",), "flux2"),
    ],
)
def test_the_base_model_follows_from_the_encoders_or_stays_open(encoders, base_model):
    from loanword.embeddings.text_encoders import TEXT_ENCODERS

    found = Embedding("word", {key: vectors(width=TEXT_ENCODERS[key].width) for key in encoders})
    assert found.base_model == base_model


def test_the_files_architecture_settles_what_the_encoders_leave_open():
    origin = Provenance(metadata={"modelspec.architecture": "stable-cascade/textual-inversion"})
    assert Embedding("word", {"clip_g": vectors(width=1280)}, provenance=origin).base_model == "cascade"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"vectors": {"clip_l": vectors(width=1024)}}, "clip_l is 1024 wide, CLIP ViT-L/14 takes 768"),
        ({"vectors": {"clip_z": vectors()}}, "no text encoder is called 'clip_z'"),
        ({}, "has no vectors"),
        ({"name": "", "vectors": {"clip_l": vectors()}}, "needs a name"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        Embedding(**{"name": "word", **fields})


def test_an_embedding_cannot_be_changed():
    embedding = Embedding("word", {"clip_l": vectors()})
    with pytest.raises(dataclasses.FrozenInstanceError):
        embedding.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        embedding.vectors["clip_g"] = vectors(width=1280)  # type: ignore[index]


def test_renaming_keeps_the_old_name_as_an_alias():
    embedding = Embedding("badhandv4", {"clip_l": vectors()}, aliases=("badhandv3",))
    assert embedding.renamed("hands").aliases == ("badhandv4", "badhandv3")
    assert embedding.renamed("badhandv3").aliases == ("badhandv4",)


def test_output_vectors_make_another_embedding_than_the_same_input_vectors():
    assert Embedding("word", {"clip_l": vectors()}) != Embedding("word", output_vectors={"clip_l": vectors()})
