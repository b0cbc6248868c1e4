"""Triggers in prompts: whatever they are called, they reach the encoder whole, and the text around them unchanged."""

import pytest
import torch
from by_hand import embedding
from loanword.loader.textual_inversion import load_textual_inversion, unload

NAMES = (
    *("EasyNegative", "easynegativev2", "badhandv4", "bad-hands-5", "bad_prompt_version2", "ng_deepnegative_v1_75t"),
    *("verybadimagenegative_v1.3", "FastNegativeV2", "negative_hand-neg", "By bad artist -neg", "my  two  spaces"),
    *(" lead", "UPPER CASE", "cat", "bad", "style", "photo of", "1", "a", "!", "<cat-toy>", "<s0>", "(emb)", "[emb]"),
    *("emb:1.2", "emb,x", "a.b", "emb!", "it's", "don't", "emb\\x", "emb/x", "emb|x", "emb\nx", "naïve", "Ünicode"),
    *(
        "ÉTÉ",
        "İstanbul",
        "straße",
        "日本語",
        "动漫风格",
        "Аниме",
        "ｆｕｌｌ",
        "ﬁx",
        "😀",
        "👩\u200d🎨",
        "\u200bzero",
        "</w>",
    ),
    *("Ġx", "emb_1", "v1_2", "*", "emb_params", "{emb}", "BREAK", "<|endoftext|>", "<|startoftext|>", "Style-Winter"),
)


def vectors_seen(pipe, ids):
    """What the token table gives for ids."""
    table = pipe.text_encoder.get_input_embeddings()
    return table(torch.tensor(ids))


