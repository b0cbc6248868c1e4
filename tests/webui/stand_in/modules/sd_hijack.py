from modules import shared
from modules.textual_inversion import textual_inversion


class StableDiffusionModelHijack:
    def __init__(self):
        self.embedding_db = textual_inversion.EmbeddingDatabase()
        self.extra_generation_params = {}
        self.embedding_db.add_embedding_dir(shared.cmd_opts.embeddings_dir)


model_hijack = StableDiffusionModelHijack()
