"""SD.Next's own embedding database, on real pipelines, with loanword in it: `python tests/peers/sdnext.py CHECKOUT`.

CHECKOUT is the path of SD.Next's repository. `modules/textual_inversion.py`, `files_cache.py`, `errorlimiter.py`,
`modeldata.py` and `prompt_parser_diffusers.py` are SD.Next's; its settings and its log are stood in for. The pipelines
are small ones of diffusers with random weights, so torch, diffusers, compel and open_clip_torch are needed, but nothing
else that SD.Next installs.

Every format that loanword writes is put into the folder, as are hostile pickles; then the vectors that each token of
each name has in each text encoder are compared with those of the file. Exit status 0 where all are equal.
"""

from __future__ import annotations

import hashlib
import importlib
import pickle
import shutil
import sys
import tempfile
import types
from pathlib import Path
from unittest.mock import MagicMock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "checkout"), str(ROOT / "tests")]

import loanword
import numpy as np
import tiny_pipelines
import torch
from loanword.converters.format import all_formats
from loanword.embeddings.errors import CannotWrite
from loanword.extension.webui.hosts.chooser import running_host
from loanword.extension.webui.hosts.sdnext import SDNext
from loanword.extension.webui.prompts.patches import Patches
from loanword.extension.webui.prompts.prompt_words import understand_comfyui
from loanword.extension.webui.prompts.registration import Registration
from samples import some

REAL = ("textual_inversion", "files_cache", "errorlimiter", "modeldata", "prompt_parser_diffusers")


def main(checkout: str) -> int:
    folder = Path(tempfile.mkdtemp(prefix="sdnext-"))
    shared = stand_in(checkout, folder / "embeddings")
    wanted = write_samples(folder / "embeddings")
    before = contents(folder)
    host = running_host()
    assert type(host) is SDNext, host
    registration = Registration(host)
    patches = Patches()
    failures = [*registration.start(), *understand_comfyui(host, registration, patches)]
    for kind, pipeline in (
        ("sd1", tiny_pipelines.sd1()),
        ("sd2", tiny_pipelines.sd2()),
        ("sdxl", tiny_pipelines.sdxl()),
    ):
        sys.modules["modules.modeldata"].model_data.sd_model = pipeline
        found = [f"base model is {host.base_model()}"] if host.base_model() != kind else []
        found += check(pipeline, wanted.get(kind, []), shared, host, folder / "embeddings")
        print(f"{kind}: {len(wanted.get(kind, []))} embeddings, {len(found)} failures")
        failures += [f"{kind}: {each}" for each in found]
    registration.stop()
    patches.undo()
    if contents(folder) != before:
        failures.append("files changed")
    failures += host.lost
    print(*failures, "NOT equal" if failures else "all equal", sep="\n")
    return int(bool(failures))


def stand_in(checkout: str, folder: Path) -> types.ModuleType:
    """SD.Next's modules that matter, and what they need of the others."""
    package = types.ModuleType("modules")
    package.__path__ = [str(Path(checkout) / "modules")]
    shared = types.ModuleType("modules.shared")
    options = {"embeddings_dir": str(folder), "diffusers_enable_embed": True, "diffusers_convert_embed": False}
    shared.opts = types.SimpleNamespace(**options, data={}, sd_model_checkpoint="None")
    shared.cmd_opts = types.SimpleNamespace(embeddings_dir=str(folder), no_hashing=False)
    shared.native = True
    sys.modules |= {"modules": package, "modules.shared": shared}
    package.shared = shared
    models = types.ModuleType("modules.sd_models")
    sys.modules["modules.sd_models"] = package.sd_models = models
    for name in ("errors", "devices", "logger", "prompt_parser", "prompt_parser_xhinker"):
        module = MagicMock(name=name)
        module.device, module.inference_context = torch.device("cpu"), torch.inference_mode
        sys.modules[f"modules.{name}"] = module
        setattr(package, name, module)
    for name in REAL:
        setattr(package, name, importlib.import_module(f"modules.{name}"))
    shared.__class__ = package.modeldata.Shared
    models.model_data = package.modeldata.model_data
    return shared


