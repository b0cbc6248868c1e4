"""Names of embeddings in prompts: found, checked and translated by one set of rules."""

import itertools
import subprocess
import sys
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loanword import CannotWrite, UnknownName
from loanword.embeddings.prompt_syntaxes import PROMPT_SYNTAXES, check_prompt, references_in, translate
from loanword.embeddings.prompt_weights import STEP, read_compel, read_parentheses, write_compel, write_parentheses
from loanword.embeddings.prompts import PromptNames, fold, nearest

NAMES = (
    *("EasyNegative", "easynegativev2", "EasyNegativeV2-neg", "badhandv4", "bad-hands-5", "bad_prompt_version2"),
    *("ng_deepnegative_v1_75t", "verybadimagenegative_v1.3", "FastNegativeV2", "By bad artist -neg", "My Style"),
    *("my  two  spaces", " lead", "cat", "a", "!", "photo of", "<cat-toy>", "<s0>", "s0x", "(emb)", "[emb]", "emb:1.2"),
    *("emb,x", "a.b", "emb!", "it's", "emb\\x", "emb/x", "emb|x", "emb\nx", "naïve", "Ünicode", "ÉTÉ", "İstanbul"),
    *(
        "straße",
        "日本語",
        "动漫风格",
        "Аниме",
        "ｆｕｌｌ",
        "ﬁx",
        "😀",
        "👩\u200d🎨",
        "emoji😀style",
        "</w>",
        "emb_1",
        "v1_2",
    ),
    *("*", "{emb}", "emb AND emb2", "BREAK", "bad_x", "bad_xhand", "Style-Winter", "Style-Winter-neg", "n9"),
)

LONG_NAMES = [name for name in NAMES if len(name) > 3]


def used(prompt, names=NAMES):
    return [each.value for each in references_in(prompt, names) if each.value is not None]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found_in_any_case_among_words_and_signs(name):
    for written in (name, name.upper(), name.lower()):
        for prompt in (written, f"zz {written} yy", f"zz, {written}, yy", f"zz ({written}) yy", f"zz\n{written}\tyy"):
            assert used(prompt, [name]) == [name], prompt


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found_in_every_syntax_that_can_write_it(name):
    for syntax in PROMPT_SYNTAXES.values():
        try:
            prompt = translate(f"zz, {name.strip()}, yy", syntax.key, [name], source="a1111")
        except CannotWrite:
            continue
        if syntax.key in ("a1111", "comfyui"):
            assert used(prompt, [name]) == [name] or "<" in name, prompt


@pytest.mark.parametrize("name", [name for name in NAMES if name.strip()[0].isalnum() and name.strip()[-1].isalnum()])
def test_a_name_is_never_found_inside_a_word(name):
    name = name.strip()
    for prompt in (f"x{name}", f"{name}x", f"_{name}", f"{name}_2", f"é{name}", f"{name}9"):
        assert used(prompt, [name]) == []


def test_all_pairs_of_names_are_told_apart():
    names = PromptNames((name, name) for name in NAMES)
    for one, other in itertools.permutations(NAMES, 2):
        for between in (", ", " zz ", "\n"):
            prompt = f"{one}{between}{other}"
            longer = [name for name in NAMES if fold(name) == fold(prompt)]
            assert used(prompt, names) == (longer or [one, other]), prompt


def test_of_names_that_begin_alike_the_longest_wins():
    names = ["bad", "bad-hands", "bad-hands-5"]
    for order in itertools.permutations(names):
        assert used("bad, bad-hands, bad-hands-5, bad-hands-6", order) == [
            "bad",
            "bad-hands",
            "bad-hands-5",
            "bad-hands",
        ]


