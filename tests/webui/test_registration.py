"""What loanword makes work in the prompts of a WebUI, and that nothing of it stays or breaks anything."""

import ast
import os
import pickle
import shutil
import sys
import types
from pathlib import Path

import loanword
import numpy as np
import pytest
from loanword.extension.webui import register, settings
from loanword.extension.webui.hosts.a1111 import A1111
from loanword.extension.webui.hosts.databases import A1111_DATABASE, FORGE_ENGINE, DatabaseKind
from loanword.extension.webui.hosts.forge import Forge, ForgeNeo
from loanword.extension.webui.prompts import infotext, prompt_words
from loanword.extension.webui.prompts.patches import Patches
from loanword.extension.webui.prompts.registration import Registration
from loanword.extension.webui.prompts.usable import left_to_host
from samples import WRITABLE, some
from webui.in_process import webui_modules

FORGE = os.environ.get("LOANWORD_FORGE")
SD1 = [
    (key, embedding)
    for key, embeddings in WRITABLE.items()
    for embedding in embeddings
    if embedding.base_model == "sd1" and set(embedding.vectors) == {"clip_l"} and not embedding.output_vectors
]


@pytest.fixture
def modules(tmp_path):
    with webui_modules(tmp_path) as found:
        yield found


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "embeddings"


@pytest.fixture
def database(modules):
    return modules.sd_hijack.model_hijack.embedding_db


@pytest.fixture
def registration(modules):  # noqa: ARG001  # the WebUI has to be there first
    started = Registration(A1111())
    assert started.start() == []
    yield started
    started.stop()


def embedding(name="style", encoder="clip_l", seed=0):
    return loanword.Embedding(name, {encoder: some(3, encoder, seed=seed)})


def xl(name="style"):
    return loanword.Embedding(name, {"clip_l": some(3), "clip_g": some(3, "clip_g")})


@pytest.mark.usefixtures("registration")
@pytest.mark.parametrize(("format_key", "one"), SD1, ids=lambda each: str(each)[:20])
def test_every_format_works_by_its_name(database, folder, format_key, one):
    (path,) = loanword.write(one, folder, format=format_key)
    read = loanword.read_all(path)
    if left_to_host(read, path.name):
        assert path.suffix == ".safetensors"
        return
    database.load_textual_inversion_embeddings(force_reload=True)
    found = database.word_embeddings[read[0].name]
    assert np.array_equal(found.vec, one.vectors["clip_l"].numpy())
    assert (found.vectors, found.shape) == (one.tokens, 768)
    assert os.path.samefile(found.filename, path)


@pytest.mark.usefixtures("registration")
def test_each_of_several_concepts_has_its_name(database, folder):
    several = [embedding("<cat>", seed=1), embedding("<dog>", seed=2)]
    loanword.write(several, folder / "pack.bin", format="diffusers")
    database.load_textual_inversion_embeddings(force_reload=True)
    assert {"<cat>", "<dog>"} == set(database.word_embeddings)
    for each in several:
        assert np.array_equal(database.word_embeddings[each.name].vec, each.vectors["clip_l"].numpy())


@pytest.mark.usefixtures("registration")
def test_a_concepts_folder_gives_its_own_word_and_the_files(database, folder):
    loanword.write(embedding("<toy>"), folder / "toy" / "learned_embeds.bin", format="diffusers")
    (folder / "toy" / "token_identifier.txt").write_text("<toy>")
    database.load_textual_inversion_embeddings(force_reload=True)
    assert {"<toy>", "learned_embeds"} <= set(database.word_embeddings)


def test_what_the_host_reads_stays_with_it(registration, database, folder, monkeypatch):
    loanword.write(embedding(), folder, format="kohya")
    monkeypatch.setattr(registration.loading, "register", lambda *_: pytest.fail("registered a second time"))
    database.load_textual_inversion_embeddings(force_reload=True)
    assert database.word_embeddings["style"].shape == 768


@pytest.mark.usefixtures("registration")
def test_what_is_safetensors_under_another_name_works_too(database, folder):
    loanword.write(embedding("one"), folder / "one.safetensors", format="kohya")
    (folder / "one.safetensors").rename(folder / "one.pt")
    database.load_textual_inversion_embeddings(force_reload=True)
    assert np.array_equal(database.word_embeddings["one"].vec, some(3).numpy())


