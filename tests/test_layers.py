"""A file imports its own folder and the folders above it, and nothing but the standard library when it is loaded."""

import ast
import sys
from pathlib import Path

import loanword
import pytest

ROOT = Path(loanword.__file__).parent
LAYERS = ("embeddings", "converters", "loader", "extension")
FILES = [
    *sorted(path.relative_to(ROOT) for folder in (*LAYERS, "scripts") for path in (ROOT / folder).rglob("*.py")),
    Path("__init__.py"),
    Path("__main__.py"),
]
AT_ONCE = {"__main__.py": {"click"}, "extension/command_line": {"click"}}
"""What may be imported outside of functions: a command line is made of its library."""


def statements(body, *, inside=False):
    """Every import below `body`, and whether it runs only later: in a function, or for a type checker."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, inside
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from statements(node.body, inside=True)
            yield from statements(node.orelse, inside=inside)
            continue
        later = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield from statements(ast.iter_child_nodes(node), inside=later)


def imports(path):
    return list(statements(ast.parse((ROOT / path).read_text(encoding="utf-8")).body))


def folder_of(path, node):
    """The folder below the root that a relative import reaches into; "" for the root itself."""
    package = path.parent.parts
    base = package[: len(package) - (node.level - 1)]
    target = [*base, *(node.module.split(".") if node.module else [])]
    return target[0] if target else ""


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_downward_only(path):
    layer = path.parts[0]
    allowed = LAYERS[: LAYERS.index(layer) + 1] if layer in LAYERS else (*LAYERS, "")
    for node, _ in imports(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            reached = folder_of(path, node)
            assert reached in allowed, f"{path}:{node.lineno} imports from {reached or 'the root'}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_imports_loanword_by_its_installed_name(path):
    for node, _ in imports(path):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if isinstance(node, ast.Import) or not node.level:
            assert not {name.split(".")[0] for name in names} & {"loanword", *LAYERS}, f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_heavy_libraries_are_imported_only_when_needed(path):
    allowed = {*sys.stdlib_module_names}
    for place, libraries in AT_ONCE.items():
        if path.as_posix().startswith(place):
            allowed |= libraries
    for node, later in imports(path):
        if later or (isinstance(node, ast.ImportFrom) and node.level):
            continue
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        assert {name.split(".")[0] for name in names} <= allowed, f"{path}:{node.lineno} loads {', '.join(names)}"


def test_the_rules_see_imports_wherever_they_stand():
    code = """
import a
if TYPE_CHECKING:
    import b
else:
    import c
class K:
    import d
    def method(self):
        try:
            import e
        finally:
            import f
"""
    found = {node.names[0].name: later for node, later in statements(ast.parse(code).body)}
    assert found == {"a": False, "b": True, "c": False, "d": False, "e": True, "f": True}
