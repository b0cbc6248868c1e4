"""Tools that weigh words of prompts: compel itself, and the way sd_embed tokenizes, part by part."""

import re
import warnings

import pytest
import torch
from by_hand import embedding
from loanword.loader.textual_inversion import load_textual_inversion

BOTH = ("clip_l", "clip_g")
NAMES = ("EasyNegative", "bad-hands-5", "realistic-neg", "verybad_v1.3", "my style", "<s0>", "emb(q)", "动漫风格")


@pytest.fixture
def seen():
    """A function that watches an encoder: the token ids of each sequence that it is given."""
    handles = []

    def watch(encoder):
        rows = []

        def note(_module, arguments, options):
            rows.extend((arguments[0] if arguments else options["input_ids"]).tolist())

        handles.append(encoder.register_forward_pre_hook(note, with_kwargs=True))
        return rows

    yield watch
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("manager", [False, True], ids=["alone", "with its manager"])
@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a photo, EasyNegative", ["EasyNegative"]),
        ("a photo, (easynegative)1.3, cat", ["EasyNegative"]),
        ("a photo, EASYNEGATIVE++ and cat", ["EasyNegative"]),
        ("a photo, (embedding:EasyNegative.pt)1.2", ["EasyNegative"]),
        ("a photo, (bad-hands-5)1.3, realistic-neg", ["bad-hands-5", "realistic-neg"]),
        ("a photo, (verybad_v1.3)1.2 cat", ["verybad_v1.3"]),
        ("a photo of (<s0>)1.3 man", ["<s0>"]),
        ("a photo, (my style)1.2, emb(q)", ["my style", "emb(q)"]),
        ("a photo, (动漫风格)1.2", ["动漫风格"]),
    ],
)
def test_compel_feeds_every_vector_with_its_weight(prompt, names, manager, sd1, seen):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what compel's own dependencies warn of
        compel = pytest.importorskip("compel")
    words = {name: embedding(name, 3, seed=i) for i, name in enumerate(NAMES)}
    load_textual_inversion(sd1, list(words.values()))
    rows = seen(sd1.text_encoder)
    options = {"textual_inversion_manager": compel.DiffusersTextualInversionManager(sd1)} if manager else {}
    make = compel.Compel(tokenizer=sd1.tokenizer, text_encoder=sd1.text_encoder, **options)
    with torch.no_grad():
        found = make(prompt)
    learned = torch.tensor([each for each in rows[0] if each < 0])
    expected = torch.cat([torch.from_numpy(words[name].vectors["clip_l"].numpy()) for name in names])
    assert torch.equal(sd1.text_encoder.get_input_embeddings()(learned), expected)
    with torch.no_grad():
        plain = make(re.sub(r"\(([^()]*)\)[0-9.]+", r"\1", prompt).replace("++", ""))
    changed = (found - plain).abs().amax(dim=-1)[0] > 1e-4
    weighted = [i for i, each in enumerate(rows[0]) if each < 0 and changed[i]]
    assert bool(weighted) == any(mark in prompt for mark in (")1.", "++"))


def test_compel_keeps_an_embedding_whole_over_its_chunks(sd1, seen):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compel = pytest.importorskip("compel")
    load_textual_inversion(sd1, embedding("long_q", 30))
    rows = seen(sd1.text_encoder)
    make = compel.Compel(tokenizer=sd1.tokenizer, text_encoder=sd1.text_encoder, truncate_long_prompts=False)
    with torch.no_grad():
        make("word, " * 30 + "long_q, best")
    assert sorted(sum(each < 0 for each in row) for row in rows[:2]) == [0, 30]


def weighted_parts(prompt):
    """A prompt of A1111's as sd_embed takes it apart: (text, weight), neighbours of one weight together."""
    pattern = re.compile(r"\(([^():]+(?::[^():]+)?):([0-9.]+)\)|([^()]+)")
    return [(each[1] or each[3], float(each[2] or 1)) for each in pattern.finditer(prompt)]


def test_tokenizing_part_by_part_gives_the_same_ids(sdxl):
    load_textual_inversion(sdxl, [embedding(name, 3, BOTH) for name in NAMES if name != "emb(q)"])
    prompt = "a photo, (EasyNegative:1.3), cat, (embedding:verybad_v1.3:1.2), my style"
    whole = sdxl.tokenizer("a photo, EasyNegative, cat, embedding:verybad_v1.3, my style", truncation=False).input_ids
    for tokenizer in (sdxl.tokenizer, sdxl.tokenizer_2):
        parts = [(tokenizer(text, truncation=False).input_ids[1:-1], weight) for text, weight in weighted_parts(prompt)]
        assert [each for ids, _ in parts for each in ids] == whole[1:-1]
        assert [weight for ids, weight in parts for each in ids if each < 0] == [1.3] * 3 + [1.2] * 3 + [1.0] * 3
