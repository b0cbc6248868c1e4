"""SD.Next, as far as it can be stood in for; `tests/peers/sdnext.py` asks SD.Next's own code."""

import os
import pickle
import sys
import types
from pathlib import Path

import loanword
import numpy as np
import pytest
from loanword.extension.webui.hosts.sdnext import SDNext
from loanword.extension.webui.prompts.registration import Registration
from samples import some

torch = pytest.importorskip("torch")


class Embedding:
    """SD.Next's, as its constructor fills it."""

    def __init__(self, vec, name, filename=None, step=None):
        self.vec, self.name, self.filename, self.step = vec, name, filename, step
        self.tokens = self.basename = self.sd_checkpoint = self.sd_checkpoint_name = None


class Folder:
    def __init__(self, path):
        self.path, self.mtime = path, None


class EmbeddingDatabase:
    """SD.Next's, without the model that it puts vectors into."""

    def __init__(self):
        self.word_embeddings, self.embedding_dirs = {}, {}

    def add_embedding_dir(self, path):
        self.embedding_dirs[path] = Folder(path)

    def load_textual_inversion_embeddings(self, force_reload=False):
        module = sys.modules["modules.textual_inversion"]
        embeddings, skipped = module.open_embeddings(module.list_embeddings(*self.embedding_dirs))
        assert (force_reload, skipped) == (True, [])
        self.word_embeddings = {each.name: each for each in embeddings}


def never(*_args):
    raise AssertionError("SD.Next's own reader opens a file")


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """SD.Next's modules: settings, options, a model, the database's module."""
    folder = tmp_path / "embeddings"
    folder.mkdir()
    module = types.ModuleType("modules.textual_inversion")
    module.Embedding, module.EmbeddingDatabase, module.torch = Embedding, EmbeddingDatabase, torch
    module.list_embeddings = module.open_embeddings = never
    module.directory_files = lambda *folders: [str(path) for each in folders for path in Path(each).rglob("*.*")]
    module.shared = found = types.ModuleType("modules.shared")
    found.opts = types.SimpleNamespace(embeddings_dir=str(folder), data={})
    found.cmd_opts = types.SimpleNamespace(auth=None, auth_file=None, listen=False)
    found.sd_loaded, found.sd_model, found.sd_model_type = False, None, "none"
    for each in (types.ModuleType("modules"), found, module):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    return found


@pytest.fixture
def database(shared):
    host = SDNext()
    registration = Registration(host)
    assert registration.start() == []
    made = EmbeddingDatabase()
    made.add_embedding_dir(shared.opts.embeddings_dir)
    yield made
    registration.stop()
    module = sys.modules["modules.textual_inversion"]
    assert module.list_embeddings is module.open_embeddings is never


def loaded(database):
    database.load_textual_inversion_embeddings(force_reload=True)
    return database.word_embeddings


def test_every_vector_gets_a_token_and_every_encoder_a_tensor(database, shared):
    vectors = {"clip_l": some(3), "clip_g": some(3, "clip_g")}
    loanword.write(loanword.Embedding("Neon", vectors), Path(shared.opts.embeddings_dir, "deep"), format="onetrainer")
    (made,) = {each.filename: each for each in loaded(database).values()}.values()
    assert made.tokens == ["Neon", "Neon_1", "Neon_2"]
    assert all((ours == its.numpy()).all() for ours, its in zip(made.vec, vectors.values(), strict=True))
    assert made.vec[0].dtype == torch.float32
    assert made.basename == os.path.join("deep", os.path.basename(made.filename))


def test_several_embeddings_in_a_file_and_pictures_are_opened_and_previews_are_not(database, shared):
    folder = Path(shared.opts.embeddings_dir)
    both = [loanword.Embedding(name, {"clip_l": some(1, seed=seed)}) for seed, name in enumerate(("<a>", "<b>"))]
    loanword.write(both, folder / "both.bin", format="diffusers")
    loanword.write(loanword.Embedding("seen", {"clip_l": some(2)}), folder / "seen.png")
    (folder / "both.preview.png").write_bytes((folder / "seen.png").read_bytes())
    assert {name: each.basename for name, each in loaded(database).items()} == {
        "<a>": "<a>.bin",
        "<b>": "<b>.bin",
        "seen": "seen.png",
    }


def test_files_that_hold_none_are_left_out_and_nothing_of_them_runs(database, shared, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    folder = Path(shared.opts.embeddings_dir)
    (folder / "evil.pt").write_bytes(pickle.dumps(Evil()))
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "page.bin").write_text("<!DOCTYPE html>")
    (folder / "note.txt").write_text("hello")
    loanword.write(loanword.Embedding("t5", {"t5xxl": some(1, "t5xxl")}), folder, format="comfyui")
    assert loaded(database) == {}
    assert not (tmp_path / "ran").exists()


def test_extra_folders_are_read_too(database, shared, tmp_path):
    shared.opts.data["loanword_folders"] = str(tmp_path / "more")
    loanword.write(loanword.Embedding("far", {"clip_l": some(1)}), tmp_path / "more", format="kohya")
    assert "far" in loaded(database)


def test_bundles_of_loras_stay_with_the_host(database):
    del database
    with pytest.raises(AssertionError, match="own reader"):
        sys.modules["modules.textual_inversion"].open_embeddings(None)


def encoder(width, words=4):
    return types.SimpleNamespace(get_input_embeddings=lambda: torch.nn.Embedding(words, width))


def tokenizer():
    """Two words of its own, and one that an embedding brought."""
    return types.SimpleNamespace(vocab_size=2, get_vocab=lambda: {"a</w>": 0, "b</w>": 1, "style": 2})


@pytest.mark.parametrize(
    ("kind", "width", "key"),
    [("sd", 768, "sd1"), ("sd", 1024, "sd2"), ("sdxl", 768, "sdxl"), ("f1", 768, "flux"), ("wanai", 768, None)],
)
def test_the_base_model_is_told_by_kind_and_width(shared, kind, width, key):
    assert SDNext().base_model() is None
    shared.sd_loaded, shared.sd_model_type = True, kind
    shared.sd_model = types.SimpleNamespace(text_encoder=encoder(width), tokenizer=tokenizer())
    host = SDNext()
    assert host.base_model() == key
    assert host.lost == []


def test_words_of_embeddings_are_not_among_those_of_the_model(shared):
    shared.sd_loaded = True
    pairs = {"text_encoder": encoder(768), "tokenizer": tokenizer(), "text_encoder_2": encoder(1280)}
    shared.sd_model = types.SimpleNamespace(**pairs, tokenizer_2=tokenizer())
    tables = SDNext().token_tables()
    assert {key: (table.rows.shape[1], [*table.words]) for key, table in tables.items()} == {
        "clip_l": (768, ["a</w>", "b</w>"]),
        "clip_g": (1280, ["a</w>", "b</w>"]),
    }
    assert tables["clip_l"].nearest(np.ones((1, 768)), 5)[0][0][0] in ("a", "b")


def test_its_logins_are_those_of_auth_and_auth_file(shared, tmp_path):
    shared.cmd_opts.auth = '"me:secret,bad, you:a:b "'
    shared.cmd_opts.auth_file = str(tmp_path / "logins.txt")
    Path(shared.cmd_opts.auth_file).write_text("she:x\nhe:,they:y\n")
    assert SDNext().access().login == {"me": "secret", "you": "a:b", "she": "x", "they": "y"}
