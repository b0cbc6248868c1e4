"""What is no embedding is named, in one line that says what to do with it."""

import re

import pytest
import samples
from loanword.converters import strangers
from loanword.converters.format import recognised
from loanword.converters.payload import Tensor
from loanword.converters.source import Source
from loanword.converters.strangers import stranger_by_bytes
from loanword.embeddings.errors import Damaged, FileError, NotAnEmbedding

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 24655\n"

BYTES = {
    "Git LFS pointer to a file of 24,655 bytes": LFS,
    "a SQLite database, as Draw Things": b"SQLite format 3\0" + bytes(84),
    "a GGUF model": b"GGUF\3\0\0\0",
    "a GGML model": b"ggml\0\0",
    "an ONNX model": b"\x08\x07\x12\x07pytorch",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n\0",
    "a 7z archive": b"7z\xbc\xaf'\x1c\0",
    "a rar archive": b"Rar!\x1a\x07\0",
    "a gzip archive": b"\x1f\x8b\x08",
    "a bzip2 archive": b"BZh91AY",
    "an xz archive": b"\xfd7zXZ\0\0",
    "a zstandard archive": b"\x28\xb5\x2f\xfd\0",
    "a PDF document": b"%PDF-1.7\n%",
    "a JPEG picture": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "a GIF picture": b"GIF89a\1\0",
    "a BMP picture": b"BM\x36\0\0\0\0\0\0\0\x36",
    "a program": b"MZ\x90\0",
    "a web page": b"\n<!DOCTYPE html><html>",
    "an XML text": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>",
    "a JSON text": b'{"error": "Invalid username or password"}',
    "a server's refusal": b"Access denied",
    "a text": "Überschrift\nmehr".encode(),
}


@pytest.mark.parametrize(("what", "content"), BYTES.items(), ids=BYTES)
def test_a_file_of_another_kind_is_named_by_its_first_bytes(what, content):
    error = stranger_by_bytes(Source("x.pt", len(content), content))
    assert type(error) is NotAnEmbedding
    assert what in str(error)
    assert "; " in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(("what", "content"), {"empty": b"", "nothing but zeros": bytes(5000)}.items())
def test_a_download_without_content_is_damaged(what, content):
    error = stranger_by_bytes(Source("x.pt", len(content), content))
    assert type(error) is Damaged
    assert what in str(error)


def test_bytes_that_say_nothing_are_left_to_others():
    assert stranger_by_bytes(Source(None, 4, b"\x01\x02\x03\x04")) is None


CONV = Tensor("float16", (320, 4, 3, 3), bytes)
MATRIX = Tensor("float16", (320, 768), bytes)
LORA = "lora_unet_down_blocks_0_attentions_0_proj_in"

