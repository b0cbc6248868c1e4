"""Formats: each real writer's files are recognised by exactly one of them, read for what they are, and written back."""

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from loanword.converters.files import read_bytes
from loanword.converters.format import all_formats, recognised
from loanword.converters.payload import ParameterDict, Tensor
from loanword.converters.writing import render
from loanword.embeddings.embedding import Embedding, Vectors
from loanword.embeddings.errors import (
    CannotWrite,
    FileError,
    MalformedEmbedding,
    NotAnEmbedding,
    UnknownName,
    UnrecognisedFormat,
)
from loanword.embeddings.text_encoders import TEXT_ENCODERS

L, G, T5 = samples.L, samples.G, samples.T5
WRITABLE = [(key, embedding) for key, some in samples.WRITABLE.items() for embedding in some]


def read(tree, path="/tmp/style.pt", **more):
    payload = samples.payload_of(tree, path, **more)
    return recognised(payload).parse(payload)


def read_back(draft, name, path="/tmp/{}.safetensors"):
    payload = samples.payload_of(draft.tree, path.format(name), dict(draft.metadata))
    return recognised(payload), recognised(payload).parse(payload)


@pytest.mark.parametrize("key", all_formats())
def test_every_format_has_a_sample_and_a_key_like_its_file(key):
    assert any(sample.format == key for sample in samples.PAYLOADS)
    assert all_formats()[key].recognise.__module__.endswith("." + key.replace("-", "_"))


@pytest.mark.parametrize("sample", samples.PAYLOADS, ids=str)
def test_exactly_one_format_claims_each_sample(sample):
    claims = [row for row in all_formats().values() if row.recognise(sample.payload)]
    certain = [row for row in claims if not row.fallback] or claims
    assert [row.key for row in certain] == [sample.format]


@pytest.mark.parametrize("sample", samples.PAYLOADS, ids=str)
def test_a_sample_is_read_for_what_is_in_it(sample):
    found = recognised(sample.payload).parse(sample.payload)
    assert found == list(sample.embeddings)
    assert all(each.provenance.format == sample.format for each in found)
    assert any(sample.warning in each for one in found for each in ("", *one.warnings))


@pytest.mark.parametrize("sample", samples.PAYLOADS, ids=str)
def test_nothing_is_warned_of_without_need(sample):
    found = recognised(sample.payload).parse(sample.payload)
    warnings = [each for one in found for each in one.warnings]
    unequal = [each for each in warnings if "unequal" in each]
    assert sample.warning or warnings == unequal


@pytest.mark.parametrize(("key", "embedding"), WRITABLE, ids=lambda value: getattr(value, "name", value))
def test_what_a_format_builds_is_recognised_and_read_back(key, embedding):
    same_layout = {"kohya": {"comfyui"}, "onetrainer": {"comfyui"}, "diffusers-pair": {"diffusers"}}
    row, found = read_back(all_formats()[key].build([embedding]), embedding.name)
    assert row.key in {key} | same_layout.get(key, set())
    assert [each.replace(aliases=()) for each in found] == [embedding.replace(aliases=())]


@pytest.mark.parametrize("key", [key for key, row in all_formats().items() if row.build])
def test_every_format_that_is_written_has_embeddings_to_write(key):
    assert samples.WRITABLE[key]


@pytest.mark.parametrize("key", [key for key, row in all_formats().items() if row.several])
def test_a_format_of_several_embeddings_holds_several(key):
    first, second = samples.WRITABLE[key][0], samples.WRITABLE[key][0].renamed("another")
    _, found = read_back(all_formats()[key].build([first, second]), "both")
    assert [each.name for each in found] == [first.name, "another"]
    with pytest.raises(CannotWrite, match="two embeddings are called"):
        all_formats()[key].build([first, first])
    with pytest.raises(CannotWrite, match="at least one"):
        all_formats()[key].build([])


