import os
from types import SimpleNamespace

from modules import shared

torch = SimpleNamespace(from_numpy=lambda rows: rows)


class Embedding:
    def __init__(self, vec, name, step=None):
        self.vec = vec
        self.name = name
        self.step = step
        self.shape = None
        self.vectors = 0
        self.sd_checkpoint = None
        self.sd_checkpoint_name = None
        self.filename = None
        self.hash = None
        self.shorthash = None

    def set_hash(self, v):
        self.hash = v
        self.shorthash = self.hash[:12]


class DirWithTextualInversionEmbeddings:
    def __init__(self, path):
        self.path = path
        self.mtime = None

    def has_changed(self):
        return os.path.isdir(self.path) and os.path.getmtime(self.path) != self.mtime

    def update(self):
        if os.path.isdir(self.path):
            self.mtime = os.path.getmtime(self.path)


class EmbeddingDatabase:
    def __init__(self):
        self.ids_lookup = {}
        self.word_embeddings = {}
        self.skipped_embeddings = {}
        self.expected_shape = -1
        self.embedding_dirs = {}
        self.previously_displayed_embeddings = ()

    def add_embedding_dir(self, path):
        self.embedding_dirs[path] = DirWithTextualInversionEmbeddings(path)

    def clear_embedding_dirs(self):
        self.embedding_dirs.clear()

    def register_embedding(self, embedding, model):
        return self.register_embedding_by_name(embedding, model, embedding.name)

    def register_embedding_by_name(self, embedding, model, name):
        ids = model.cond_stage_model.tokenize([name])[0]
        others = [each for each in self.ids_lookup.get(ids[0], []) if each[1].name != name]
        if embedding is None:
            self.word_embeddings.pop(name, None)
        else:
            self.word_embeddings[name] = embedding
            others.append((ids, embedding))
        self.ids_lookup[ids[0]] = sorted(others, key=lambda each: len(each[0]), reverse=True)
        return embedding

    def get_expected_shape(self):
        return shared.sd_model.cond_stage_model.encode_embedding_init_text(",", 1).shape[1]

    def load_from_file(self, path, filename):
        """The width and name of a safetensors file with one tensor: all that this small WebUI reads itself."""
        name, suffix = os.path.splitext(filename)
        if suffix.upper() != ".SAFETENSORS":
            return
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            (key,) = file.keys()
            vec = file.get_tensor(key)
        embedding = Embedding(vec, name)
        embedding.vectors, embedding.shape = vec.shape
        embedding.filename = path
        if embedding.shape == self.expected_shape:
            self.register_embedding(embedding, shared.sd_model)
        else:
            self.skipped_embeddings[name] = embedding

    def load_from_dir(self, embdir):
        for folder, _, names in os.walk(embdir.path, followlinks=True):
            for name in names:
                try:
                    self.load_from_file(os.path.join(folder, name), name)
                except Exception:  # noqa: BLE001  # a bad file is skipped
                    continue

    def load_textual_inversion_embeddings(self, force_reload=False):
        if shared.sd_model is None:
            return
        if not force_reload and not any(each.has_changed() for each in self.embedding_dirs.values()):
            return
        self.ids_lookup.clear()
        self.word_embeddings.clear()
        self.skipped_embeddings.clear()
        self.expected_shape = self.get_expected_shape()
        for embdir in self.embedding_dirs.values():
            self.load_from_dir(embdir)
            embdir.update()

    def find_embedding_at_position(self, tokens, offset):
        for ids, embedding in self.ids_lookup.get(tokens[offset], []):
            if tokens[offset : offset + len(ids)] == ids:
                return embedding, len(ids)
        return None, None