@pytest.mark.usefixtures("registration")
def test_another_base_models_embedding_is_skipped(database, folder):
    loanword.write(xl(), folder / "xl.pt", format="comfyui")
    loanword.write(embedding("two", "clip_h"), folder / "two.pt", format="a1111")
    loanword.write(loanword.Embedding("half", {"clip_g": some(2, "clip_g")}), folder / "half.pt", format="comfyui")
    database.load_textual_inversion_embeddings(force_reload=True)
    assert database.word_embeddings == {}
    assert {"xl", "two"} == set(database.skipped_embeddings)


def test_sdxl_gets_both_encoders(tmp_path):
    with webui_modules(tmp_path, model="sdxl") as modules:
        registration = Registration(A1111())
        registration.start()
        loanword.write(xl(), tmp_path / "embeddings" / "xl.pt", format="comfyui")
        database = modules.sd_hijack.model_hijack.embedding_db
        database.load_textual_inversion_embeddings(force_reload=True)
        found = database.word_embeddings["xl"]
        assert {key: vec.shape for key, vec in found.vec.items()} == {"clip_l": (3, 768), "clip_g": (3, 1280)}
        assert found.shape == 2048
        registration.stop()


@pytest.mark.usefixtures("registration")
def test_a_name_that_a_page_of_the_host_would_run_is_kept_from_it(database, folder):
    loanword.write(embedding("<img src=x onerror=alert(1)>"), folder / "harmless.pt", format="a1111")
    both = [embedding("<cat>", seed=1), embedding('" onmouseover="alert(1)', seed=2)]
    loanword.write(both, folder / "both.bin", format="diffusers")
    database.load_textual_inversion_embeddings(force_reload=True)
    assert {*database.word_embeddings} == {"harmless", "<cat>"}


@pytest.mark.usefixtures("registration")
def test_a_path_that_a_page_of_the_host_would_run_is_kept_from_it(database, folder):
    (folder / "<svg").mkdir(parents=True)
    names = {"<img src=x onerror=alert(1)>": False, "<svg/onload=alert(1)>": False, "<cat>": True, "a=b": True}
    for name in names:
        loanword.write(embedding("inside"), folder / f"{name}.pt", format="a1111")
    database.load_textual_inversion_embeddings(force_reload=True)
    listed = {each.filename for each in database.word_embeddings.values()}
    assert listed == {str(folder / f"{name}.pt") for name, harmless in names.items() if harmless}


def test_the_host_never_opens_what_loanword_refuses(registration, database, folder):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it ran",))

    (folder / "trap.pt").write_bytes(pickle.dumps({"string_to_param": {"*": Trap()}}))
    (folder / "torn.safetensors").write_bytes(b"\x10")
    (folder / "page.bin").write_bytes(b"<!DOCTYPE html>")
    opened = []
    for name in sorted(os.listdir(folder)):
        registration.loading.load(A1111_DATABASE, lambda *file: opened.append(file), database, str(folder / name), name)
    assert opened == []
    database.load_textual_inversion_embeddings(force_reload=True)
    assert database.word_embeddings == {}
    assert sorted(os.listdir(folder)) == ["page.bin", "torn.safetensors", "trap.pt"]


@pytest.mark.usefixtures("registration")
def test_files_are_left_as_they_are(database, folder, monkeypatch):
    torch, stored = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    for owner, name in ((torch, "load"), (stored, "load_file")):
        monkeypatch.setattr(owner, name, lambda *_args, **_more: pytest.fail("Forge renames what this cannot load"))
    loanword.write(embedding("one"), folder / "one.pt", format="a1111")
    (folder / "broken.pt").write_bytes(b"PK\x03\x04")
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    database.load_textual_inversion_embeddings(force_reload=True)
    assert "one" in database.word_embeddings
    assert {name: (folder / name).read_bytes() for name in os.listdir(folder)} == before


@pytest.mark.usefixtures("registration")
def test_names_that_no_prompt_can_hold_never_reach_the_hosts_tokenizer(database, folder, monkeypatch):
    names = ["good", "x" * 1_000_000, "a\nb", " \t"]
    loanword.write([embedding(name, seed=len(name)) for name in names], folder / "pack.bin", format="diffusers")
    register_by_name = type(database).register_embedding_by_name
    asked = []
    monkeypatch.setattr(
        type(database), "register_embedding_by_name", lambda *all_: (asked.append(all_[-1]), register_by_name(*all_))
    )
    database.load_textual_inversion_embeddings(force_reload=True)
    assert asked == ["good"]


