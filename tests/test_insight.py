"""What is inside an embedding: numbers beside float64 ones, words as people read them, sentences."""

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loanword.embeddings.dtypes import DTYPES
from loanword.embeddings.embedding import Embedding, Vectors
from loanword.extension.insight.inside import NO_TABLE, Word, as_values, inside
from loanword.extension.insight.neighbours import Neighbour
from loanword.extension.insight.sentences import listed, sentences
from loanword.extension.insight.token_tables import TokenTable
from loanword.extension.insight.words import readable, spelling_of

WIDTH = 768
AXES = np.eye(4, WIDTH)
"""Four directions that have nothing in common."""


def embedding_of(rows, dtype="float32", name="style"):
    return Embedding(name, {"clip_l": Vectors.from_numpy(np.asarray(rows), dtype)})


def the_part(rows, tables=None, dtype="float32", **more):
    (part,) = inside(embedding_of(rows, dtype), tables, **more).parts
    return part


@pytest.fixture
def table():
    words = ["cat</w>", "dog</w>", "cat", "house</w>"]
    return TokenTable((AXES * [[0.1], [0.2], [0.3], [0.4]]).astype(np.float32), words)


def test_norms_and_similarities_are_those_of_plain_mathematics():
    rows = np.random.default_rng(0).standard_normal((7, WIDTH)).astype(np.float32).astype(np.float64)
    part = the_part(rows)
    norms = np.sqrt((rows**2).sum(axis=1))
    assert part.norms == pytest.approx(norms)
    assert np.array(part.similarity) == pytest.approx(rows @ rows.T / np.outer(norms, norms))
    assert all(part.similarity[i][i] == 1 for i in range(7))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_looked_into_exactly(dtype):
    rows = np.array([[0.5] * WIDTH, [-0.25] * WIDTH])
    part = the_part(rows, dtype=dtype)
    assert part.norms == pytest.approx([0.5 * math.sqrt(WIDTH), 0.25 * math.sqrt(WIDTH)])
    assert part.similarity == ((1, pytest.approx(-1)), (pytest.approx(-1), 1))


def test_what_is_not_a_direction_has_no_similarity_and_no_words(table):
    rows = AXES.copy()
    rows[1, 5], rows[2, 5], rows[3] = math.nan, -math.inf, 0
    part = the_part(rows, {"clip_l": table})
    assert part.norms == (1, None, None, 0)
    assert part.similarity == ((1, None, None, None), *[(None,) * 4] * 3)
    assert [len(near) for near in part.words] == [4, 0, 0, 0]


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
def test_numbers_at_the_ends_of_float64_do_not_overflow(scale, table):
    rows = np.vstack([AXES[0] + AXES[1], AXES[0]]) * scale
    part = the_part(rows, {"clip_l": table}, dtype="float64")
    assert part.similarity[0][1] == pytest.approx(math.sqrt(0.5))
    assert part.norms[1] == pytest.approx(scale)
    assert part.words[1][0] == Word("cat", pytest.approx(1))


def test_nearest_words_are_those_with_the_highest_cosine(table):
    part = the_part([AXES[1] + 0.5 * AXES[3], -AXES[0]], {"clip_l": table}, words=2)
    assert part.words == (
        (Word("dog", pytest.approx(1 / math.sqrt(1.25))), Word("house", pytest.approx(0.5 / math.sqrt(1.25)))),
        (Word("dog", 0), Word("cat…", 0)),
    )
    assert part.words_missing is None


def test_many_words_are_found_as_by_comparing_with_each(monkeypatch):
    monkeypatch.setattr("loanword.extension.insight.token_tables._BLOCK", 100)
    rng = np.random.default_rng(1)
    rows = (rng.standard_normal((1050, 64)) * rng.lognormal(0, 2, (1050, 1))).astype(np.float32)
    rows[77] = rows[500]
    words = [f"w{i}</w>" for i in range(1050)]
    vectors = np.vstack([rng.standard_normal((20, 64)), rows[500]])
    units = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    for vector, found in zip(vectors, TokenTable(rows, words).nearest(vectors, 6), strict=True):
        similarity = units @ vector / np.linalg.norm(vector)
        best = np.argsort(-similarity, kind="stable")[:6]
        assert [word for word, _ in found] == [f"w{i}" for i in best]
        assert [each for _, each in found] == pytest.approx(similarity[best])


