"""`import loanword`: every public name is there, and none of it is loaded before it is used."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import loanword
import pytest

ROOT = Path(loanword.__file__).parent
HEAVY = {"numpy", "torch", "PIL", "click", "rich", "safetensors", "transformers", "diffusers"}


def imports_for_type_checkers():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        node.module: tuple(f"{each.name} as {each.asname}" if each.asname else each.name for each in node.names)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    }


def modules_after(statement):
    code = f"{statement}; import sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": str(ROOT / "checkout"), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.split())


def test_the_lazy_table_says_what_type_checkers_see():
    assert imports_for_type_checkers() == loanword._MODULES


def test_all_lists_every_name_of_the_table():
    public = {entry.split(" as ")[-1] for names in loanword._MODULES.values() for entry in names}
    assert set(loanword.__all__) == public
    assert len(loanword.__all__) == len(public)


@pytest.mark.parametrize("name", loanword.__all__)
def test_every_public_name_is_there(name):
    assert getattr(loanword, name) is not None
    assert name in dir(loanword)


def test_every_error_is_public():
    errors = importlib.import_module("loanword.embeddings.errors")
    named = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    assert named <= {*loanword.__all__}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = loanword.no_such_name


def test_importing_loanword_loads_nothing_else():
    loaded = modules_after("import loanword")
    assert not loaded & HEAVY
    assert {each for each in loaded if each.startswith("loanword")} == {"loanword"}


def test_reading_and_writing_need_no_heavy_library():
    loaded = modules_after("import loanword; loanword.read, loanword.convert, loanword.Embedding")
    assert not loaded & HEAVY


def test_it_works_under_another_name():
    """As ComfyUI loads a custom node: the folder's path, its dots replaced, is the module's name."""
    name = str(ROOT).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        assert module.Embedding.__module__ == f"{name}.embeddings.embedding"
        assert not hasattr(module, "NODE_CLASS_MAPPINGS")
    finally:
        for each in [each for each in sys.modules if each.startswith(name)]:
            del sys.modules[each]