def ids_of(pipe, prompt):
    return pipe.tokenizer(prompt, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_kind_is_read_whole_and_leaves_the_text_around_it_alone(name, sd1):
    plain = {text: ids_of(sd1, text) for text in ("zebra on", "yellow wall")}
    word = embedding(name, 3)
    load_textual_inversion(sd1, word)
    for written in (name, name.upper(), name.lower()):
        ids = ids_of(sd1, f"zebra on {written} yellow wall")
        assert ids[: len(plain["zebra on"])] == plain["zebra on"]
        assert ids[-len(plain["yellow wall"]) :] == plain["yellow wall"]
        middle = ids[len(plain["zebra on"]) : -len(plain["yellow wall"])]
        assert torch.equal(vectors_seen(sd1, middle), torch.from_numpy(word.vectors["clip_l"].numpy()))


def test_a_thousand_words_share_one_prompt(sd1):
    words = [embedding(f"word{i}x", 1 + i % 3, seed=i) for i in range(1000)]
    load_textual_inversion(sd1, words)
    ids = ids_of(sd1, ", ".join(word.name for word in words))
    found = torch.tensor([each for each in ids if each < 0])
    expected = torch.cat([torch.from_numpy(word.vectors["clip_l"].numpy()) for word in words])
    assert torch.equal(sd1.text_encoder.get_input_embeddings()(found), expected)
    comma = ids_of(sd1, ",")
    assert [each for each in ids if each >= 0] == comma * 999


def test_all_of_these_names_live_together(sd1):
    names = [name for name in NAMES if name not in ("emb\nx", "my  two  spaces", "!", "a", "*", "1")]
    words = {name: embedding(name, 2, seed=i) for i, name in enumerate(names)}
    load_textual_inversion(sd1, list(words.values()))
    for name, word in words.items():
        ids = ids_of(sd1, f"zebra {name.upper()} zebra")
        assert torch.equal(vectors_seen(sd1, ids[1:-1]), torch.from_numpy(word.vectors["clip_l"].numpy())), name


@pytest.mark.parametrize(
    "prompt",
    ["a category, concatenate, scat, cats", "concat_cat", "cat1 1cat", "çcat catç", "cat_toy", "cät", "CATS AND SCAT"],
)
def test_an_ordinary_word_as_a_name_stays_out_of_other_words(prompt, sd1):
    plain = ids_of(sd1, prompt)
    load_textual_inversion(sd1, embedding("cat", 2))
    assert ids_of(sd1, prompt) == plain


def test_text_without_names_is_tokenized_as_ever(sd1):
    prompts = [
        "a photo of a cat",
        "",
        " ",
        "<|endoftext|> x <|startoftext|>",
        "ünïcödé 日本",
        "(a:1.2), [b], {c}",
        "\n\n",
    ]
    options = [{}, {"padding": "max_length"}, {"padding": "max_length", "truncation": True, "return_tensors": "pt"}]
    plain = [
        sd1.tokenizer(prompts, **each)["input_ids"] if each else sd1.tokenizer(prompts)["input_ids"] for each in options
    ]
    load_textual_inversion(sd1, embedding("EasyNegative", 2))
    for before, each in zip(plain, options, strict=True):
        after = sd1.tokenizer(prompts, **each)["input_ids"]
        assert torch.equal(after, before) if isinstance(after, torch.Tensor) else after == before


def test_special_tokens_that_a_prompt_spells_out_stay_what_they_are(sd1):
    plain = ids_of(sd1, "<|startoftext|> zebra <|endoftext|>")
    load_textual_inversion(sd1, embedding("EasyNegative", 2))
    ids = ids_of(sd1, "<|startoftext|> EasyNegative zebra <|endoftext|> easynegative <|startoftext|>")
    assert [each for each in ids if each >= 0] == [*plain, plain[0]]
    assert [i for i, each in enumerate(ids) if each < 0] == [1, 2, 5, 6]


def test_every_way_to_call_the_tokenizer_knows_the_names(sd1):
    tokenizer = sd1.tokenizer
    load_textual_inversion(sd1, embedding("EasyNegative", 3))
    ids = tokenizer("zebra EasyNegative")["input_ids"]
    assert len(ids) == 6
    assert tokenizer(text="zebra EasyNegative")["input_ids"] == ids
    assert tokenizer(["zebra EasyNegative", "zebra"])["input_ids"] == [ids, [ids[0], ids[1], ids[-1]]]
    assert tokenizer(("zebra EasyNegative",))["input_ids"] == [ids]
    assert tokenizer.encode("zebra EasyNegative") == ids
    assert tokenizer.encode("zebra EasyNegative", add_special_tokens=False) == ids[1:-1]
    assert tokenizer.encode("zebra EasyNegative", return_tensors="pt").tolist() == [ids]
    assert tokenizer("zebra EasyNegative", return_tensors="np")["input_ids"].tolist() == [ids]
    tokens = tokenizer.tokenize("zebra EasyNegative")
    assert tokens == ["zebra</w>", "EasyNegative", "EasyNegative_1", "EasyNegative_2"]
    assert tokenizer.convert_tokens_to_ids(tokens) == ids[1:-1]
    assert tokenizer.convert_ids_to_tokens(ids[1:-1]) == tokens
    assert tokenizer.convert_tokens_to_ids("EasyNegative") == ids[2]
    assert tokenizer.convert_ids_to_tokens(ids[3]) == "EasyNegative_1"
    if hasattr(tokenizer, "encode_plus"):
        assert tokenizer.encode_plus("zebra EasyNegative")["input_ids"] == ids
    if hasattr(tokenizer, "batch_encode_plus"):
        assert tokenizer.batch_encode_plus(["zebra EasyNegative"])["input_ids"] == [ids]


def test_ids_decode_to_names_that_read_back_as_the_same_ids(sd1):
    load_textual_inversion(
        sd1, [embedding(name, 3, seed=i) for i, name in enumerate(("EasyNegative", "<s0>", "my style"))]
    )
    ids = sd1.tokenizer("zebra, EASYNEGATIVE my style and <s0>!")["input_ids"]
    text = sd1.tokenizer.decode(ids, skip_special_tokens=True)
    assert text == "zebra , EasyNegative my style and <s0> !"
    assert sd1.tokenizer(text)["input_ids"] == ids
    assert sd1.tokenizer.batch_decode([ids, ids], skip_special_tokens=True) == [text, text]
    assert sd1.tokenizer.batch_decode(torch.tensor([ids]), skip_special_tokens=True) == [text]
    assert sd1.tokenizer.decode(ids[3:5]) == "EasyNegative EasyNegative_1"


def test_overflowing_parts_of_a_prompt_keep_their_vectors(sd1):
    if not sd1.tokenizer.is_fast:
        pytest.skip("slow tokenizers return what overflows as a plain list")
    load_textual_inversion(sd1, embedding("EasyNegative", 4))
    encoding = sd1.tokenizer(
        "zebra " * 8 + "EasyNegative", max_length=8, truncation=True, return_overflowing_tokens=True
    )
    assert [sum(each < 0 for each in row) for row in encoding["input_ids"]] == [0, 4]


def test_a_long_embedding_that_is_cut_is_named_with_the_budget(sd1):
    load_textual_inversion(sd1, embedding("long_q", 30))
    with pytest.warns(UserWarning, match=r"'long_q' is cut off: 15 of its 30 vectors are within the 77 tokens"):
        ids = sd1.tokenizer("word " * 60 + "long_q", truncation=True, max_length=77)["input_ids"]
    assert sum(each < 0 for each in ids) == 15
    with pytest.warns(UserWarning, match=r"0 of its 30 vectors"):
        sd1.tokenizer("word " * 80 + "long_q", truncation=True, max_length=77)
    assert len(sd1.tokenizer("long_q", truncation=True, max_length=77)["input_ids"]) == 32


def test_truncation_from_the_left_keeps_the_last_vectors(sd1):
    load_textual_inversion(sd1, embedding("long_q", 10))
    whole = sd1.tokenizer("long_q")["input_ids"]
    sd1.tokenizer.truncation_side = "left"
    try:
        with pytest.warns(UserWarning, match="4 of its 10 vectors"):
            ids = sd1.tokenizer("long_q zebra", truncation=True, max_length=7)["input_ids"]
        assert ids[1:5] == whole[7:11]
    finally:
        sd1.tokenizer.truncation_side = "right"


def test_a_name_that_is_announced_but_unknown_is_told(sd1):
    load_textual_inversion(sd1, embedding("EasyNegative", 2))
    with pytest.warns(
        UserWarning, match="no embedding 'nothere' is loaded, so 'embedding:nothere' is read as plain words"
    ):
        sd1.tokenizer("a photo, embedding:nothere")


def test_an_alias_works_where_a_name_is_announced(sd1):
    word = embedding("neon", 2, aliases=("old-neon",))
    load_textual_inversion(sd1, word)
    announced = ids_of(sd1, "embedding:old-neon")
    assert announced == ids_of(sd1, "neon")
    plain = ids_of(sd1, "old-glow")
    assert ids_of(sd1, "old-glow") == plain
    unload(sd1)
