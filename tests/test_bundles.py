"""Embeddings inside LoRA files, in and out, the LoRA untouched."""

import hashlib
import json

import loanword
import numpy as np
import pytest
from loanword.embeddings.embedding import Embedding, Vectors


@pytest.fixture
def lora(tmp_path):
    safetensors_numpy = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(5)
    tensors = {
        "lora_unet_down_blocks_0.lora_down.weight": rng.normal(size=(4, 320)).astype(np.float16),
        "lora_unet_down_blocks_0.lora_up.weight": rng.normal(size=(320, 4)).astype(np.float16),
        "lora_unet_down_blocks_0.alpha": np.array(4.0, dtype=np.float32),
    }
    path = tmp_path / "style.safetensors"
    safetensors_numpy.save_file(tensors, path, metadata={"ss_base_model_version": "sdxl_base_v1-0"})
    return path


def embedding(name, **encoders):
    rng = np.random.default_rng(len(name))
    return Embedding(name, {key: Vectors.from_numpy(rng.normal(size=(2, width))) for key, width in encoders.items()})


WORDS = [embedding("<cat>", clip_l=768, clip_g=1280), embedding("style v1.5", clip_l=768, clip_g=1280)]


def tensors_of(path):
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    metadata = header.pop("__metadata__", None)
    spans = {key: (row["dtype"], row["shape"], row["data_offsets"]) for key, row in header.items()}
    return metadata, {
        key: (dtype, shape, hashlib.sha256(content[8 + size + start : 8 + size + end]).hexdigest())
        for key, (dtype, shape, (start, end)) in spans.items()
    }


def test_embeddings_go_in_and_come_out_again_bit_for_bit(lora, tmp_path):
    bundled = loanword.bundle(lora, WORDS, tmp_path / "bundled.safetensors")
    found = loanword.read_all(bundled)
    assert {each.name: each.vectors for each in found} == {each.name: each.vectors for each in WORDS}


def test_the_loras_own_tensors_and_metadata_stay_byte_for_byte(lora, tmp_path):
    bundled = loanword.bundle(lora, WORDS, tmp_path / "bundled.safetensors")
    metadata, tensors = tensors_of(lora)
    metadata_after, tensors_after = tensors_of(bundled)
    assert metadata_after == metadata
    assert tensors.items() <= tensors_after.items()
    assert all(key.startswith("bundle_emb.") for key in tensors_after.keys() - tensors.keys())


def test_taking_them_out_gives_back_the_very_file(lora, tmp_path):
    bundled = loanword.bundle(lora, WORDS, tmp_path / "bundled.safetensors")
    paths = loanword.unbundle(bundled, tmp_path / "out", lora_destination=tmp_path / "plain.safetensors")
    assert [path.name for path in paths] == ["cat.safetensors", "style v1.5.safetensors", "plain.safetensors"]
    assert paths[-1].read_bytes() == lora.read_bytes()


def test_a_name_that_is_taken_is_not_overwritten(lora, tmp_path):
    bundled = loanword.bundle(lora, WORDS, tmp_path / "bundled.safetensors")
    with pytest.raises(loanword.CannotWrite, match="<cat>"):
        loanword.bundle(bundled, WORDS[0], tmp_path / "again.safetensors")


def test_the_lora_itself_is_never_replaced(lora):
    before = lora.read_bytes()
    with pytest.raises(loanword.CannotWrite, match="the LoRA itself"):
        loanword.bundle(lora, WORDS, lora, overwrite=True)
    assert lora.read_bytes() == before


def test_only_a_lora_can_carry_embeddings(tmp_path):
    (path,) = loanword.write(WORDS[0], tmp_path / "cat.safetensors")
    with pytest.raises(loanword.NotAnEmbedding, match="LoRA"):
        loanword.bundle(path, WORDS[1], tmp_path / "out.safetensors")


def test_a_plain_lora_has_nothing_to_take_out(lora, tmp_path):
    with pytest.raises(loanword.NotAnEmbedding, match="LoRA"):
        loanword.unbundle(lora, tmp_path / "out")


def test_a_large_lora_costs_its_header_and_the_bundles_tensors(tmp_path):
    header = {
        "lora_unet_x.lora_up.weight": {"dtype": "F32", "shape": [262144, 2048], "data_offsets": [0, 2**31]},
        "bundle_emb.word.emb_params": {"dtype": "F32", "shape": [2, 768], "data_offsets": [2**31, 2**31 + 6144]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.seek(2**31, 1)
        file.write(np.ones((2, 768), dtype="<f4").tobytes())
    import tracemalloc

    loanword.read(path)  # what reading imports is no cost of the file
    tracemalloc.start()
    found = loanword.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.name == "word"
    assert float(found.vectors["clip_l"].numpy().sum()) == 1536.0
    assert peak < 2**20
