"""Folders as programs leave them: which files are embeddings, what lies beside one, and hostile folders."""

import os
import socket
import time

import numpy as np
import pytest
from loanword.converters.folders import companions_of, concept_files, members_of
from loanword.embeddings.embedding import Embedding, Provenance, Vectors
from loanword.embeddings.errors import CannotWrite, NotAnEmbedding, Unreadable


def laid_out(folder, *names):
    """The folder with files of these names, each holding its own name; a name that ends in / is a folder."""
    for name in names:
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    return folder


def embedding(name="<cat>", **metadata):
    vectors = Vectors.from_numpy(np.ones((1, 768)))
    return Embedding(name, {"clip_l": vectors}, provenance=Provenance(metadata=metadata))


LAYOUTS = {
    "a concept of the sd-concepts-library": (
        ["learned_embeds.bin", "token_identifier.txt", "type_of_concept.txt", "README.md", "concept_images/0.jpeg"],
        ["learned_embeds.bin"],
    ),
    "the same embedding as safetensors and pickle": (
        ["learned_embeds.bin", "learned_embeds.safetensors"],
        ["learned_embeds.safetensors"],
    ),
    "a training by diffusers": (
        ["learned_embeds.safetensors", "learned_embeds-steps-500.safetensors", "learned_embeds-steps-1000.safetensors"],
        ["learned_embeds.safetensors"],
    ),
    "an unfinished training by diffusers": (
        ["learned_embeds-steps-500.bin", "learned_embeds-steps-1000.bin", "logs/"],
        ["learned_embeds-steps-1000.bin"],
    ),
    "an SDXL training by diffusers": (
        ["learned_embeds.safetensors", "learned_embeds_2.safetensors", "learned_embeds_2-steps-5.safetensors"],
        ["learned_embeds.safetensors"],
    ),
    "a training by diffusers with its whole model": (
        ["model_index.json", "learned_embeds.safetensors", "unet/model.safetensors"],
        ["learned_embeds.safetensors"],
    ),
    "a training by NeTI": (
        ["learned_embeds-final.bin", "mapper-final.pt", "learned_embeds-steps-10.bin", "mapper-steps-10.pt"],
        ["learned_embeds-final.bin"],
    ),
    "a backup by OneTrainer": (
        ["meta.json", "embeddings/7f.safetensors", "embeddings/0a.safetensors", "optimizer/optimizer.pt", "ema/ema.pt"],
        ["embeddings/0a.safetensors", "embeddings/7f.safetensors"],
    ),
    "an older backup by OneTrainer": (
        ["meta.json", "embedding/embedding.safetensors", "additional_embeddings/7f.safetensors"],
        ["additional_embeddings/7f.safetensors", "embedding/embedding.safetensors"],
    ),
    "a training by cog": (
        ["embeddings.pti", "special_params.json", "lora.safetensors", "checkpoint-500.pti"],
        ["embeddings.pti"],
    ),
    "an unfinished training by cog": (["checkpoint-500.pti", "checkpoint-1000.pti"], ["checkpoint-1000.pti"]),
    "a LoRA and its embedding by diffusers": (
        ["pytorch_lora_weights.safetensors", "style_emb.safetensors", "README.md"],
        ["style_emb.safetensors"],
    ),
    "a LoRA and its embeddings by OneTrainer": (
        ["style.safetensors", "style_embeddings/cat.safetensors", "style_embeddings/dog.safetensors"],
        ["style_embeddings/cat.safetensors", "style_embeddings/dog.safetensors"],
    ),
    "a training by A1111": (
        ["embeddings/x-500.pt", "embeddings/x-1000.pt", "embeddings/x-1000.pt.optim", "image_embeddings/x-500.png"],
        ["embeddings/x-1000.pt"],
    ),
    "a training by A1111, seen from inside": (
        ["x-500.pt", "x-1000.pt", "x-1000.pt.optim", "y-10.pt"],
        ["x-1000.pt", "y-10.pt"],
    ),
    "pictures of a training by A1111": (
        ["image_embeddings/x-500.png", "image_embeddings/x-1000.png", "images/x-500.png"],
        ["image_embeddings/x-1000.png"],
    ),
    "any embeddings": (
        ["style-1.pt", "style-2.pt", "cat.safetensors", "cat.pt", "cat.preview.png", "notes.txt", ".hidden.pt"],
        ["cat.pt", "cat.safetensors", "style-1.pt", "style-2.pt"],
    ),
    "a concept and other embeddings": (["learned_embeds.bin", "cat.pt"], ["cat.pt", "learned_embeds.bin"]),
}


@pytest.mark.parametrize(("names", "members"), LAYOUTS.values(), ids=LAYOUTS)
def test_the_embeddings_of_a_folder_are_found(tmp_path, names, members):
    laid_out(tmp_path, *names)
    assert members_of(str(tmp_path)) == [os.path.join(tmp_path, name) for name in members]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([], "without any embedding"),
        (["README.md", "images/cat.pt"], "without any embedding"),
        (["pytorch_lora_weights.safetensors"], "without any embedding"),
        (["learned_embeds_2.safetensors"], "without any embedding"),
        (["model_index.json", "unet/model.safetensors", "vae/model.bin"], "whole diffusers model"),
        (["cat.pt/", "dog.safetensors/"], "without any embedding"),
    ],
)
def test_a_folder_without_embeddings_says_what_it_is(tmp_path, names, why):
    laid_out(tmp_path, *names)
    with pytest.raises(NotAnEmbedding, match=why):
        members_of(str(tmp_path))