def test_the_order_of_hashing_changes_nothing():
    code = (
        "from loanword.embeddings.prompt_syntaxes import references_in\n"
        "names = ['bad_x', 'bad_xhand', 'Cat', 'cat toy', 'toy']\n"
        "print([(r.value, r.start, r.end) for r in references_in('bad_xhand, bad_x, CAT TOY toy cat', names)])"
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert results == {
        b"[('bad_xhand', 0, 9), ('bad_x', 11, 16), ('cat toy', 18, 25), ('toy', 26, 29), ('Cat', 30, 33)]\n"
    }


@pytest.mark.parametrize(
    ("prompt", "name", "span"),
    [
        ("a, embedding:EasyNegative, b", "EasyNegative", "embedding:EasyNegative"),
        ("embedding:easynegative.pt b", "EasyNegative", "embedding:easynegative.pt"),
        ("(embedding:easynegative:1.2)", "EasyNegative", "embedding:easynegative"),
        (
            "(embedding:neg/sub/EASYNEGATIVE.safetensors:1.2)",
            "EasyNegative",
            "embedding:neg/sub/EASYNEGATIVE.safetensors",
        ),
        (r"embedding:neg\easynegative.bin", "EasyNegative", r"embedding:neg\easynegative.bin"),
        ("a <easynegative> b", "EasyNegative", "<easynegative>"),
        ("a <embed:easynegative> b", "EasyNegative", "<embed:easynegative>"),
        ("<embedding:easynegative.pt>", "EasyNegative", "<embedding:easynegative.pt>"),
        ("embedding:cat-toy", "<cat-toy>", "embedding:cat-toy"),
        (
            "embedding:verybadimagenegative_v1.3.pt",
            "verybadimagenegative_v1.3",
            "embedding:verybadimagenegative_v1.3.pt",
        ),
        ("embedding:my style.", "My Style", "embedding:my style"),
        ("embedding:easynegative!", "EasyNegative", "embedding:easynegative"),
    ],
)
def test_announced_names_are_found_with_folders_and_suffixes(prompt, name, span):
    (reference,) = references_in(prompt, LONG_NAMES)
    assert (reference.value, prompt[reference.start : reference.end]) == (name, span)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("embedding:bad_x-hands", "bad_x-hands"),
        ("embedding:easynegativev3, b", "easynegativev3"),
        ("(embedding:foo:1.2)", "foo"),
        ("embedding:sub/foo.pt", "foo"),
        ("<foo bar>", "foo bar"),
        ("<embed:foo>", "foo"),
    ],
)
def test_what_is_announced_but_unknown_is_found_too(prompt, name):
    (reference,) = references_in(prompt, LONG_NAMES)
    assert (reference.value, reference.name) == (None, name)


@pytest.mark.parametrize(
    "prompt", ["<lora:x:1>", "a < b > c", "<", "embedding:", "embedding: x", "embeddings", "<>", "a <b"]
)
def test_what_only_resembles_an_announcement_is_text(prompt):
    assert references_in(prompt, ["EasyNegative"]) == []


def test_an_alias_is_found_only_where_a_name_is_announced():
    names = PromptNames[str]()
    names.add("neon", "neon", aliases=("old name", "<shining>"))
    assert [each.value for each in names.references("old name shining")] == []
    assert [each.value for each in names.references("embedding:old name, <shining> <neon>")] == ["neon"] * 3


def test_a_name_beats_an_alias_and_the_alias_returns_when_the_name_goes():
    names = PromptNames[str]()
    names.add("one", "one", aliases=("two",))
    names.add("two", "two")
    assert [each.value for each in names.references("embedding:two")] == ["two"]
    names.discard("two", "two")
    assert [each.value for each in names.references("embedding:two two")] == ["one"]
    names.discard("one", "one", aliases=("two",))
    assert len(names) == 0
    assert [each.value for each in names.references("embedding:two")] == [None]


def test_a_name_written_with_brackets_beats_the_same_without():
    names = PromptNames([("<s0>", 1), ("s0", 2)])
    assert [each.value for each in names.references("<s0> s0")] == [1, 2]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=12), max_size=5))
def test_any_text_can_be_read(prompt, names):
    end = 0
    for each in references_in(prompt, names):
        assert end <= each.start < each.end <= len(prompt)
        end = each.end


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_a_prompt_survives_reading_and_writing_its_weights(prompt):
    for square in (True, False):
        parts = read_parentheses(prompt, square=square)
        again = write_parentheses(parts)
        assert read_parentheses(again, square=square) == read_parentheses(
            write_parentheses(read_parentheses(again, square=square)), square=square
        )
    assert isinstance(write_compel(read_compel(prompt)), str)


@pytest.mark.parametrize("prompt", ["[a (b:1.2)]", "[(a:0.5), (b:c)]"])
def test_a_weight_inside_of_square_brackets_makes_no_schedule_of_them(prompt):
    (part,) = read_parentheses(prompt, square=True)
    assert part.weight == 1 / STEP


@pytest.mark.parametrize("prompt", ["[a:b:0.5]", "[(a:1.2):b:0.5]", "[(a:1.2)|b]"])
def test_square_brackets_that_choose_by_time_weigh_nothing(prompt):
    assert "".join(each for each in read_parentheses(prompt, square=True) if isinstance(each, str)).startswith("[")


