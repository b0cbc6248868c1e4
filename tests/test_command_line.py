"""The `loanword` command: what it prints, writes and returns, in a terminal, in pipes and in scripts."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import loanword
import pytest
import samples
from click.testing import CliRunner
from loanword.__main__ import main

ROOT = Path(loanword.__file__).parent
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f\x9b]")


def embedding(name="style", *, width=768, encoder="clip_l", rows=2, fill=1):
    data = bytes([0, 0, fill, 63]) * (rows * width)
    return loanword.Embedding(name, {encoder: loanword.Vectors("float32", (rows, width), data)})


def sdxl(name="xl"):
    vectors = {**embedding(rows=1).vectors, **embedding(width=1280, encoder="clip_g", rows=1).vectors}
    return loanword.Embedding(name, vectors)


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    """A working folder with a library of embeddings in `in/`."""
    monkeypatch.chdir(tmp_path)
    loanword.write(embedding("style"), "in/style.pt")
    loanword.write(sdxl("xl"), "in/sdxl/xl.safetensors")


def loan(*arguments, data=None):
    return CliRunner().invoke(main, [*map(str, arguments)], input=data)


def process(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout"), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "loanword", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60, **options)


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_inspect_says_what_a_file_holds():
    result = loan("inspect", "in/style.pt")
    assert result.exit_code == 0
    heading, row = result.stdout.splitlines()
    assert heading.split() == ["file", "embedding", "base", "model", "vectors", "what", "it", "is"]
    assert re.split(r"  +", row)[:4] == ["in/style.pt", "style", "Stable Diffusion 1.x", "clip_l 2 x 768 float32"]


def test_a_name_that_fills_pages_is_shown_in_part_and_told_whole():
    name = "n" * 5000
    loanword.write(loanword.Embedding(name, {"clip_l": samples.L}), "long.bin", format="diffusers")
    assert all(len(line) < 400 for line in loan("inspect", "long.bin").stdout.splitlines())
    assert all(len(line) < 400 for line in loan("look", "long.bin").stdout.splitlines())
    (told,) = json.loads(loan("inspect", "long.bin", "--json").stdout)
    assert told["embeddings"][0]["name"] == name


def test_inspect_json_tells_everything():
    (told,) = json.loads(loan("inspect", "in/sdxl/xl.safetensors", "--json").stdout)
    assert (told["kind"], told["format"], told["container"]) == ("embedding", "comfyui", "safetensors")
    (held,) = told["embeddings"]
    assert held["name"] == "xl"
    assert held["base_model"] == "sdxl"
    assert held["vectors"] == {
        "clip_l": {"shape": [1, 768], "dtype": "float32"},
        "clip_g": {"shape": [1, 1280], "dtype": "float32"},
    }
    assert held["sha256"] == loanword.read("in/sdxl/xl.safetensors").provenance.sha256


def test_inspect_names_what_is_no_embedding_and_succeeds():
    Path("in/page.pt").write_text("<!DOCTYPE html><html>not found</html>")
    result = loan("inspect", "in/page.pt")
    assert result.exit_code == 0
    assert "not-an-embedding: " in result.stdout


def test_inspect_fails_for_what_is_not_there():
    result = loan("inspect", "in/none.pt")
    assert result.exit_code == 1
    assert "unreadable: " in result.stdout


def test_convert_writes_beside_the_original_by_default():
    before = Path("in/style.pt").read_bytes()
    result = loan("convert", "in/style.pt")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "in/style.safetensors\n", "")
    assert loanword.read("in/style.safetensors") == loanword.read("in/style.pt")
    assert Path("in/style.pt").read_bytes() == before


def test_convert_keeps_the_folders_below_the_one_it_was_given():
    result = loan("convert", "in", "--for", "comfyui", "--out", "out")
    assert result.exit_code == 0
    assert files_below("out") == ["sdxl/xl.safetensors", "style.safetensors"]
    assert result.stdout.split() == [
        os.path.join("out", "style.safetensors"),
        os.path.join("out", "sdxl", "xl.safetensors"),
    ]
    assert result.stderr == "2 converted\n"


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("in/**/*.safetensors", ["sdxl/xl.safetensors"]),
        ("in/*", ["style.safetensors", "xl.safetensors"]),
        ("in/s*.pt", ["style.safetensors"]),
        ("i?/[s]dxl/*", ["in/sdxl/xl.safetensors"]),
    ],
)
def test_convert_expands_patterns_itself(pattern, written):
    result = loan("convert", pattern, "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert files_below("out") == written


def test_a_name_with_brackets_is_a_file_where_there_is_one():
    os.rename("in/style.pt", "in/style [v2].pt")
    assert loan("convert", "in/style [v2].pt", "--out", "out").exit_code == 0


def test_a_pattern_that_matches_nothing_fails():
    result = loan("convert", "in/*.bin", "--out", "out")
    assert result.exit_code == 1
    assert "in/*.bin" in result.stderr


def test_to_names_the_format_and_container_the_kind_of_file():
    result = loan("convert", "in/style.pt", "--to", "diffusers", "--container", "torch-zip", "--out", "out")
    assert result.stdout.split() == [os.path.join("out", "style.pt")], result.stderr
    assert loanword.read("out/style.pt").provenance.format == "diffusers"


def test_dtype_rounds():
    loan("convert", "in/style.pt", "--dtype", "float16", "--out", "out")
    assert loanword.read("out/style.safetensors").vectors["clip_l"].dtype == "float16"


def test_name_renames():
    loan("convert", "in/style.pt", "--name", "my word", "--out", "out")
    read = loanword.read("out/my word.safetensors")
    assert (read.name, read.aliases) == ("my word", ("style",))


def test_out_may_be_a_file():
    assert loan("convert", "in/style.pt", "--out", "new/one.safetensors").exit_code == 0
    assert files_below("new") == ["one.safetensors"]


def test_dry_run_says_what_would_be_written_and_writes_nothing():
    result = loan("convert", "in", "--out", "out", "--dry-run")
    assert len(result.stdout.split()) == 2
    assert result.stderr == "2 would be converted\n"
    assert not Path("out").exists()


def test_nothing_is_overwritten_unless_asked_for():
    loan("convert", "in/style.pt", "--out", "out")
    Path("out/style.safetensors").write_bytes(b"mine")
    again = loan("convert", "in/style.pt", "--out", "out")
    assert again.exit_code == 1
    assert "already there" in again.stderr
    assert Path("out/style.safetensors").read_bytes() == b"mine"
    assert loan("convert", "in/style.pt", "--out", "out", "--overwrite").exit_code == 0
    assert loanword.read("out/style.safetensors") == embedding()


def test_a_folder_can_be_converted_again_and_only_what_is_new_is():
    loan("convert", "in", "--out", "out")
    loanword.write(embedding("new", fill=2), "in/new.pt")
    result = loan("convert", "in", "--out", "out")
    assert result.exit_code == 0
    assert result.stdout.split() == [os.path.join("out", "new.safetensors")]
    assert result.stderr.startswith("1 converted, 2 skipped\n")


@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--dry-run"]])
def test_two_files_never_end_up_in_one_place(options):
    loanword.write(embedding("style", fill=9), "in/style.safetensors")
    result = loan("convert", "in", "--out", "out", *options)
    assert result.exit_code == 1
    assert "rename one of them" in result.stderr
    if not options:
        assert loanword.read("out/style.safetensors") == loanword.read("in/style.pt")


def test_overwrite_never_replaces_an_original():
    before = Path("in/sdxl/xl.safetensors").read_bytes()
    result = loan("convert", "in/sdxl/xl.safetensors", "--dtype", "float16", "--overwrite")
    assert result.exit_code == 1
    assert "original" in result.stderr
    assert Path("in/sdxl/xl.safetensors").read_bytes() == before


def junk(folder):
    Path(folder, "style.txt").write_text("a note\n")
    Path(folder, "more.txt").write_text("a note\n")
    Path(folder, ".hidden.pt").write_bytes(b"junk")
    Path(folder, "page.safetensors").write_text("<!DOCTYPE html><html>not found</html>")


def test_junk_in_a_folder_is_skipped_with_reasons():
    junk("in")
    result = loan("convert", "in", "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("2 converted, 3 skipped\n")
    assert result.stderr.count("skipped: ") == 2, "equal reasons are told once"
    assert ".hidden" not in result.stderr


def test_junk_that_was_named_fails():
    junk("in")
    result = loan("convert", "in/style.pt", "in/style.txt", "--out", "out")
    assert result.exit_code == 1
    assert result.stderr.startswith("1 converted, 1 failed\n")


def test_a_damaged_file_in_a_folder_fails_and_the_others_are_converted():
    whole = Path("in/sdxl/xl.safetensors").read_bytes()
    Path("in/cut.safetensors").write_bytes(whole[: len(whole) // 2])
    result = loan("convert", "in", "--out", "out")
    assert result.exit_code == 1
    assert result.stderr.startswith("2 converted, 1 failed\n")
    assert files_below("out") == ["sdxl/xl.safetensors", "style.safetensors"]


def test_what_a_program_cannot_take_fails_with_the_reason():
    result = loan("convert", "in/sdxl/xl.safetensors", "--for", "stable-diffusion-cpp", "--out", "out")
    assert result.exit_code == 1
    assert "stable-diffusion.cpp" in result.stderr
    assert not Path("out").exists()


def test_long_lists_of_files_are_cut():
    for number in range(9):
        Path(f"in/{number}.txt").write_text("a note\n")
    assert "    and 4 more\n" in loan("convert", "in", "--out", "out").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["in", "--for", "comfyui", "--to", "kohya"],
        ["in", "--for", "comfyui", "--container", "safetensors"],
        ["in", "--for", "comfyu"],
        ["in", "--to", "nonsense"],
        ["in", "--dtype", "float12"],
        ["in", "--name", "both"],
        ["in", "--out", "-"],
        ["in", "--out", "one.safetensors"],
        ["in", "--no-such-option"],
    ],
)
def test_wrong_usage_is_exit_status_2(arguments):
    result = loan("convert", *arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert files_below(".") == ["in/sdxl/xl.safetensors", "in/style.pt"]


def test_a_misspelt_name_gets_the_nearest_ones():
    assert "did you mean comfyui?" in loan("convert", "in", "--for", "comfyu").stderr
    assert loan("convert", "in", "--for", "ComfyUI", "--out", "out").exit_code == 0


def test_verify_says_whether_everything_survives():
    result = loan("verify", "in")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["same", "same"]


def test_verify_fails_where_something_is_lost():
    result = loan("verify", "in/style.pt", "--to", "star-key", "--container", "torch-zip", "--name", "another")
    assert result.exit_code == 1
    assert result.stdout.startswith("LOST  in/style.pt")
    assert "is lost" in result.stderr


def test_bundle_and_unbundle():
    tensors = {"lora_unet_x.lora_up.weight": loanword.Vectors("float32", (2, 4), bytes(range(32)))}
    write_lora("lora.safetensors", tensors)
    result = loan("bundle", "lora.safetensors", "in/style.pt", "--out", "both.safetensors")
    assert (result.exit_code, result.stdout) == (0, "both.safetensors\n"), result.stderr
    assert loan("bundle", "lora.safetensors", "in/style.pt", "--out", "both.safetensors").exit_code == 1
    result = loan("unbundle", "both.safetensors", "--out", "out", "--lora-out", "alone.safetensors")
    assert result.exit_code == 0, result.stderr
    assert loanword.read("out/style.safetensors").vectors == embedding().vectors
    assert Path("alone.safetensors").read_bytes() == Path("lora.safetensors").read_bytes()


def write_lora(path, tensors):
    from loanword.converters.container import container_named
    from loanword.converters.payload import Draft

    Path(path).write_bytes(container_named("safetensors").save(Draft(tensors)))


def test_bundle_says_what_is_no_lora():
    result = loan("bundle", "in/sdxl/xl.safetensors", "in/style.pt", "--out", "both.safetensors")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: in/sdxl/xl.safetensors: ")


@pytest.mark.parametrize(("command", "table"), [("formats", loanword.formats()), ("programs", loanword.TARGETS)])
def test_the_lists_are_the_live_tables(command, table):
    result = loan(command)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [*table]


@pytest.mark.parametrize("command", [None, *sorted(main.commands)])
def test_every_command_explains_itself_with_an_example(command):
    result = loan(*([command] if command else []), "--help")
    assert result.exit_code == 0
    if command not in ("formats", "programs"):
        assert re.search(rf"Examples?:\n +loanword {command or 'inspect'} ", result.stdout)


def test_standard_input_and_output():
    content = Path("in/style.pt").read_bytes()
    done = process("convert", "-", "--name", "style", "--to", "kohya", "--out", "-", input=content)
    assert (done.returncode, done.stderr) == (0, b"")
    assert loanword.read(done.stdout, name="style").vectors == embedding().vectors
    told = json.loads(process("inspect", "-", "--json", input=content).stdout)
    assert told[0]["path"] == "-"
    assert told[0]["embeddings"][0]["name"] == "style"


def test_several_files_cannot_go_to_standard_output():
    done = process("convert", "in/sdxl/xl.safetensors", "--for", "diffusers", "--out", "-")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"makes 2 files" in done.stderr


def test_pipes_get_no_control_characters():
    os.rename("in/style.pt", "in/\x1b[31mstyle\x07.pt")
    for arguments in (["inspect", "in"], ["convert", "in", "--out", "out"], ["verify", "in"]):
        done = process(*arguments)
        assert not CONTROL.search(done.stdout + done.stderr), (done.stdout, done.stderr)


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither such names nor pseudo-terminals")
@pytest.mark.parametrize("arguments", [["inspect", "in"], ["convert", "in", "--out", "out"], ["verify", "in"]])
def test_names_cannot_reach_the_terminal_as_commands(arguments):
    os.rename("in/style.pt", "in/\x1b]0;title\x07[bold]style.pt")
    shown = in_terminal(*arguments)
    assert b"\x1b]0;" not in shown
    assert b"\x07" not in shown


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_no_text_can_be_inspected_and_renamed():
    os.rename("in/style.pt", b"in/style\xff.pt")
    assert b"style\\u{dcff}" in process("inspect", "in").stdout
    assert loan("convert", "in", "--out", "out").exit_code == 1
    os.rename(b"in/style\xff.pt", "in/style.pt")
    assert loan("convert", "in", "--out", "out").exit_code == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_a_terminal_gets_a_bar_and_the_paths():
    for number in range(30):
        loanword.write(embedding(f"style{number}", fill=number), f"in/more/style{number}.pt")
    shown = in_terminal("convert", "in", "--out", "out")
    assert b"/32" in shown
    assert b"out/more/style29.safetensors" in shown.replace(b"\r\n", b"")
    assert b"32 converted" in shown


def in_terminal(*arguments):
    """What the command shows when standard output and error are a terminal."""
    import pty  # not on Windows

    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout"), "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-m", "loanword", *arguments]
    running = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # Linux says so where others give an empty piece
        pass
    finally:
        os.close(ours)
    assert running.wait(60) == 0, shown
    return shown


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_closed_pipe_is_no_traceback():
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout")}
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "loanword", "inspect", "in"]
    done = subprocess.run(command, env=environment, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_an_interrupt_is_no_traceback():
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout")}
    command = [sys.executable, "-m", "loanword", "inspect", "-"]
    running = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(1)
    running.send_signal(signal.SIGINT)
    assert b"Traceback" not in running.communicate()[1]


def test_a_terminal_that_lacks_letters_still_shows_every_line():
    os.rename("in/style.pt", "in/стиль-💃.pt")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout"), "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "loanword", "inspect", "in"], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u0441" in done.stdout


def test_the_plain_path_loads_no_heavy_library():
    code = (
        "import sys; from loanword.__main__ import main; main(['convert', 'in/style.pt'], standalone_mode=False)"
        "\nprint(*sys.modules)"
    )
    code = code.replace("main([", "sys.exit = lambda status: None; main([")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not {"numpy", "torch", "rich", "PIL", "safetensors"} & set(done.stdout.split())


def test_prompt_translates_names_and_weights():
    result = loan("prompt", "a cat, (STYLE:1.2), [xl]", "--to", "comfyui", "-e", "in")
    assert (result.exit_code, result.stdout) == (0, "a cat, (embedding:style:1.2), (embedding:xl:0.9091)\n")
    result = loan("prompt", "a cat, (embedding:style:1.2)", "--to", "a1111")
    assert (result.exit_code, result.stdout) == (0, "a cat, (style:1.2)\n")


def test_prompt_says_which_embeddings_are_used_and_which_are_missing():
    result = loan("prompt", "a cat, embedding:style.pt, embedding:stile, xl", "-e", "in")
    assert result.exit_code == 1
    rows = [re.split(r"  +", line) for line in result.stdout.splitlines()[1:]]
    assert [row[:2] for row in rows] == [["embedding:style.pt", "style"], ["xl", "xl"]]
    assert result.stderr == "no embedding is called 'stile'; did you mean 'style'?\n"


def test_prompt_knows_the_name_inside_a_file_where_a_name_is_announced():
    loanword.write(embedding("new").renamed("newer"), "in/newer.pt")
    result = loan("prompt", "embedding:new, new", "--to", "a1111", "-e", "in")
    assert result.stdout == "newer, new\n"