def test_rows_without_a_word_and_without_a_direction_are_no_neighbours():
    rows = np.vstack([AXES, AXES[0], AXES[0]]).astype(np.float32)
    rows[1] = 0
    rows[2, 0] = np.nan
    found = TokenTable(rows, ["a</w>", "zero</w>", "nan</w>", "d</w>", ""]).nearest(AXES[:1], 9)
    assert found == [[("a", 1.0), ("d", 0.0)]]


def test_an_empty_table_has_no_neighbours():
    table = TokenTable(np.zeros((0, WIDTH), np.float32), [])
    assert table.nearest(AXES, 3) == [[], [], [], []]
    assert table.usual_norms is None


def test_the_vocabulary_says_which_norms_are_usual():
    rows = np.zeros((101, 8), np.float32)
    rows[:, 0] = np.arange(101) + 1
    assert TokenTable(rows, ["x"] * 101).usual_norms == (6, 51, 96)


def test_a_large_vocabulary_is_searched_in_a_moment():
    rng = np.random.default_rng(2)
    table = TokenTable(rng.standard_normal((49408, WIDTH), dtype=np.float32), ["x</w>"] * 49408)
    vectors = rng.standard_normal((75, WIDTH))
    table.nearest(vectors[:1], 5)
    began = time.process_time()
    table.nearest(vectors, 5)
    assert time.process_time() - began < 3  # 0.2 s of two idle cores; others may be at work here


def test_words_are_missing_for_a_reason():
    assert the_part(AXES).words_missing == NO_TABLE
    narrow = TokenTable(np.ones((2, 8), np.float32), ["a", "b"])
    assert "8 wide" in the_part(AXES, {"clip_l": narrow}).words_missing
    output = Embedding("x", output_vectors={"clip_l": Vectors.from_numpy(AXES)})
    (part,) = inside(output, {"clip_l": TokenTable(AXES.astype(np.float32), list("abcd"))}).parts
    assert (part.key, part.space, part.words) == ("clip_l-output", "output", None)
    assert "replace what the text encoder returns" in part.words_missing


def test_vectors_of_layers_are_called_by_their_layers(table):
    layers = {f"IN{i:02}": Vectors.from_numpy(AXES[i : i + 1]) for i in range(3)}
    (part,) = inside(Embedding("x", layer_vectors=layers), {"clip_l": table}).parts
    assert (part.space, part.labels) == ("layer", ("IN00", "IN01", "IN02"))
    assert part.words[1][0].word == "dog"


@pytest.mark.parametrize(
    ("vocabulary", "tokens"),
    [
        (
            ["cat</w>", "cat", "Ġ</w>"],
            {
                "cat</w>": "cat",
                "cat": "cat…",
                "ðŁĺĤ</w>": "😂",
                "ðŁĺ": "\\xf0\\x9f\\x98…",
                "<|endoftext|>": "<|endoftext|>",
            },
        ),
        (["Ġcat", "cat", "Ġdog"], {"Ġcat": "cat", "cat": "…cat", "ĠĠ": "␣␣", "Ċ": "…\\u{a}", "ĠcafÃ©": "café"}),
        (["▁cat", "cat", "</s>"], {"▁cat": "cat", "s": "…s", "▁": "␣", "</s>": "</s>", "<extra_id_3>": "<extra_id_3>"}),
        (["cat", "##s"], {"cat": "cat", "##s": "…s", "[CLS]": "[CLS]"}),
        (["cat", "dog"], {"cat": "cat"}),
    ],
)
def test_tokens_are_read_as_words(vocabulary, tokens):
    spelling = spelling_of(vocabulary)
    assert {token: readable(token, spelling) for token in tokens} == tokens


