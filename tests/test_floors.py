"""The house stands: imports go down only, and every file is short enough to be read."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parent.parent / "probrl"

FLOORS = {
    "__main__": 8,
    "cli": 7,
    "training": 6,
    "algorithms": 5,
    "program": 4,
    "generative": 4,
    "printing": 3,
    "graph": 3,
    "objectives": 3,
    "distributions": 3,
    "paths": 3,
    "symbolic": 2,
    "expr": 1,
    "data": 1,
    "envs": 1,
    "solvers": 1,
    "networks": 1,
    "statistics": 1,
    "pictures": 1,
    "errors": 0,
    "nested": 0,
    "starting": 0,
}
# Who alone may import a library, at any depth of a module.
GUARDED = {
    "pixyz": ("distributions/base.py",),
    "gymnasium": ("envs/",),
    "sympy": ("symbolic.py", "symbolic/", "paths/"),
}
# What costs too much to import with the package: only inside a function.
LATE = ("torch._dynamo", "torch._inductor", "torchdiffeq", "matplotlib", "scipy", "sklearn")
VAGUE = {"utils", "util", "misc", "common", "helpers", "helper"}


class Import(NamedTuple):
    """One imported module: its full name, where it stands, and whether it is imported with its module."""

    name: str
    line: int
    early: bool


def imports(source: str, module: tuple[str, ...], is_package: bool) -> Iterator[Import]:
    """Every import of a module's source, relative ones resolved, wherever it stands."""
    late = set()
    tree = ast.parse(source)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _type_checking(function):
            late |= {id(node) for node in ast.walk(function)}
    for node in ast.walk(tree):
        early = id(node) not in late
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, early)
        elif isinstance(node, ast.ImportFrom):
            base = module[: len(module) - node.level + is_package] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(f"{name}.{alias.name}", node.lineno, early)
        elif isinstance(node, ast.Call) and _is_dynamic_import(node):
            yield Import(node.args[0].value, node.lineno, early)  # type: ignore[attr-defined]


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _is_dynamic_import(node: ast.Call) -> bool:
    called = ast.unparse(node.func)
    is_import = called in {"__import__", "import_module", "importlib.import_module"}
    return is_import and bool(node.args) and isinstance(node.args[0], ast.Constant)


def floor_violations(package: Path) -> list[str]:
    """What the imports below a package's folder break of the plan of the house, one line each."""
    found = []
    for file in sorted(package.rglob("*.py")):
        path = file.relative_to(package)
        room = path.with_suffix("").parts[0]
        if room == "__init__":
            continue  # the vocabulary: it sees every room
        if room not in FLOORS:
            found.append(f"{path}: the room {room!r} stands on no floor")
            continue
        is_package = file.name == "__init__.py"
        module = ("probrl", *path.with_suffix("").parts[: -1 if is_package else None])
        for imported in imports(file.read_text(encoding="utf-8"), module, is_package):
            found += [f"{path}:{imported.line}: {fault}" for fault in _faults(room, path, imported)]
    return found


def _faults(room: str, path: Path, imported: Import) -> Iterator[str]:
    top, *rest = imported.name.split(".")
    if top == "probrl":
        seen = rest[0] if rest else ""
        if seen in FLOORS:
            if seen != room and FLOORS[seen] >= FLOORS[room]:
                yield f"{room} ({FLOORS[room]}) sees {seen} ({FLOORS[seen]})"
        else:
            yield f"{room} sees the package's front door: probrl.{seen}"
    elif room == "expr" and top not in sys.stdlib_module_names:
        yield f"expr imports the standard library only, not {top}"
    elif room == "objectives" and top == "torch":
        yield "objectives are written in the language, without torch"
    if top in GUARDED and not any(path.as_posix().startswith(place) for place in GUARDED[top]):
        yield f"only {' and '.join(GUARDED[top])} may import {top}"
    for name in LATE:
        if imported.early and (imported.name == name or imported.name.startswith(f"{name}.")):
            yield f"{name} is imported late, inside the function that needs it"