@pytest.mark.parametrize("key", [key for key, row in all_formats().items() if row.build and not row.several])
def test_a_format_of_one_embedding_refuses_several(key):
    first = samples.WRITABLE[key][0]
    for several in ([], [first, first.renamed("another")]):
        with pytest.raises(CannotWrite, match="holds one embedding"):
            all_formats()[key].build(several)


ODD = {
    "output": Embedding("odd", output_vectors={"clip_l": L}),
    "layers": Embedding("odd", layer_vectors={"layer": L}),
    "unequal": Embedding("odd", {"clip_l": L, "clip_g": samples.G1}),
    "dtypes": Embedding("odd", {"clip_l": L, "clip_g": G.cast("float16")}),
    "rare": Embedding("odd", {"byt5_small": samples.some(2, "byt5_small"), "clip_l": L}),
    "many": Embedding("odd", {"clip_l": L, "clip_g": G, "t5xxl": samples.some(3, "t5xxl")}),
}


@pytest.mark.parametrize("key", [key for key, row in all_formats().items() if row.build])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_embedding_that_a_format_cannot_hold_is_refused_not_changed(key, odd):
    try:
        draft = all_formats()[key].build([odd])
    except CannotWrite as error:
        refusal = str(error)
    else:
        _, found = read_back(draft, "odd")
        assert found == [odd]
        return
    assert "'odd'" in refusal
    assert "\n" not in refusal


def test_facts_survive_an_a1111_file():
    draft = all_formats()["a1111"].build([Embedding("猫 a/b", {"clip_l": L}, ("cat",), provenance=samples.FACTS)])
    payload = samples.payload_of(draft.tree, "/tmp/猫 a_b.pt")
    (found,) = recognised(payload).parse(payload)
    assert (found.name, found.aliases) == ("猫 a/b", ("cat",))
    assert (found.provenance.step, found.provenance.checkpoint_hash) == (500, "72f558e947")
    assert found.provenance.metadata == {"author": "somebody"}


def test_ai_toolkits_json_facts_are_decoded():
    metadata = {**samples.AI_TOOLKIT, "notes": '"my note"', "sd_checkpoint": '"72f558e947"'}
    (found,) = read({"emb_params": L}, metadata=metadata)
    assert (found.provenance.step, found.provenance.checkpoint_hash) == (500, "72f558e947")
    assert dict(found.provenance.metadata) == {"notes": "my note"}


@pytest.mark.parametrize("tree", [{"clip_l": L}, {"emb_params": L, "name": "style", "step": 7}])
def test_facts_beside_the_tensors_of_a_pickle_are_kept(tree):
    (found,) = read(tree)
    assert found.provenance.step == tree.get("step")


def test_an_image_is_called_by_the_name_inside_it():
    tree = {"string_to_param": {"*": L}, "name": "cat-500"}
    (found,) = read(tree, "/tmp/00007-preview.png", container="png")
    assert found.name == "cat-500"