def test_the_real_clip_vocabulary_can_be_read():
    pipelines = pytest.importorskip("tiny_pipelines", exc_type=ImportError)
    ids = json.loads((pipelines.clip_vocabulary() / "vocab.json").read_text(encoding="utf-8"))
    spelling = spelling_of([*ids])
    shown = {token: readable(token, spelling) for token in ids}
    assert shown["photograph</w>"] == "photograph"
    assert shown["<|startoftext|>"] == "<|startoftext|>"
    assert shown["âĿ¤ï¸ı</w>"] == "❤️"
    assert sum("\\x" in each for each in shown.values()) < 1500
    assert all(each.isprintable() or "️" in each for each in shown.values())


def test_as_values_is_json_with_the_same_facts(table):
    rows = np.vstack([AXES[0], AXES[1] * np.nan, AXES[0] * 1e300])
    found = inside(embedding_of(rows), {"clip_l": table}, [Neighbour("/x", 0, "other", 0.98765)])
    values = json.loads(json.dumps(as_values(found), allow_nan=False))
    (encoder,) = values["encoders"]
    assert encoder["key"] == "clip_l"
    assert encoder["norms"] == [1, None, None]
    assert encoder["words"][0][0] == {"word": "cat", "similarity": 1}
    assert values["neighbours"] == [{"name": "other", "similarity": 0.9877}]


def test_sentences_say_what_the_numbers_show(table):
    rows = np.vstack([AXES[0] * 0.3, AXES[0] * 0.31, AXES[1], AXES[2] * np.nan, AXES[0] * 0])
    found = inside(embedding_of(rows), {"clip_l": table}, [Neighbour("/x", 0, "near", 0.9)], words=1)
    assert sentences(found) == [
        "CLIP ViT-L/14: 5 vectors.",
        "Vector 4 holds NaN or infinite numbers; images made with it will be broken.",
        "Vector 5 is all zeros, and like nothing else.",
        (
            "Their norms run from 0 (vector 5) to 1 (vector 3); nine in ten words of the model have norms from 0.115 "
            "to 0.385; vector 3 is longer; vector 5 is shorter."
        ),
        (
            "The vectors' similarity to each other is 0.33 on average, at most 1.00 (vectors 1 and 2), at least 0.00 "
            "(vectors 1 and 3)."
        ),
        "Vectors 1 and 2 are all but the same.",
        "Vector 1 is nearest to the word “cat” (1.00).",
        "Vector 2 is nearest to the word “cat” (1.00).",
        "Vector 3 is nearest to the word “dog” (1.00).",
        "In the library it is most like near (0.90).",
    ]


def test_one_vector_is_spoken_of_as_one():
    assert sentences(inside(embedding_of(AXES[:1]))) == [
        "CLIP ViT-L/14: one vector.",
        "Its norm is 1.",
        f"Nearest words: {NO_TABLE}.",
    ]


def test_names_of_neighbours_stay_on_their_line():
    (*_, said) = sentences(inside(embedding_of(AXES[:1]), {}, [Neighbour("/x", 0, "a\nb" + "c" * 500, 0.5)]))
    assert said.startswith("In the library it is most like a\\u{a}bccc")
    assert len(said) < 150


def test_long_lists_are_cut_short():
    assert listed([]) == ""
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(list("abcdefghij"), 3) == "a, b, c and 7 more"


ODD = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, 3e38, 1e300, math.inf, -math.inf, math.nan, 448.0])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ODD, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from([*DTYPES]))
def test_whatever_the_numbers_are_everything_can_be_said_of_them(rows, dtype):
    wide = np.zeros((len(rows), WIDTH))
    wide[:, :3] = rows
    found = inside(embedding_of(wide, dtype), {"clip_l": TokenTable(AXES.astype(np.float32), list("abcd"))})
    json.dumps(as_values(found), allow_nan=False)
    said = sentences(found)
    assert all(each.endswith(".") and "nan" not in each and "inf " not in each for each in said)
    (part,) = found.parts
    for i, row in enumerate(part.similarity):
        assert all(each is None or -1 <= each <= 1 for each in row)
        assert [other[i] for other in part.similarity] == [*row]