def size_violations(package: Path) -> list[str]:
    """Files that are too long, and names that say nothing."""
    found = []
    for file in sorted(package.rglob("*.py")):
        path = file.relative_to(package)
        limit = 150 if path.parts[0] == "algorithms" else 300
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > limit:
            found.append(f"{path}: {lines} lines, at most {limit}")
        if vague := VAGUE & set(path.with_suffix("").parts):
            found.append(f"{path}: {vague.pop()!r} says nothing about what is inside")
    return found


def test_imports_go_down():
    assert floor_violations(PACKAGE) == []


def test_files_are_short_and_named():
    assert size_violations(PACKAGE) == []


def test_the_package_imports_nothing_that_costs_much():
    """Read off a new process, because torch and pixyz may bring what no import of ours names."""
    slow = [*LATE[:2], "torchdiffeq", "matplotlib", "gymnasium", "rich", "tyro"]
    program = (
        f"import sys, torch; had = set(sys.modules); import probrl; print(*(set({slow}) & (set(sys.modules) - had)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


WRONG = {
    "expr/nodes.py": ("from probrl.graph import lowering", "expr (1) sees graph (3)"),
    "expr/base.py": ("import torch", "standard library only"),
    "expr/deep/er.py": ("from ... import printing", "expr (1) sees printing (3)"),
    "graph/kernels.py": ("from ..printing.latex import latex", "graph (3) sees printing (3)"),
    "graph/__init__.py": ("from ..program import Program", "graph (3) sees program (4)"),
    "graph/late.py": ("def f():\n    import probrl.training.loop", "graph (3) sees training (6)"),
    "graph/typed.py": ("if TYPE_CHECKING:\n    from probrl.cli import main", "graph (3) sees cli (7)"),
    "graph/dynamic.py": ("importlib.import_module('probrl.cli')", "graph (3) sees cli (7)"),
    "graph/compile.py": ("import torch._dynamo", "torch._dynamo is imported late"),
    "graph/inductor.py": ("from torch._inductor import config", "torch._inductor is imported late"),
    "printing/png.py": ("from matplotlib import mathtext", "matplotlib is imported late"),
    "solvers/adaptive.py": ("class A:\n    import torchdiffeq", "torchdiffeq is imported late"),
    "algorithms/ppo.py": ("from probrl.training import agent", "algorithms (5) sees training (6)"),
    "algorithms/sac.py": ("import probrl as pr", "front door"),
    "objectives/awr.py": ("import torch.nn", "without torch"),
    "distributions/normal.py": ("def f():\n    from pixyz.distributions import Normal", "may import pixyz"),
    "training/loop.py": ("import gymnasium as gym", "may import gymnasium"),
    "printing/latex.py": ("import sympy", "may import sympy"),
    "program/fit.py": ("from probrl.generative import diffusion", "program (4) sees generative (4)"),
    "cellar/wine.py": ("", "stands on no floor"),
}
RIGHT = {
    "__init__.py": "from probrl.cli import main\nfrom .expr import base",
    "expr/nodes.py": "from . import base\nfrom probrl.errors import CompositionError\nimport math",
    "distributions/base.py": "import pixyz.distributions, torch\nfrom ..expr.nodes import Add",
    "envs/make.py": "import gymnasium",
    "paths/gaussian.py": "import sympy\nfrom probrl.symbolic import to_sympy",
    "graph/compile.py": "def f():\n    import torch._dynamo\n",
    "program.py": "from .graph import lowering\nfrom probrl.expr import base",
}


def build(house: Path, rooms: dict[str, str]) -> Path:
    for path, source in rooms.items():
        file = house / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return house


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_import_is_found(tmp_path, path):
    source, fault = WRONG[path]
    [found] = floor_violations(build(tmp_path, {path: source}))
    assert found.startswith(path) and fault in found


def test_right_imports_are_accepted(tmp_path):
    assert floor_violations(build(tmp_path, RIGHT)) == []


def test_a_long_file_and_an_empty_name_are_found(tmp_path):
    rooms = {"algorithms/ppo.py": "\n" * 151, "expr/a.py": "\n" * 301, "graph/utils.py": "", "expr/b.py": "\n" * 300}
    assert [line.split(":")[0] for line in size_violations(build(tmp_path, rooms))] == [
        "algorithms/ppo.py",
        "expr/a.py",
        "graph/utils.py",
    ]
