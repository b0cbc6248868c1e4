"""What loanword asks of a WebUI: which one it is, its folders, its settings, who may use it."""

import sys
import types

import pytest
from loanword.extension.webui import settings
from loanword.extension.webui.hosts import chooser
from loanword.extension.webui.hosts.a1111 import A1111
from loanword.extension.webui.hosts.forge import ForgeNeo
from loanword.extension.webui.hosts.host import Access
from webui.in_process import webui_modules


@pytest.fixture
def modules(tmp_path):
    with webui_modules(tmp_path) as found:
        yield found


@pytest.fixture
def host(modules):  # noqa: ARG001  # the WebUI has to be there first
    return A1111()


@pytest.mark.parametrize(
    ("module", "key"),
    [
        ("modules", "a1111"),
        ("backend.text_processing.qwen_engine", "forge-neo"),
        ("backend.text_processing", "forge"),
        ("ldm_patched.contrib.nodes", "reforge"),
        ("modules_forge", "forge-classic"),
    ],
)
def test_the_host_is_told_by_what_only_it_has(monkeypatch, module, key):
    monkeypatch.setattr(chooser, "_exists", lambda name: name == module)
    assert chooser.running_host().key == key


def test_the_folders_are_the_hosts_and_those_of_the_settings(host, modules, tmp_path):
    (tmp_path / "comfy" / "models").mkdir(parents=True)
    (tmp_path / "paths.yaml").write_text(f"comfyui:\n  base_path: {tmp_path / 'comfy'}\n  embeddings: models\n")
    modules.shared.opts.data["loanword_folders"] = f'"{tmp_path / "one"}"\n\n{tmp_path / "two"}'
    modules.shared.opts.data["loanword_model_paths"] = str(tmp_path / "paths.yaml")
    folders = [tmp_path / "embeddings", tmp_path / "one", tmp_path / "two", tmp_path / "comfy" / "models"]
    assert host.embedding_folders() == [*map(str, folders)]
    assert host.lora_folders() == [str(tmp_path / "models" / "Lora")]


def test_a_list_of_folders_that_cannot_be_read_is_a_line_without_its_path(host, modules, tmp_path):
    modules.shared.opts.data["loanword_model_paths"] = str(tmp_path / "missing.yaml")
    for _ in range(2):
        assert host.embedding_folders() == [str(tmp_path / "embeddings")]
    (line,) = host.lost
    assert "ComfyUI's list" in line
    assert str(tmp_path) not in line


@pytest.mark.parametrize("negative", [False, True])
def test_a_prompt_is_as_long_as_the_hosts_counter_shows(host, negative):
    lengths = {"": (0, 75), "a cat": (2, 75), "word " * 76: (76, 150), "not yet": None}
    assert {prompt: host.prompt_length(prompt, negative=negative) for prompt in lengths} == lengths
    assert host.lost == []


def test_prompts_have_no_length_without_a_model_or_where_the_host_has_no_such_counter(host, modules, monkeypatch):
    from modules import ui

    with monkeypatch.context() as changed:
        changed.setattr(modules.sd_models.model_data, "sd_model", None)
        assert host.prompt_length("a cat") is None
    monkeypatch.setattr(ui, "update_token_counter", lambda text, steps: f"{text}{steps}")
    assert host.prompt_length("a cat") is None
    (line,) = host.lost
    assert "how long prompts are" in line


def test_the_language_is_that_of_the_hosts_page(host, modules):
    assert host.language() in ("", "None")
    modules.shared.opts.data["localization"] = "de_DE"
    assert host.language() == "de_DE"


def test_the_base_model_is_the_loaded_ones(host, modules):
    assert host.base_model() == "sd1"
    modules.sd_models.model_data.sd_model = None
    assert host.base_model() is None
    assert host.model() is None
    assert host.lost == []


def test_what_a_host_reads_depends_on_format_container_and_model(host):
    assert host.reads("kohya", "safetensors", "sd1")
    assert host.reads("a1111", "torch-zip", "sd1")
    assert not host.reads("kohya", "npy", "sd1")
    assert not host.reads("cog-pti", "safetensors", "sd1")
    assert not host.reads("comfyui", "safetensors", "sd3")


@pytest.mark.parametrize(
    ("options", "access"),
    [
        ({}, Access()),
        ({"server_name": "127.0.0.1"}, Access()),
        ({"server_name": "webui.example"}, Access(host_names=("webui.example",), listens_widely=True)),
        ({"listen": True, "api_auth": "a:b:c,d:e"}, Access({"a": "b:c", "d": "e"}, listens_widely=True)),
        ({"gradio_auth": "me:secret"}, Access(login={"me": "secret"})),
    ],
    ids=str,
)
def test_access_is_as_the_command_line_says(host, modules, options, access):
    for name, value in options.items():
        setattr(modules.shared.cmd_opts, name, value)
    assert host.access() == access


def test_names_of_the_server_can_be_set(host, modules):
    modules.shared.opts.data["loanword_host_names"] = "a.example, b.example"
    assert host.access().host_names == ("a.example", "b.example")


def test_forge_neo_has_several_folders_of_loras(host, modules, tmp_path):
    (tmp_path / "more").mkdir()
    modules.shared.cmd_opts.lora_dirs = [tmp_path / "more", tmp_path / "missing"]
    assert ForgeNeo().lora_folders() == [*host.lora_folders(), str(tmp_path / "more")]


def test_loras_are_found_by_the_hosts_own_list(host, monkeypatch):
    assert host.lora_file("style") is None
    networks = types.SimpleNamespace(available_network_aliases={"style": types.SimpleNamespace(filename="/x/style.pt")})
    monkeypatch.setitem(sys.modules, "networks", networks)
    assert host.lora_file("style") == "/x/style.pt"


def test_a_generation_keeps_others_from_refreshing(host):
    with host.unless_generating() as idle:
        assert idle
        with host.unless_generating() as idle_too:
            assert not idle_too
    with host.unless_generating() as idle:
        assert idle


def test_settings_are_in_the_hosts_page_and_paths_are_kept_from_its_api(host, modules):
    settings.add_settings()
    added = {name: option for name, option in modules.shared.opts.data_labels.items() if name.startswith("loanword_")}
    assert set(added) == {f"loanword_{name}" for name in settings.SETTINGS}
    assert {option.section for option in added.values()} == {settings.SECTION}
    secret = {name for name, option in added.items() if option.restrict_api}
    assert {"loanword_folders", "loanword_model_paths"} <= secret
    titles = dict(added["loanword_target"].component_args["choices"])
    assert titles["Forge"] == "forge"
    assert host.option("target") == "a1111"