@pytest.mark.parametrize("prompt", ["(" * 50_000, "(" * 400 + "x" + ")" * 400, "[(" * 20_000, "x" * 50_000 + ":1.2)"])
def test_brackets_in_masses_are_read_in_no_time(prompt):
    for read in (partial(read_parentheses, square=True), read_compel):
        assert read(prompt)


TRANSLATIONS = [
    ("a1111", "comfyui", "a, (EasyNegative:1.2), badhandv4", "a, (embedding:EasyNegative:1.2), embedding:badhandv4"),
    ("a1111", "invokeai", "(EasyNegative:1.2), ((badhandv4))", "(<EasyNegative>)1.2, ((<badhandv4>)1.1)1.1"),
    ("a1111", "comfyui", "[EasyNegative], b", "(embedding:EasyNegative:0.9091), b"),
    ("a1111", "comfyui", "[EasyNegative:b:0.5]", "[ embedding:EasyNegative :b:0.5]"),
    ("a1111", "comfyui", "EasyNegative:1.2", "embedding:EasyNegative :1.2"),
    ("a1111", "comfyui", "x,EasyNegative,y", "x, embedding:EasyNegative ,y"),
    ("a1111", "comfyui", r"\(x\), EasyNegative", r"\(x\), embedding:EasyNegative"),
    ("comfyui", "a1111", "embedding:sub/EasyNegative.pt, (embedding:other:0.8)", "EasyNegative, (other:0.8)"),
    ("comfyui", "invokeai", "(embedding:EasyNegative:1.3) x", "(<EasyNegative>)1.3 x"),
    ("invokeai", "a1111", "(<EasyNegative>)1.3, cat++, dog", "(EasyNegative:1.3), (cat:1.21), dog"),
    ("invokeai", "comfyui", "<cat-toy>--, (a, b)0.5", "(embedding:cat-toy:0.81), (a, b:0.5)"),
    ("diffusers", "comfyui", "EasyNegative and <s0>", "embedding:EasyNegative and embedding:s0"),
    ("swarmui", "comfyui", "<embed:EasyNegative> x", "embedding:EasyNegative x"),
    ("comfyui", "swarmui", "embedding:EasyNegative x", "<embed:EasyNegative> x"),
]


@pytest.mark.parametrize(("source", "target", "prompt", "expected"), TRANSLATIONS)
def test_prompts_are_translated_with_their_weights(source, target, prompt, expected):
    assert translate(prompt, target, LONG_NAMES, source=source) == expected


def test_the_source_is_seen_by_the_names_that_the_prompt_announces():
    assert translate("(embedding:EasyNegative:1.2)", "invokeai", NAMES) == "(<EasyNegative>)1.2"
    assert translate("(<EasyNegative>)1.2", "comfyui", NAMES) == "(embedding:EasyNegative:1.2)"
    assert translate("(EasyNegative:1.2)", "comfyui", NAMES) == "(embedding:EasyNegative:1.2)"
    assert translate("(<EasyNegative>:1.2)", "comfyui", NAMES) == "(embedding:EasyNegative:1.2)"


def test_a_prompt_translated_to_its_own_program_keeps_what_it_means():
    for key in PROMPT_SYNTAXES:
        there = translate("a, (EasyNegative:1.2), (b:0.8), c", key, NAMES, source="a1111")
        assert translate(there, key, NAMES, source=key) == there


def test_a_name_that_the_target_cannot_write_is_an_error():
    with pytest.raises(CannotWrite, match="'My Style' holds ' ', where ComfyUI ends a name; rename the embedding"):
        translate("My Style", "comfyui", NAMES)


def test_an_unknown_syntax_is_an_error_that_lists_them():
    with pytest.raises(UnknownName, match="there are a1111, comfyui, swarmui, invokeai, diffusers"):
        translate("x", "midjourney")


def test_checking_tells_what_is_used_and_what_may_be_meant():
    found = check_prompt("EasyNegative, easynegativ, embedding:bad-hand-5, masterpiece, <nothing like it>", NAMES)
    assert [each.value for each in found.found] == ["EasyNegative"]
    unknown = {each.name: each.nearest for each in found.unknown}
    assert unknown["easynegativ"][0] == "EasyNegative"
    assert unknown["bad-hand-5"] == ("bad-hands-5",)
    assert unknown["nothing like it"] == ()
    assert "masterpiece" not in unknown


def test_the_nearest_names_come_first():
    assert nearest("easynegatve", NAMES)[0] == "EasyNegative"
    assert nearest("qqqqqqq", NAMES) == []