def test_a_bundles_embedding_does_not_inherit_the_loras_facts():
    metadata = {"modelspec.title": "My LoRA", "ss_tag_frequency": "{}", "modelspec.architecture": "flux-1-dev/lora"}
    (found,) = read({**samples.lora_tensors(), "bundle_emb.cat.clip_l": L}, metadata=metadata)
    assert found.aliases == ()
    assert dict(found.provenance.metadata) == {"modelspec.architecture": "flux-1-dev/textual-inversion"}
    assert found.base_model == "flux"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"clip_g": samples.some(2, "clip_h")}, "clip_g is 1024 wide, it should be 1280 .OpenCLIP ViT-bigG/14."),
        ({"t5": T5, "t5_out": L}, "t5_out is 768 wide, it should be 4096 .T5-v1.1-XXL."),
        ({"emp_params": G}, "emp_params is 1280 wide, it should be 768 .CLIP ViT-L/14., 1024 .OpenCLIP ViT-H/14."),
        ({"string_to_param": {"*": L}, "clip_l": L}, "vectors in string_to_param and in clip_l, programs read either"),
        ({"emb_params": Vectors("float32", (2, 10), bytes(80))}, "emb_params is 10 wide, which no known text encoder"),
        ({"emb_params": T5}, r"as for t5xxl, .*; say which one: read\(path, encoder=…\)"),
        ({"<cat>": samples.some(2, "qwen3_4b")}, "'<cat>' is 2560 wide, as for gemma3_4b, .*encoder="),
        ({"<cat>": Tensor("int64", (2, 768), bytes)}, "is of int64, vectors are of floating-point numbers"),
        ({"<cat>": Tensor("float32", (2, 3, 768), bytes)}, r"has shape \(2, 3, 768\)"),
        ({"emb_params": Tensor("float32", (0, 768), bytes)}, "holds no vector"),
        ({"string_to_param": {}}, "string_to_param is an empty value, it has to map placeholders to tensors"),
        ({"string_to_param": "*"}, "string_to_param is of type str"),
        ({"string_to_param": L}, "string_to_param is a tensor"),
        ({"string_to_param": {265: L}}, "265 in string_to_param is a tensor, it has to map text"),
        ({"string_to_param": {"*": [L]}}, "is of type list"),
        ({"string_to_param": ParameterDict()}, "is an empty value"),
        ({"IN01": L, "MID": L}, "lacks the vectors of IN02"),
        ({**samples.XTI, "MID": G}, "MID is 1280 wide"),
        ({"bundle_emb.": L}, "names no embedding"),
        ({"bundle_emb.a.string_to_token.*": L}, "hold no tensors"),
        ({"bundle_emb.a.x": L, "bundle_emb.a.y": L}, "'a' has 2 tensors"),
        ({"clip_l": L, "t5xxl": T5, "t5_xxl": T5}, "a second tensor for t5xxl"),
        ({"modifier_token": {"<new1>": [L, L]}}, "has 2 tensors, it needs one for each text encoder"),
        ({"params": {"new_concept_embedding": {"<a>": samples.some(2)}}}, r"has shape \(2, 768\), ED-LoRA needs"),
        ([{"a": L}, {"a": L.cast("float16")}], "are of float16, float32, they need one dtype"),
        (L, "a bare tensor .3 x 768., which an aesthetic gradient is too; .*read.path, name=…"),
    ],
)
def test_a_broken_file_of_a_known_format_is_malformed(tree, message):
    with pytest.raises(MalformedEmbedding, match=message) as caught:
        read(tree)
    assert "\n" not in str(caught.value)


def test_the_caller_can_say_whose_vectors_they_are():
    (found,) = read({"emb_params": T5}, encoder="llama")
    assert list(found.vectors) == ["llama"]
    with pytest.raises(MalformedEmbedding, match="emb_params is 768 wide, Llama 3 8B takes 4096"):
        read({"emb_params": L}, encoder="llama")
    with pytest.raises(UnknownName):
        read({"emb_params": L}, encoder="lama")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (b"not json", "does not map words"),
        (b'{"TOK": 5}', "does not map words"),
        (b'{"TOK": "<s7>"}', "gives 'TOK' <s7>, it has 3 vectors"),
    ],
)
def test_broken_words_beside_a_pivotal_tuning_file_are_refused(words, message):
    with pytest.raises(MalformedEmbedding, match=message):
        read({"text_encoders_0": L}, "/tmp/embeddings.pti", siblings={"special_params.json": words})


def test_words_that_leave_vectors_out_are_warned_of():
    siblings = {"special_params.json": b'{"TOK": "<s0><s1>"}'}
    (found,) = read({"text_encoders_0": L}, "/tmp/embeddings.pti", siblings=siblings)
    assert found.vectors == {"clip_l": L.rows(0, 2)}
    assert "no word for 1 of its 3 vectors" in found.warnings[0]


def test_a_broken_other_half_is_refused():
    for content in (b"nonsense", samples._safetensors({"emb_params": L})):
        siblings = {"learned_embeds_2.safetensors": content}
        with pytest.raises(MalformedEmbedding, match=r"its other half, learned_embeds_2\.safetensors"):
            read({"<cat>": L}, "/tmp/learned_embeds.safetensors", siblings=siblings)


