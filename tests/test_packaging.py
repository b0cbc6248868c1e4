"""Wheel, sdist and editable install: built and run without the network, whatever the folder is called."""

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import loanword
import pytest

pytest.importorskip("hatchling", reason="packages are built in the development environment only")

ROOT = Path(loanword.__file__).parent
PACKAGES = ("embeddings", "converters", "loader", "extension")
NAMES = ("sd-webui-loanword", "loanword 1.0", "ünïcode.extension")
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "demo-output", "dist", "build")


def run(*command, cwd=None):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copied(folder):
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    shutil.copy(ROOT / ".gitignore", folder)
    return folder


def environment(folder):
    """A virtual environment that sees this one's libraries, but not its loanword."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return python


def installed(python, *what):
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-build-isolation", *what)


def check_it_runs(python, away):
    script = python.with_name("loanword.exe" if os.name == "nt" else "loanword")
    expected = f"loanword {loanword.__version__}\n"
    assert run(script, "--version", cwd=away) == expected
    assert run(python, "-m", "loanword", "--version", cwd=away) == expected
    code = "import loanword; print(loanword.read.__module__, *loanword.formats())"
    module, *formats = run(python, "-c", code, cwd=away).split()
    assert module == "loanword.converters.files"
    assert formats == [*loanword.formats()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = copied(tmp_path_factory.mktemp("source") / NAMES[0])
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", out, source)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    sources = {path.relative_to(ROOT).as_posix() for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")}
    wanted = {f"loanword/{name}" for name in {*sources, "__init__.py", "__main__.py", "py.typed"}}
    assert {name for name in names if ".dist-info/" not in name} == wanted


def test_the_wheel_carries_licence_and_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
        assert any(each.endswith("licenses/LICENSE") for each in archive.namelist())
    assert metadata["Version"] == loanword.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"diffusers", "images", "pictures", "scale", "test", "dev"} == set(metadata.get_all("Provides-Extra"))


def test_the_wheel_installs_and_runs(wheel, tmp_path):
    python = environment(tmp_path / "venv")
    installed(python, wheel)
    check_it_runs(python, tmp_path)


def test_a_wheel_can_be_made_of_the_sdist(tmp_path):
    source = copied(tmp_path / NAMES[1])
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path / "sdist", cwd=source)
    (sdist,) = (tmp_path / "sdist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "tests/test_packaging.py", "checkout/loanword/__init__.py"} <= names
    python = environment(tmp_path / "venv")
    installed(python, sdist)
    check_it_runs(python, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_an_editable_install_works_from_a_folder_of_any_name(name, tmp_path):
    python = environment(tmp_path / "venv")
    installed(python, "-e", copied(tmp_path / name))
    check_it_runs(python, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_its_tests_run_in_a_folder_of_any_name(name, tmp_path):
    folder = copied(tmp_path / name)
    out = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_layers.py", cwd=folder)
    assert "failed" not in out


@pytest.mark.parametrize("place", ["here", "away"])
def test_install_py_says_nothing_where_all_is_well(place, tmp_path):
    """A WebUI runs it in its own folder, SD.Next in the extension's."""
    assert run(sys.executable, ROOT / "install.py", cwd=ROOT if place == "here" else tmp_path) == ""


def test_install_py_says_in_one_line_what_is_missing(tmp_path):
    said = run(sys.executable, "-I", "-S", ROOT / "install.py", cwd=tmp_path)
    assert said.startswith("loanword: needs numpy")
    assert said.count("\n") == 1