TREES = {
    "a LoRA": [
        {f"{LORA}.lora_down.weight": MATRIX, f"{LORA}.alpha": Tensor("float16", (), bytes)},
        {"unet.down_blocks.0.attentions.0.to_q.lora_A.weight": MATRIX},
        {"transformer.single_transformer_blocks.0.attn.to_q.lora.down.weight": MATRIX},
        {"lycoris_model.hada_w1_a": MATRIX},
        {"unet.mid.lokr_w1": MATRIX},
        {"unet:0:up": MATRIX, "unet:0:down": MATRIX},
        [MATRIX, MATRIX],
        {"state_dict": {"lora_te_text_model_encoder.lora_up.weight": MATRIX}},
    ],
    "a hypernetwork": [
        {320: ({"linear.0.weight": MATRIX}, {"linear.0.weight": MATRIX}), "layer_structure": [1, 2, 1]},
        {768: [{"linear1.weight": MATRIX}, {"linear1.weight": MATRIX}]},
    ],
    "an optimizer's state": [{"hash": "ab12", "optimizer_state_dict": {"state": {0: {"exp_avg": MATRIX}}}}],
    "a checkpoint": [
        {"state_dict": {"model.diffusion_model.input_blocks.0.0.weight": CONV, "cond_stage_model.x": MATRIX}},
        {"first_stage_model.encoder.conv_in.weight": CONV},
        {"conditioner.embedders.0.transformer.text_model.x": MATRIX},
    ],
    "a diffusion model": [{"double_blocks.0.img_attn.qkv.weight": MATRIX}],
    "a U-Net": [{"down_blocks.0.resnets.0.conv1.weight": CONV}],
    "a text encoder": [
        {"text_model.embeddings.token_embedding.weight": Tensor("float32", (49408, 768), bytes)},
        {"shared.weight": MATRIX, "encoder.block.0.layer.0.SelfAttention.q.weight": MATRIX},
        {"model.embed_tokens.weight": MATRIX},
        {"encoder.block.0.layer.0.SelfAttention.q.bias": MATRIX},
    ],
    "a VAE": [{"encoder.conv_in.weight": CONV}, {"decoder.up.0.block.0.conv1.weight": CONV, "quant_conv.weight": CONV}],
    "an approximate decoder": [{f"conv{number}.weight": CONV for number in range(1, 9)}],
    "a ControlNet": [{"control_model.zero_convs.0.0.weight": CONV}, {"controlnet_cond_embedding.conv_in.weight": CONV}],
    "a T2I adapter": [{"adapter.body.0.conv.weight": CONV}],
    "an IP-Adapter": [{"image_proj": {"proj.weight": MATRIX}, "ip_adapter": {}}, {"image_proj.proj.weight": MATRIX}],
    "an upscaler": [{"conv_first.weight": CONV}, {"params_ema": {"conv_first.weight": CONV}}, {"model.0.weight": CONV}],
    "a YOLO detector": [{"model.22.cv2.0.0.conv.weight": CONV}, {"epoch": 3, "train_args": {}, "model": None}],
    "a NeTI mapper": [{"state_dict": {"net.0.weight": MATRIX}, "cfg": {}, "encoder": {}}],
    "an AdaPrompt embedding": [{"string_to_param": {"z": MATRIX}, "string_to_ada_embedder": {}}],
    "prompts that a text encoder read": [
        {"prompt_embeds": Tensor("float16", (1, 77, 768), bytes)},
        {"negative_pooled_prompt_embeds": MATRIX},
    ],
    "a soft prompt": [{"prompt_embeddings": Tensor("float16", (20, 4096), bytes)}],
    "a table of 49,408 tokens": [{"weight": Tensor("float16", (49408, 768), bytes)}],
    "a CLIP model for pictures": [{"vision_model.embeddings.class_embedding": MATRIX}],
    "weights of some network": [{"layers.3.bias": MATRIX}],
    "a model's trained weights": [{"unet": {"a": MATRIX}}],
    "a Custom Diffusion delta without": [{"unet": {"a": MATRIX}, "modifier_token": {}}],
    "a LoRA of Mix-of-Show without": [{"params": {"new_concept_embedding": {}, "unet": {}}}],
    "an empty dict": [{}],
    "an empty list": [[]],
    "and no tensor": ["string_to_param", 5, None],
    "as text encoders give for a whole prompt": [
        Tensor("float16", (1, 77, 768), bytes),
        Tensor("float16", (77, 2048), bytes),
    ],
    "a model's whole table of tokens is": [Tensor("float32", (49408, 768), bytes)],
    "which no text encoder takes": [Tensor("float32", (), bytes), Tensor("float32", (3, 5), bytes)],
}
CASES = [(what, tree) for what, trees in TREES.items() for tree in trees]


@pytest.mark.parametrize(("what", "tree"), CASES, ids=[what for what, _ in CASES])
def test_another_model_is_named_by_its_keys(what, tree):
    payload = samples.payload_of(tree)
    with pytest.raises(NotAnEmbedding, match=re.escape(what)) as caught:
        recognised(payload).parse(payload)
    assert "\n" not in str(caught.value)
    assert re.search(r"[;,] ", str(caught.value))


@pytest.mark.parametrize(
    "word", ["lora", "unet", "epoch", "params", "encoder", "vision", "conditioning", "A.I.", "re:zero"]
)
def test_words_that_name_models_may_be_tokens(word):
    payload = samples.payload_of({word: samples.L})
    (found,) = recognised(payload).parse(payload)
    assert found.name == word


def test_every_pattern_looks_for_a_character_that_lets_a_key_be_looked_at():
    keys = {key for trees in TREES.values() for tree in trees if isinstance(tree, dict) for key in tree}
    for row in strangers._BY_KEYS:
        seen = [key for key in keys if isinstance(key, str) and row.pattern.search(key)]
        assert seen, f"no test has a key of {row.what}"
        assert all(strangers._TELLING.search(key) for key in seen)


def test_a_lora_with_an_embedding_inside_is_no_stranger():
    payload = samples.payload_of({**samples.lora_tensors(), "bundle_emb.cat.clip_l": samples.L})
    assert recognised(payload).key == "lora-bundle"


def test_hundreds_of_odd_keys_are_named_in_one_short_line():
    tree = {f"layer\n{number}" + "x" * 500 + ".weight": MATRIX for number in range(500)}
    with pytest.raises(FileError) as caught:
        recognised(samples.payload_of(tree))
    assert len(str(caught.value)) < 300
