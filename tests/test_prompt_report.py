"""What a WebUI makes of a prompt: names, weights, parts of 75 tokens."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loanword.embeddings.prompts import PromptNames
from loanword.extension.prompt_parts import PART, Place, laid_out
from loanword.extension.prompt_report import Known, report


def known(*embeddings):
    return PromptNames((name, Known(name, name, tokens, *problem)) for name, tokens, *problem in embeddings)


NAMES = known(("badhandv4", 6), ("EasyNegative", 8), ("whole", 75), ("xl", 8, "It is made for SDXL."), ("huge", 80))


def words(text):
    """A count that is easy to follow: every word and sign is a token."""
    return len(text.replace(",", " , ").split())


def places(prompt):
    return [(each.known.name, each.place.part, each.place.position) for each in report(prompt, NAMES, words).mentions]


@pytest.mark.parametrize(
    ("prompt", "weight"),
    [
        ("a badhandv4 b", 1),
        ("(badhandv4:1.3)", 1.3),
        ("((badhandv4))", 1.1**2),
        ("[badhandv4]", 1 / 1.1),
        ("(a [badhandv4:b:0.5]:2)", 2),
        ("(a (b, embedding:badhandv4:0.5) c:1.4)", 0.7),
        ("\\(badhandv4:1.3\\)", 1),
    ],
)
def test_weights_multiply(prompt, weight):
    (mention,) = report(prompt, NAMES, words).mentions
    assert mention.place.weight == pytest.approx(weight)


def test_embeddings_are_never_divided_between_parts():
    assert places("a " * 69 + "badhandv4 EasyNegative") == [("badhandv4", 1, 69), ("EasyNegative", 2, 0)]
    assert places("a " * 70 + "badhandv4") == [("badhandv4", 2, 0)]
    assert places("whole badhandv4 whole") == [("whole", 1, 0), ("badhandv4", 2, 0), ("whole", 3, 0)]


def test_break_begins_a_part_and_text_goes_on_into_the_next():
    assert places("a BREAK badhandv4") == [("badhandv4", 2, 0)]
    assert places("(a BREAK (badhandv4:1.2))") == [("badhandv4", 2, 0)]
    assert places("a " * 80 + "badhandv4") == [("badhandv4", 2, 5)]
    assert places("BREAKFAST badhandv4") == [("badhandv4", 1, 1)]


def test_prompts_joined_by_and_are_laid_out_each_by_itself():
    prompt = "a " * 74 + "AND badhandv4 AND b"
    assert places(prompt) == [("badhandv4", 1, 0)]
    assert report(prompt, NAMES, words).layout.tokens == 74


def test_a_report_says_everything_in_sentences():
    prompt = (
        "(badhandv4:1.2), easynegativ, embedding:nothing, xl, huge, <lora:EasyNegative:1> " + "a " * 70 + "EasyNegative"
    )
    assert report(prompt, NAMES, words).sentences == [
        "badhandv4 is used with weight 1.2; it takes 6 tokens.",
        "xl is named, but does nothing. It is made for SDXL.",
        "huge has 80 vectors, and a part of a prompt has room for 75; it cannot be used.",
        "EasyNegative is used; it takes 8 tokens; it is in part 4.",
        "No embedding is called nothing.",
        "No embedding is called easynegativ; did you mean EasyNegative?",
        "The prompt takes 234 of the 300 tokens in 4 parts.",
    ]


def test_without_a_tokenizer_only_the_embeddings_are_counted():
    found = report("a badhandv4, xl", NAMES)
    assert found.layout is None
    assert found.embedding_tokens == 6
    assert found.sentences[0] == "badhandv4 is used; it takes 6 tokens."
    assert not any("The prompt takes" in each for each in found.sentences)


def test_where_the_host_counts_otherwise_its_length_is_said_and_no_part():
    prompt = "a " * 70 + "EasyNegative"
    assert report(prompt, NAMES, words).sentences[0] == "EasyNegative is used; it takes 8 tokens; it is in part 2."
    found = report(prompt, NAMES, words, (190, 225))
    assert found.sentences == [
        "EasyNegative is used; it takes 8 tokens.",
        "The prompt takes 190 of the 225 tokens in 3 parts.",
    ]


def test_no_embedding_and_no_text_are_said_too():
    assert report("", NAMES, words).sentences == [
        "No embedding is used.",
        "The prompt takes 0 of the 75 tokens in one part.",
    ]


def test_names_of_extra_networks_are_not_names_of_embeddings():
    assert places("<lora:badhandv4:1> <hypernet:EasyNegativ:0.5>") == []
    assert places("<embed:badhandv4> <badhandv4>") == [("badhandv4", 1, 0), ("badhandv4", 1, 6)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["a ", "badhandv4 ", "(", ")", "[", "]", ":1.2", " BREAK ", " AND ", "whole ", "\\", "|"]))
)
def test_whatever_is_typed_every_embedding_gets_a_place_inside_of_a_part(pieces):
    found = report("".join(pieces), NAMES, words)
    for each in found.mentions:
        assert 1 <= each.place.part <= found.layout.parts
        assert 0 <= each.place.position <= PART - each.known.tokens
    assert len(found.mentions) == len(NAMES.references("".join(pieces)))


def test_private_characters_in_a_prompt_stay_text():
    text = "\U000f0000 a \U000f0001"
    assert laid_out(f"{text} n", [(len(text) + 1, len(text) + 2, 3)], words).places == (Place(1.0, 1, 3),)


def test_clip_tokens_are_counted_as_by_the_real_tokenizer():
    pipelines = pytest.importorskip("tiny_pipelines", exc_type=ImportError)
    from loanword.extension.clip_tokens import ClipTokens

    ids = json.loads((pipelines.clip_vocabulary() / "vocab.json").read_text(encoding="utf-8"))
    tokens, tokenizer = ClipTokens(sorted(ids, key=ids.__getitem__)), pipelines.clip_tokenizer()
    letters = st.characters(exclude_categories=["Cs", "Co", "Cn"])
    written = st.lists(st.sampled_from(sorted(ids)).map(lambda word: word.removesuffix("</w>"))).map("".join)

    @settings(max_examples=300, deadline=None)
    @given(st.text(letters, max_size=40) | written | st.text("'stremvld <|>a1 ½²,.", max_size=20))
    def same(text):
        assert tokens.count(text) == len(tokenizer(text)["input_ids"]) - 2

    same()
