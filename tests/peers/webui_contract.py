"""Compares the small WebUI of `tests/webui/stand_in` with a real one: names, signatures, fields, options, page.

    python tests/peers/webui_contract.py CHECKOUT

CHECKOUT is AUTOMATIC1111's WebUI, reForge or Forge. Nothing of it is run: both sides are read as source.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STAND_IN = Path(__file__).parents[1] / "webui" / "stand_in"
OWN_MODULES = {"stand_in_model"}
OWN_OPTIONS = {"--model", "--setting", "--without"}
MOVED = {"options": ("options", "shared_options"), "shared_cmd_options": ("shared_cmd_options", "cmd_args")}
"""Modules whose names a host may keep in another."""
OTHERWISE_IN_FORGE = (
    "sd_hijack.StableDiffusionModelHijack has no attribute embedding_db",
    "sd_hijack.StableDiffusionModelHijack has no attribute extra_generation_params",
    "sd_hijack_clip.TextConditionalModel is not there",
)
"""Forge's generation has databases of its own, which `extension/webui/hosts/forge.py` finds."""
CALLABLES = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Names:
    """What a module or class defines: functions by name, classes by name, and all names."""

    functions: dict[str, CALLABLES] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)

    def __contains__(self, name: str) -> bool:
        return any(name in names for names in (self.functions, self.classes, self.others, self.imported))


def names_of(nodes: list[ast.stmt]) -> Names:
    """The names that statements define, in whichever branch."""
    found = Names()
    for node in nodes:
        if isinstance(node, CALLABLES):
            found.functions[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found.classes[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.others |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.imported |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.If | ast.Try):
            inner = names_of([*node.body, *node.orelse])
            found.functions |= inner.functions
            found.classes |= inner.classes
            found.others |= inner.others
            found.imported |= inner.imported
    return found


def attributes_of(node: ast.ClassDef) -> set[str]:
    """Class variables, and what methods assign to self."""
    of_self = {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and _is_self(each.value)
    }
    return of_self | names_of(node.body).others


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def call_problem(ours: CALLABLES, theirs: CALLABLES) -> str | None:
    """Why a call that the stand-in takes could not be made of the real one."""
    mine, real = ours.args, theirs.args
    positional = [each.arg for each in (*mine.posonlyargs, *mine.args)]
    in_theirs = [each.arg for each in (*real.posonlyargs, *real.args)]
    if real.vararg is None and positional != in_theirs[: len(positional)]:
        return f"takes ({', '.join(in_theirs)}), not ({', '.join(positional)})"
    required = in_theirs[: len(in_theirs) - len(real.defaults)]
    if not mine.vararg and len(required) > len(positional):
        return f"needs {', '.join(required[len(positional) :])}, too"
    keywords = {each.arg for each in mine.kwonlyargs} - {each.arg for each in (*real.kwonlyargs, *real.args)}
    return f"does not take {', '.join(sorted(keywords))}" if keywords and real.kwarg is None else None


def module_problems(module: str, checkout: Path) -> Iterator[str]:
    """What the stand-in's module says otherwise than the checkout's."""
    paths = [checkout / "modules" / f"{name}.py" for name in MOVED.get(module, (module,))]
    trees = [ast.parse(path.read_text("utf-8")) for path in paths if path.is_file()]
    if not trees:
        yield f"modules/{module}.py is not there"
        return
    theirs = names_of([node for tree in trees for node in tree.body])
    ours = names_of(ast.parse((STAND_IN / "modules" / f"{module}.py").read_text("utf-8")).body)
    for name, function in ours.functions.items():
        if not name.startswith("_"):
            yield from _function_problems(f"{module}.{name}", function, theirs.functions.get(name), name in theirs)
    for name, node in ours.classes.items():
        if name not in theirs:
            yield f"{module}.{name} is not there"
        elif name in theirs.classes:
            yield from class_problems(f"{module}.{name}", node, theirs.classes[name])
    assigned = {name for name in ours.others if not name.startswith("__")}
    yield from (f"{module}.{name} is not there" for name in sorted(assigned) if name not in theirs)


def class_problems(name: str, ours: ast.ClassDef, theirs: ast.ClassDef) -> Iterator[str]:
    """The same for a class."""
    real, mine = names_of(theirs.body), names_of(ours.body)
    for method, function in mine.functions.items():
        if method == "__init__" and method not in real.functions:
            missing = {each.arg for each in function.args.args} - {"self"} - attributes_of(theirs)
            yield from (f"{name} has no field {each}" for each in sorted(missing))
        elif not method.startswith("_") or method == "__init__":
            known = method in real or bool(theirs.bases)
            yield from _function_problems(f"{name}.{method}", function, real.functions.get(method), known)
    missing = attributes_of(ours) - attributes_of(theirs)
    yield from (f"{name} has no attribute {each}" for each in sorted(missing) if not theirs.bases)


def _function_problems(name: str, ours: CALLABLES, theirs: CALLABLES | None, known: bool) -> Iterator[str]:
    if theirs is not None:
        problem = call_problem(ours, theirs)
        if problem:
            yield f"{name} {problem}"
    elif not known:
        yield f"{name} is not there"


def option_problems(checkout: Path) -> Iterator[str]:
    """Options of the command line."""
    pattern = re.compile(r"add_argument\(\s*[\"'](--[\w-]+)")
    sources = [
        *checkout.glob("modules*/*.py"),
        *checkout.glob("extensions-builtin/*/*.py"),
        *checkout.glob("backend/*.py"),
    ]
    real = {option for path in sources for option in pattern.findall(path.read_text("utf-8"))}
    ours = set(pattern.findall((STAND_IN / "modules" / "shared_cmd_options.py").read_text("utf-8")))
    yield from (f"there is no option {each}" for each in sorted(ours - real - OWN_OPTIONS))


def page_problems(checkout: Path) -> Iterator[str]:
    """Functions of the page's scripts, and the ids of what is on it."""
    function = re.compile(r"^function (\w+)\((.*?)\)", re.MULTILINE)
    paths = [checkout / "script.js", *checkout.glob("javascript/*.js")]
    real = dict(pair for path in paths for pair in function.findall(path.read_text("utf-8")))
    for name, arguments in function.findall((STAND_IN / "script.js").read_text("utf-8")):
        if real.get(name) != arguments:
            yield (
                f"the page's {name}({arguments}) is {name}({real[name]})" if name in real else f"no {name} in the page"
            )
    source = "\n".join(path.read_text("utf-8") for path in checkout.glob("modules/ui*.py"))
    for elem_id in ("_prompt", "_neg_prompt", "_generate"):
        if not re.search(rf"elem_id=f?[\"']\{{[\w.]+\}}{elem_id}[\"']", source):
            yield f"nothing on the page has an id that ends in {elem_id}"
    if not re.search(r"elem_id=[\"']tabs[\"']", source) or "tab_{ifid}" not in source:
        yield "the tabs have other ids"


def main(checkout: Path) -> int:
    folder = STAND_IN / "modules"
    modules = [path.relative_to(folder).with_suffix("").as_posix() for path in sorted(folder.rglob("*.py"))]
    problems = [
        problem
        for module in modules
        if module not in OWN_MODULES and not module.endswith("__init__")
        for problem in module_problems(module, checkout)
    ]
    problems += [*option_problems(checkout), *page_problems(checkout)]
    if (checkout / "backend" / "text_processing").is_dir():
        problems = [each for each in problems if each not in OTHERWISE_IN_FORGE]
    print("\n".join(problems) or f"{len(modules)} modules, the options and the page are as in {checkout}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