@pytest.mark.usefixtures("registration")
@pytest.mark.skipif(not FORGE, reason="LOANWORD_FORGE names no checkout of Forge")
def test_forges_own_loaders_rename_nothing(database, folder, monkeypatch):
    """Its `patch_basic.py` moves a file away when torch or safetensors cannot load it by its path."""
    torch, stored = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    tree = ast.parse(Path(FORGE, "modules_forge/patch_basic.py").read_text(encoding="utf-8"))
    (patch,) = [node for node in tree.body if getattr(node, "name", "") == "build_loaded"]
    names = {"os": os}
    exec(compile(ast.Module([patch], []), "patch_basic.py", "exec"), names)
    for owner, name in ((torch, "load"), (stored, "load_file")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
        monkeypatch.setattr(owner, f"{name}_origin", getattr(owner, name), raising=False)
        names["build_loaded"](owner, name)
    (folder / "victim.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="corrupted"):
        torch.load(str(folder / "victim.pt"))
    assert [*folder.iterdir()] == [folder / "victim.pt.corrupted"]
    for number, (_, one) in enumerate(SD1):
        loanword.write(one.replace(name=f"good{number}"), folder / f"good{number}.pt", format="a1111")
    for name, content in (("torn.pt", b"PK\x03\x04"), ("page.bin", b"<html>"), ("torn.safetensors", b"\x10")):
        (folder / name).write_bytes(content)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    database.load_textual_inversion_embeddings(force_reload=True)
    assert len(database.word_embeddings) == len(SD1)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_other_files_go_to_the_host(registration, folder):
    asked = []
    for name in ("notes.txt", "style.preview.png"):
        registration.loading.load(A1111_DATABASE, lambda *file: asked.append(file[-1]), None, str(folder / name), name)
    assert asked == ["notes.txt", "style.preview.png"]


@pytest.mark.usefixtures("registration")
def test_a_name_that_is_taken_stays_with_whom_it_belongs_to(database, folder):
    loanword.write(embedding("cat", seed=1), folder / "a" / "cat.safetensors", format="kohya")
    loanword.write([embedding("cat", seed=2), embedding("dog", seed=3)], folder / "pack.bin", format="diffusers")
    for _ in range(2):
        database.load_textual_inversion_embeddings(force_reload=True)
        assert np.array_equal(database.word_embeddings["cat"].vec, some(3, seed=1).numpy())
        assert "dog" in database.word_embeddings


@pytest.mark.usefixtures("registration")
def test_a_file_added_in_a_subfolder_is_found_at_the_next_generation(database, folder):
    (folder / "below" / "deep").mkdir(parents=True)
    database.load_textual_inversion_embeddings()
    loanword.write(embedding("late"), folder / "below" / "deep" / "late.pt", format="a1111")
    database.load_textual_inversion_embeddings()
    assert "late" in database.word_embeddings


def test_nothing_is_read_again_while_nothing_changes(registration, database, folder, monkeypatch):
    loanword.write(embedding("one"), folder / "one.pt", format="a1111")
    database.load_textual_inversion_embeddings()
    assert "one" in database.word_embeddings
    monkeypatch.setattr(type(database), "load_from_dir", lambda *_: pytest.fail("read again"))
    registration.before_generation()
    database.load_textual_inversion_embeddings()


def test_a_model_brought_back_from_memory_gets_its_embeddings(registration, database, folder, modules):
    loanword.write(embedding("one"), folder / "one.pt", format="a1111")
    loanword.write(xl("both"), folder / "both.pt", format="comfyui")
    database.load_textual_inversion_embeddings()
    assert set(database.word_embeddings) == {"one"}
    modules.sd_models.model_data.sd_model.cond_stage_model.width = 2048
    registration.before_generation()
    assert set(database.word_embeddings) == {"both"}


@pytest.mark.usefixtures("registration")
def test_folders_of_the_settings_are_read_too(database, modules, tmp_path):
    loanword.write(embedding("far"), tmp_path / "elsewhere" / "far.pt", format="a1111")
    modules.shared.opts.data["loanword_folders"] = f"{tmp_path / 'elsewhere'}\n{tmp_path / 'missing'}"
    database.load_textual_inversion_embeddings(force_reload=True)
    assert "far" in database.word_embeddings
    assert [*database.embedding_dirs] == [str(tmp_path / "embeddings"), str(tmp_path / "elsewhere")]


@pytest.mark.usefixtures("registration")
def test_hashes_are_those_of_the_files_and_none_where_the_host_has_none(database, folder, modules):
    (path,) = loanword.write(embedding("one"), folder / "one.pt", format="a1111")
    database.load_textual_inversion_embeddings(force_reload=True)
    assert database.word_embeddings["one"].hash == loanword.read(path).provenance.sha256
    modules.shared.cmd_opts.no_hashing = True
    database.load_textual_inversion_embeddings(force_reload=True)
    assert database.word_embeddings["one"].hash is None


def test_bundles_are_there_while_the_lora_is(registration, database, folder, tmp_path, monkeypatch):
    path = tmp_path / "lora.safetensors"
    loanword.write([embedding("inside"), embedding("taken")], path, format="lora-bundle")
    loanword.write(embedding("taken"), folder / "taken.pt", format="a1111")
    database.load_textual_inversion_embeddings(force_reload=True)
    own = database.word_embeddings["taken"]
    monkeypatch.setattr(registration.host, "lora_file", {"lora": str(path)}.get)
    registration.use_loras(["lora", "unknown"])
    assert np.array_equal(database.word_embeddings["inside"].vec, some(3).numpy())
    assert database.word_embeddings["taken"] is own
    registration.use_loras([])
    assert set(database.word_embeddings) == {"taken"}
    shutil.rmtree(folder)
    path.unlink()
    registration.use_loras(["lora"])
    assert set(database.word_embeddings) == {"taken"}


def test_comfyuis_way_of_naming_becomes_the_hosts(registration, database, folder):
    loanword.write(embedding("my (style)").replace(aliases=("other",)), folder / "my style.pt", format="a1111")
    loanword.write(embedding("plain"), folder / "plain.pt", format="a1111")
    database.load_textual_inversion_embeddings(force_reload=True)
    names = prompt_words.registered_names(registration.host)
    known = prompt_words._names(names, registration.loading.aliases)
    said = {
        "a embedding:plain, red": "a plain, red",
        "a (embedding:plain:1.2)": "a (plain:1.2)",
        "a [embedding:plain:cat:0.5]": "a [plain:cat:0.5]",
        "embedding:folder/Plain.safetensors": "plain",
        "embedding:unknown <lora:x:1> [a:b:3]": "embedding:unknown <lora:x:1> [a:b:3]",
        "no (words) of it": "no (words) of it",
    }
    assert {prompt: prompt_words.in_host_words(prompt, known) for prompt in said} == said
    assert prompt_words.in_host_words("a embedding:other", known) in (r"a my \(style\)", "a my style")


def test_prompts_are_understood_where_they_are_taken_apart(registration, database, folder):
    from modules import prompt_parser

    patches = Patches()
    assert prompt_words.understand_comfyui(registration.host, registration, patches) == []
    loanword.write(embedding("plain"), folder / "plain.pt", format="a1111")
    database.load_textual_inversion_embeddings(force_reload=True)
    schedules = prompt_parser.get_learned_conditioning_prompt_schedules(["embedding:plain", "red"], 5)
    assert schedules == [[[5, "plain"]], [[5, "red"]]]
    patches.undo()
    assert prompt_parser.get_learned_conditioning_prompt_schedules(["embedding:plain"], 5) == [[[5, "embedding:plain"]]]


@pytest.mark.usefixtures("modules")
def test_the_infotext_names_each_embedding_once():
    fields = {"TI hashes": "a: 1, b: 2, a: 1", "Emphasis": "No norm"}
    infotext.tidy([fields], A1111())
    assert fields == {"TI hashes": "a: 1, b: 2", "Emphasis": "No norm"}


def test_forges_infotext_has_the_names_of_both_prompts_and_their_files_hashes(tmp_path, monkeypatch):
    with webui_modules(tmp_path, forge=True) as modules:
        monkeypatch.setitem(sys.modules, "modules.hashes", types.SimpleNamespace(sha256=lambda _path, title: title * 2))
        loanword.write(embedding("a:b"), tmp_path / "embeddings" / "a:b.pt", format="a1111")
        host, model = Forge(), modules.sd_models.model_data.sd_model
        registration = Registration(host)
        registration.start()
        model.text_processing_engine = model.new_engine()
        fields = {"TI": "ab, other, ab", "Emphasis": "No norm"}
        infotext.tidy([{"TI": "earlier"}, fields], host)
        assert fields == {"TI": "earlier, ab, other", "TI hashes": "ab: textual_inve", "Emphasis": "No norm"}
        registration.stop()


@pytest.mark.usefixtures("modules")
def test_a_host_that_keeps_infotexts_elsewhere_generates_as_before_and_says_what_is_lost():
    host = Forge()
    infotext.tidy(host.infotext_fields(), host)
    (line,) = host.lost
    assert "infotexts" in line


def test_forge_neos_infotext_is_where_it_keeps_it(monkeypatch):
    fields = {"TI": "a, a"}
    kept = types.SimpleNamespace(dynamic_args=types.SimpleNamespace(last_extra_generation_params=fields))
    monkeypatch.setitem(sys.modules, "backend.args", kept)
    monkeypatch.setattr(ForgeNeo, "_model", lambda _self: None)
    host = ForgeNeo()
    infotext.tidy(host.infotext_fields(), host)
    assert fields == {"TI": "a"}
    assert host.lost == []


@pytest.mark.usefixtures("modules")
def test_everything_is_undone(database):
    before = {name: getattr(type(database), name) for name in ("load_from_file", "load_textual_inversion_embeddings")}
    for _ in range(2):
        assert register.register() is not None
        assert all(getattr(type(database), name) is not function for name, function in before.items())
    register.running().stop()
    assert {name: getattr(type(database), name) for name in before} == before


def test_another_extensions_change_above_ours_stays(database):
    patches, theirs = Patches(), Patches()
    patches.wrap(type(database), "load_from_dir", lambda _original, *_args: "ours")
    theirs.wrap(type(database), "load_from_dir", lambda original, *args: f"theirs, {original(*args)}")
    assert database.load_from_dir("nowhere") == "theirs, ours"
    patches.undo()
    assert database.load_from_dir(next(iter(database.embedding_dirs.values()))) == "theirs, None"
    theirs.undo()


def test_nothing_is_changed_where_the_settings_say_so(modules, database, monkeypatch):
    before = type(database).load_from_file
    modules.shared.opts.data["loanword_register"] = settings.NOTHING
    register.register()
    assert type(database).load_from_file is before
    monkeypatch.setattr(type(database), "load_textual_inversion_embeddings", lambda *_: pytest.fail("loaded"))
    register.running().registration.before_generation()
    register.running().registration.use_loras(["any"])
    register.running().stop()


def test_what_a_host_lacks_is_a_line_and_no_more(modules, database, folder):
    host = A1111()
    host.database_kinds = (DatabaseKind("modules.elsewhere"), *host.database_kinds)
    registration = Registration(host)
    (line,) = registration.start()
    assert "modules.elsewhere" in line
    loanword.write(embedding("one"), folder / "one.pt", format="a1111")
    database.load_textual_inversion_embeddings(force_reload=True)
    assert "one" in database.word_embeddings
    registration.stop()
    del modules.sd_hijack.model_hijack
    assert host.live_databases() == []
    (line,) = host.lost
    assert line.startswith("AUTOMATIC1111 does not tell the embedding database")


@pytest.mark.usefixtures("modules")
def test_a_loaded_model_fills_a_database_that_its_host_left_empty(database, folder):
    from modules import script_callbacks

    loanword.write(embedding("one"), folder / "one.pt", format="a1111")
    register.register()
    script_callbacks.model_loaded_callback(None)
    assert "one" in database.word_embeddings
    register.running().stop()


def test_a_webui_that_is_none_still_starts(caplog):
    assert register.register() is None
    assert "the WebUI goes on without" in caplog.text


def test_forges_engines_get_what_fits_and_its_page_gets_all(tmp_path):
    with webui_modules(tmp_path, forge=True) as modules:
        folder = tmp_path / "embeddings"
        loanword.write(embedding("one"), folder / "one.pt", format="a1111")
        loanword.write(xl("both"), folder / "both.pt", format="comfyui")
        host, model = Forge(), modules.sd_models.model_data.sd_model
        registration = Registration(host)
        assert registration.start() == []
        assert host.live_databases() == []
        model.text_processing_engine = model.new_engine()
        (engine,) = host.live_databases()
        page = modules.sd_hijack.model_hijack.embedding_db
        page.load_textual_inversion_embeddings(force_reload=True)
        assert set(engine.word_embeddings) == {"one"}
        assert set(page.word_embeddings) == {"one", "both"}
        loanword.write(embedding("late"), folder / "below" / "late.pt", format="a1111")
        registration.before_generation()
        assert set(engine.word_embeddings) == {"one", "late"}
        loanword.write(embedding("later"), folder / "below" / "later.pt", format="a1111")
        page.load_textual_inversion_embeddings(force_reload=True)
        assert {"later"} < set(engine.word_embeddings), "a refresh of the page refreshes generation, too"
        assert host.live_kind is FORGE_ENGINE
        registration.stop()