def write_samples(folder: Path) -> dict[str, list[loanword.Embedding]]:
    """An embedding for each base model in each format that holds it; pickles that would run code; other files."""
    wanted: dict[str, list[loanword.Embedding]] = {}
    models = {"sd1": ["clip_l"], "sd2": ["clip_h"], "sdxl": ["clip_l", "clip_g"]}
    for number, key in enumerate(all_formats()):
        for kind, encoders in models.items():
            for count in (3, 1):
                name = f"Word{number}{kind}x{count}".replace("sd", "q")
                embedding = loanword.Embedding(name, {each: some(count, each, seed=number) for each in encoders})
                try:
                    paths = loanword.write(embedding, folder / key, format=key)
                except (CannotWrite, ValueError):
                    continue
                if paths:
                    wanted.setdefault(kind, []).append(embedding)
                    break
    both = [
        loanword.Embedding(name, {"clip_l": some(2, seed=seed)}) for seed, name in ((91, "<Left>"), (92, "<Right>"))
    ]
    loanword.write(both, folder / "pair.bin", format="diffusers")
    wanted["sd1"] += both
    (folder / "evil.pt").write_bytes(pickle.dumps(Evil(folder.parent / "ran")))
    (folder / "note.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (folder / "empty.pt").write_bytes(b"")
    return wanted


class Evil:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def check(pipeline, wanted, shared, host, folder) -> list[str]:
    """What is not as it has to be once the model is loaded."""
    reader = sys.modules["modules.textual_inversion"]
    rows = {key: len(table.words) for key, table in host.token_tables().items()}
    pipeline.embedding_db = database = reader.EmbeddingDatabase()
    database.add_embedding_dir(shared.opts.embeddings_dir)
    database.load_textual_inversion_embeddings(force_reload=True)
    failures = [line for each in wanted for line in differences(pipeline, each)]
    expected = {each.name for each in wanted}
    failures += [f"{name} is there, but not for this model" for name in {*database.word_embeddings} - expected]
    failures += [line for each in wanted[:3] for line in misread(pipeline, each)]
    if {key: len(table.words) for key, table in host.token_tables().items()} != rows:
        failures.append("embeddings are among the words that vectors are compared with")
    if (folder.parent / "ran").exists():
        failures.append("code of a file ran")
    late = loanword.Embedding("Latecomer", {key: some(2, key) for key in next(iter(wanted)).vectors})
    (folder / "deep").mkdir()
    loanword.write(late, folder / "deep", format="comfyui" if len(late.vectors) > 1 else "kohya")
    host.refresh()
    failures += [f"after a refresh: {line}" for line in differences(pipeline, late)]
    shutil.rmtree(folder / "deep")
    host.refresh()
    return failures


def differences(pipeline, embedding) -> list[str]:
    """How the vectors that the tokens of a name have in the text encoders differ from those of the file."""
    pairs = [(pipeline.text_encoder, pipeline.tokenizer)]
    if getattr(pipeline, "text_encoder_2", None) is not None:
        pairs.append((pipeline.text_encoder_2, pipeline.tokenizer_2))
    failures = []
    for (encoder, tokenizer), (key, vectors) in zip(pairs, embedding.vectors.items(), strict=True):
        tokens = [embedding.name, *(f"{embedding.name}_{i}" for i in range(1, vectors.shape[0]))]
        ids = tokenizer.convert_tokens_to_ids(tokens)
        if len({*ids}) != len(ids) or tokenizer.unk_token_id in ids:
            failures.append(f"{embedding.name} has no tokens for {key}")
            continue
        weight = encoder.get_input_embeddings().weight.detach()
        got = weight[torch.tensor(ids)].numpy()
        if not np.array_equal(got, vectors.numpy()):
            failures.append(f"{embedding.name}: other vectors in {key}")
    return failures


def misread(pipeline, embedding) -> list[str]:
    """What SD.Next's prompt code does not make of a prompt that names an embedding as ComfyUI does."""
    parser = sys.modules["modules.prompt_parser_diffusers"]
    given = {"prompt_attention": "native", "prompt_mean_norm": False, "diffusers_zeros_prompt_pad": False}
    prompts = [f"a (embedding:{embedding.name.upper()}:1.2), red"]
    p = types.SimpleNamespace(dummy=True)  # stops before the text encoders
    embedder = parser.PromptEmbedder(prompts, ["plain"], 20, 1, p, te_pooled_embeds=False, **given)
    if embedder.prompts != [f"a ({embedding.name}:1.2), red"] or embedder.negative_prompts != ["plain"]:
        return [f"{prompts} became {embedder.prompts}"]
    manager = parser.DiffusersTextualInversionManager(pipeline, pipeline.tokenizer)
    converted = manager.maybe_convert_prompt(embedder.prompts[0], pipeline.tokenizer)
    wanted = " ".join([embedding.name, *(f"{embedding.name}_{i}" for i in range(1, embedding.tokens))])
    return [] if converted == f"a ({wanted}:1.2), red" else [f"{embedder.prompts} became {converted!r}"]


def contents(folder: Path) -> dict[Path, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
