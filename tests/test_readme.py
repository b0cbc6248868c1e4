"""README.md: its examples run and show what is printed, its table is the live one, its lists are complete."""

import importlib.util
import os
import re
import shlex
from pathlib import Path

import loanword
import pytest
import samples
from click.testing import CliRunner
from loanword.__main__ import main
from loanword.converters.container import container_named
from loanword.converters.payload import Draft

ROOT = Path(loanword.__file__).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    """The files that the examples speak of."""
    monkeypatch.chdir(tmp_path)
    badhand = loanword.Embedding("badhandv4", {"clip_l": samples.some(6)}, ("badhandv3",))
    loanword.write(badhand, "badhandv4.pt")
    loanword.write(badhand, "embeddings/badhandv4.pt")
    loanword.write(loanword.Embedding("neon", samples.PAIR), "embeddings/sdxl/neon.safetensors")
    words = [
        loanword.Embedding(name, {"clip_l": samples.some(2).rows(row, row + 1)})
        for row, name in enumerate(("<cat>", "<dog>"))
    ]
    loanword.write(words, "embeddings/two-words.safetensors", format="diffusers")
    save = container_named("safetensors").save
    Path("pixelart.safetensors").write_bytes(save(Draft(samples.lora_tensors())))
    Path("embeddings/pixelart.safetensors").write_bytes(save(Draft(samples.lora_tensors())))
    Path("embeddings/page.pt").write_text("<!DOCTYPE html><html>not found</html>")


@pytest.mark.parametrize("block", [block for block in blocks("python") if "diffusers" not in block])
def test_python_examples_run(block):
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers")
@pytest.mark.parametrize("block", [block for block in blocks("python") if "diffusers" in block])
def test_diffusers_examples_run(block):
    pytest.importorskip("diffusers")
    import tiny_pipelines

    tiny_pipelines.sdxl().save_pretrained("my-sdxl-model")
    try:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    finally:
        loanword.unpatch_diffusers()


@pytest.mark.parametrize("block", blocks("console"))
def test_console_examples_print_what_is_shown(block):
    for command, shown in re.findall(r"\$ loanword (.+)\n((?:(?!\$ ).*\n)*)", block):
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, result.output
        if shown:
            assert result.output.replace(os.sep, "/") == shown


def test_the_table_of_formats_is_the_live_one():
    spec = importlib.util.spec_from_file_location("format_table", ROOT / "docs/format_table.py")
    format_table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(format_table)
    assert format_table.with_table(README) == README, "run `make readme`"


@pytest.mark.parametrize("name", [*main.commands, *loanword.formats(), *loanword.TARGETS])
def test_every_command_format_and_program_is_named(name):
    shown = loanword.TARGETS[name].title if name in loanword.TARGETS else name
    assert re.search(rf"\b{re.escape(shown)}\b", README)