def test_draw_things_output_vectors_are_no_embedding_for_others():
    wide = Vectors("float16", (1, 15360), bytes(2 * 15360))
    with pytest.raises(NotAnEmbedding, match="output-space vectors"):
        read({**samples.lora_tensors(), "mistral3": wide})


@pytest.mark.parametrize(
    "tree", [{"clip_l": L, "nothing known": L}, {"emb_params": L, "*": L}, {"t5": T5, "clip_h": L}]
)
def test_reserved_keys_are_never_taken_for_tokens(tree):
    with pytest.raises(UnrecognisedFormat):
        read(tree)


@pytest.mark.parametrize(
    "name", ["*", "emb_params", "clip_l", "lora_unet_x", "bundle_emb.x", "string_to_param", "a.weight"]
)
def test_a_token_that_would_be_read_as_something_else_is_not_written(name):
    with pytest.raises(CannotWrite, match="rename"):
        all_formats()["diffusers"].build([Embedding(name, {"clip_l": L})])


@given(st.text(min_size=1).filter(lambda name: name != "*"))
def test_any_other_name_comes_back_from_a_diffusers_file(name):
    try:
        draft = all_formats()["diffusers"].build([Embedding(name, {"clip_l": L})])
    except CannotWrite:
        return
    row, (found,) = read_back(draft, "file")
    assert (row.key, found.name) == ("diffusers", name)


@given(st.text(min_size=1), st.sampled_from(sorted(TEXT_ENCODERS)))
def test_any_name_and_encoder_comes_back_from_a_bundle(name, encoder):
    embedding = Embedding(name, {encoder: samples.some(1, encoder)})
    _, found = read_back(all_formats()["lora-bundle"].build([embedding]), "lora")
    assert found == [embedding]


KEYS = (
    *("string_to_param", "emb_params", "clip_l", "clip_l_out", "MID", "IN01", "*", "params", "new_concept_embedding"),
    *("modifier_token", "state_dict", "embed", "text_encoders_0", "bundle_emb.a.clip_l", "lora_unet_a.alpha"),
    *("qwen3", "prior", "name", "step", "cfg", "encoder", "unet", "weight", "a.weight", "string_to_param:*"),
)
LEAVES = st.none() | st.integers() | st.text(max_size=5) | st.sampled_from([samples.opened(L), samples.opened(G)])


@given(
    st.recursive(
        LEAVES,
        lambda each: (
            st.lists(each, max_size=3)
            | st.dictionaries(st.text(max_size=3) | st.integers(0, 9) | st.sampled_from(KEYS), each, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_tree_gives_embeddings_or_one_line(tree):
    payload = samples.payload_of(tree)
    try:
        found = recognised(payload).parse(payload)
    except FileError as error:
        line = str(error)
    else:
        assert found
        return
    assert line
    assert "\n" not in line


def test_a_file_of_two_layouts_is_refused():
    with pytest.raises(UnrecognisedFormat, match=r"a1111 \+ lora-bundle at once"):
        read({"string_to_param": {"*": L}, "bundle_emb.a.clip_l": L})


def test_an_embedding_may_be_called_what_a_format_uses_as_its_mark():
    word = Embedding("<embed>", {"clip_l": samples.some(1)})
    content = render(word, format="cloneofsimo")[0].content
    (found,) = read_bytes(content, "embed.safetensors")
    assert (found.name, found.vectors) == ("<embed>", word.vectors)


@pytest.mark.parametrize("key", ["a1111", "diffusers"])
def test_a_text_as_long_as_a_book_is_no_name(key):
    whole = Embedding("n" * 1_000_001, {"clip_l": samples.L})
    (file,) = render(whole, format=key)
    if key == "diffusers":  # which has no other name
        with pytest.raises(MalformedEmbedding, match="is called by 1,000,001 characters; read it with a name"):
            read_bytes(file.content, "style.bin")
        assert read_bytes(file.content, "style.bin", name="style")[0].vectors == whole.vectors
    else:
        (word,) = read_bytes(file.content, "style.pt")
        assert (word.name, word.aliases) == ("style", ())
