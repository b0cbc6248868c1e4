"""Embeddings that people really use, held to what is known of each (LOANWORD_REAL, a folder with a manifest.json)."""

import hashlib
import json
import os
from pathlib import Path

import loanword
import numpy as np
import pytest

FOLDER = os.environ.get("LOANWORD_REAL")
pytestmark = pytest.mark.skipif(not FOLDER, reason="LOANWORD_REAL names no folder of real embeddings")
ENTRIES = json.loads((Path(FOLDER) / "manifest.json").read_text())["files"] if FOLDER else []
EMBEDDINGS = [entry for entry in ENTRIES if not entry.get("error")]


def path_of(entry):
    return Path(FOLDER) / entry["file"]


@pytest.mark.parametrize("entry", EMBEDDINGS, ids=lambda entry: entry["file"])
def test_it_reads_as_its_manifest_says(entry):
    found = loanword.read(path_of(entry))
    assert found.name == entry["trigger"]
    if entry["stored_name"] not in (None, entry["trigger"]):
        assert found.aliases[0] == entry["stored_name"]
    assert found.base_model == entry["base_model"]
    assert found.provenance.sha256 == entry["sha256"]
    assert found.provenance.step == entry.get("step")
    assert found.provenance.checkpoint_hash == entry.get("sd_checkpoint")
    assert found.provenance.checkpoint_name == entry.get("sd_checkpoint_name")
    assert list(found.vectors) == [each["encoder"] for each in entry["encoders"]]
    for each in entry["encoders"]:
        vectors = found.vectors[each["encoder"]]
        assert list(vectors.shape) == each["shape"]
        assert vectors.dtype == each["dtype"]
        assert hashlib.sha256(vectors.tobytes()).hexdigest() == each["sha256_of_raw_bytes"]
        np.testing.assert_allclose(np.linalg.norm(vectors.numpy(), axis=1), each["l2_norms"], atol=1e-5)


@pytest.mark.parametrize("entry", [each for each in ENTRIES if each.get("error")], ids=lambda entry: entry["file"])
def test_what_is_no_embedding_is_refused_in_one_line_that_says_what_it_is(entry):
    with pytest.raises(loanword.NotAnEmbedding) as refusal:
        loanword.read(path_of(entry))
    message = str(refusal.value)
    assert message.startswith(str(path_of(entry)))
    assert "Git LFS" in message
    assert "git lfs pull" in message
    assert "\n" not in message


@pytest.mark.parametrize("entry", EMBEDDINGS, ids=lambda entry: entry["file"])
@pytest.mark.parametrize("target", loanword.TARGETS)
def test_it_survives_the_way_to_a_program_and_back(entry, target):
    if (target, entry["base_model"]) == ("stable-diffusion-cpp", "sdxl"):  # the one thing that one cannot take
        with pytest.raises(loanword.CannotWrite, match="mixes up"):
            loanword.verify(path_of(entry), target=target)
        return
    result = loanword.verify(path_of(entry), target=target)
    assert result.ok, result.differences


@pytest.mark.parametrize("entry", EMBEDDINGS, ids=lambda entry: entry["file"])
def test_converting_leaves_the_original_as_it_was(entry, tmp_path):
    original = tmp_path / entry["file"]
    original.write_bytes(path_of(entry).read_bytes())
    before = original.stat()
    (path,) = loanword.convert(original, tmp_path / "out", target="comfyui")
    assert hashlib.sha256(original.read_bytes()).hexdigest() == entry["sha256"]
    assert original.stat().st_mtime_ns == before.st_mtime_ns
    assert loanword.read(path).provenance.original_sha256 == entry["sha256"]