def test_a_folder_that_is_not_there_is_unreadable(tmp_path):
    with pytest.raises(Unreadable, match="cannot be listed"):
        members_of(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("suffix", [".bin", ".safetensors", ".pt"])
@pytest.mark.parametrize("step", ["", "-steps-500"])
def test_what_belongs_to_a_diffusers_embedding_comes_with_it(tmp_path, step, suffix):
    half = f"learned_embeds_2{step}{suffix}"
    laid_out(tmp_path, f"learned_embeds{step}{suffix}", half, "token_identifier.txt", "type_of_concept.txt")
    laid_out(tmp_path, "learned_embeds_2-steps-1.bin", "README.md")
    found = companions_of(str(tmp_path / f"learned_embeds{step}{suffix}"))
    assert found == {name: name.encode() for name in (half, "token_identifier.txt", "type_of_concept.txt")}


@pytest.mark.parametrize(
    "name", ["embeddings.pti", "checkpoint-500.pti", "embeddings.safetensors", "x_emb.safetensors"]
)
def test_the_words_of_a_pivotal_tuning_come_with_it(tmp_path, name):
    laid_out(tmp_path, name, "special_params.json", "token_identifier.txt")
    assert companions_of(str(tmp_path / name)) == {"special_params.json": b"special_params.json"}


def test_a_neti_mapper_is_noticed(tmp_path):
    laid_out(tmp_path, "learned_embeds-steps-10.bin", "mapper-steps-10.pt")
    assert list(companions_of(str(tmp_path / "learned_embeds-steps-10.bin"))) == ["mapper-steps-10.pt"]


def test_usual_names_have_no_companions(tmp_path):
    laid_out(tmp_path, "cat.pt", "special_params.json", "token_identifier.txt", "learned_embeds_2.bin")
    assert companions_of(str(tmp_path / "cat.pt")) == {}
    assert companions_of(str(tmp_path / "learned_embeds_2.bin")) == {}


def test_a_long_file_beside_an_embedding_is_left_alone(tmp_path):
    laid_out(tmp_path, "learned_embeds.bin", "token_identifier.txt")
    with (tmp_path / "type_of_concept.txt").open("wb") as file:
        file.truncate(1 << 40)
    assert list(companions_of(str(tmp_path / "learned_embeds.bin"))) == ["token_identifier.txt"]


def test_a_link_beside_an_embedding_leads_nowhere_else(tmp_path):
    laid_out(tmp_path, "secret", "concept/learned_embeds.bin")
    (tmp_path / "concept/token_identifier.txt").symlink_to(tmp_path / "secret")
    assert companions_of(str(tmp_path / "concept/learned_embeds.bin")) == {}


def test_links_as_in_the_cache_of_the_hub_are_followed(tmp_path):
    laid_out(tmp_path, "blobs/1f", "blobs/2f", "snapshots/main/")
    snapshot = tmp_path / "snapshots/main"
    (snapshot / "learned_embeds.bin").symlink_to("../../blobs/1f")
    (snapshot / "token_identifier.txt").symlink_to("../../blobs/2f")
    assert members_of(str(snapshot)) == [str(snapshot / "learned_embeds.bin")]
    assert companions_of(str(snapshot / "learned_embeds.bin")) == {"token_identifier.txt": b"blobs/2f"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_pipes_sockets_and_loops_neither_hang_nor_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    laid_out(tmp_path, "cat.pt", "learned_embeds.bin")
    os.mkfifo("pipe.pt")
    os.mkfifo("token_identifier.txt")
    (tmp_path / "loop.pt").symlink_to("loop.pt")
    (tmp_path / "endless.pt").symlink_to("/dev/zero")
    (tmp_path / "style_embeddings").symlink_to(".")
    (tmp_path / "type_of_concept.txt").symlink_to("type_of_concept.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.pt")
        assert members_of(".") == [os.path.join(".", name) for name in ("cat.pt", "learned_embeds.bin")]
        assert companions_of("learned_embeds.bin") == {}


def test_a_folder_of_very_many_files_is_refused_quickly(tmp_path):
    for number in range(10_001):
        (tmp_path / f"{number}.pt").touch()
    start = time.perf_counter()
    with pytest.raises(NotAnEmbedding, match="more than 10000 files"):
        members_of(str(tmp_path))
    assert time.perf_counter() - start < 1


def test_a_concept_is_described_by_its_token_and_kind():
    assert concept_files(embedding()) == {"token_identifier.txt": "<cat>"}
    assert concept_files(embedding(type_of_concept="style")) == {
        "token_identifier.txt": "<cat>",
        "type_of_concept.txt": "style",
    }


def test_a_name_of_several_lines_describes_no_concept():
    with pytest.raises(CannotWrite, match="does not fit into a line"):
        concept_files(embedding("a\nb"))
