"""Names from strangers' files on their way out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loanword.embeddings.errors import Damaged, one_line
from loanword.embeddings.names import LONGEST_FILE_NAME, is_generic, prompt_problem, safe_filename


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("<cat-toy>", "cat-toy"),
        ("EasyNegative", "EasyNegative"),
        ("../../etc/passwd", "etc_passwd"),
        ("con", "_con"),
        ("aux.style", "_aux.style"),
        ("bad prompt v2.0", "bad prompt v2.0"),
        ("日本語", "日本語"),
        ("cafe\u0301", "caf\u00e9"),
        ("a\0b", "a_b"),
        ("...", "embedding"),
        ("C:\\x", "C__x"),
        ("name.", "name"),
        ("-rf", "rf"),
    ],
)
def test_file_names_keep_what_every_system_takes(name, stem):
    assert safe_filename(name) == stem


@given(st.text())
def test_no_name_leaves_its_folder_or_breaks_a_file_system(name):
    stem = safe_filename(name)
    assert stem
    assert not set(stem) & set('/\\:*?"<>|\0\n')
    assert stem not in (".", "..")
    assert stem == stem.strip(" .")
    assert len(stem.encode()) <= LONGEST_FILE_NAME + 1


@given(st.text())
def test_a_file_name_made_of_a_file_name_is_the_same(name):
    once = safe_filename(name)
    assert safe_filename(once) == once


@given(st.text())
def test_a_message_is_one_printable_line_whatever_the_path(path):
    message = str(Damaged(f"is broken: {path}", path))
    assert message.isprintable()
    assert "\n" not in message


def test_bidirectional_controls_are_shown_not_obeyed():
    assert one_line("a\u202eb") == "a\\u{202e}b"


@pytest.mark.parametrize(
    "stem", ["learned_embeds", "learned_embeds-steps-500", "embeddings", "embeddings_gs-6099", "model"]
)
def test_stems_that_name_no_concept_are_generic(stem):
    assert is_generic(stem)


@pytest.mark.parametrize("stem", ["EasyNegative", "embeddings of cats", "modelshoot"])
def test_stems_that_name_a_concept_are_not(stem):
    assert not is_generic(stem)


def test_names_that_prompts_would_misread_say_why():
    assert "'('" in (prompt_problem("style (old)") or "")
    assert prompt_problem("<cat-toy>") is None
