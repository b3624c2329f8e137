"""A package imports only from rows above its own, and each heavy library stays in its home."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Top to bottom; packages of one row may use each other.
ROWS = (("hw.spec",), ("hw.tools",), ("boards",), ("hw.soc.cpus",), ("sw.graph",), ("sw.golden",),
        ("hw.gateware", "hw.formal", "hw.emit"), ("sw.data", "sw.models"), ("sw.quant",), ("sw.frontend",),
        ("sw.compiler",), ("sw.firmware",), ("hw.soc",), ("cosim",), ("flows.run",), ("flows.fpga",), ("flows.verify",),
        ("flows.estimate",), ("flows.train",), ("flows.search",), ("flows.report",), ("flows.commands",),
        ("flows.cli",), ("flows.explore",))
ROW = {package: number for number, row in enumerate(ROWS) for package in row}
HOMES = {
    "amaranth": {"hw.gateware", "hw.formal", "hw.emit"},
    "torch": {"sw.data", "sw.models", "sw.quant"}, "sklearn": {"sw.data", "sw.models"},
    "PIL": {"sw.data", "flows.report"}, "soundfile": {"sw.data"}, "scipy": {"sw.data", "flows.train", "flows.fpga"},
    "tflite": {"sw.frontend"}, "onnx": {"sw.frontend"},
    "litex": {"hw.soc"}, "litex_boards": {"hw.soc"}, "litedram": {"hw.soc"}, "migen": {"hw.soc"},
    "cocotb": {"cosim"}, "cocotb_tools": {"cosim"},
    "optuna": {"flows.search"}, "sqlalchemy": {"flows.search"}, "dask": {"flows.run"}, "distributed": {"flows.run"},
    "plotly": {"flows.report"}, "rich": {"flows.report"}, "click": {"flows.cli"}, "filelock": {"flows.run"},
    "cattrs": {"flows.run"}, "serial": {"flows.verify"}, "pyosys": {"hw.tools"},
}
STANDARD_ONLY = {"hw.spec", "hw.tools", "boards", "hw.soc.cpus"}
#: Their package files are imported with what lies below them, from rows above.
ROOTS = ("hw", "sw", "hw.soc")


def package(module):
    """The row's entry that a module belongs to, the innermost one; None outside the tree."""
    return max((name for name in ROW if (module + ".").startswith(name + ".")), key=len, default=None)


def imported(node, module):
    """Every module that an import statement may bind: ``from sw import quant`` is ``sw.quant``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = ".".join(module.split(".")[:-node.level]) if node.level else ""
        start = ".".join(filter(None, (base, node.module)))
        return [f"{start}.{alias.name}" for alias in node.names]
    return []


def names(node, module):
    """Modules named by an import statement, by ``import_module("...")`` or by ``__import__("...")``."""
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    return imported(node, module)


def violations(module, source):
    here = package(module)
    for node in ast.walk(ast.parse(source)):
        for name in names(node, module):
            there, top = package(name), name.split(".")[0]
            if there and ROW[there] > ROW[here]:
                yield f"{module} imports {name}: {here} may not use {there}"
            if here not in HOMES.get(top, {here}):
                yield f"{module} imports {name}: {top} is at home in {', '.join(sorted(HOMES[top]))}"
            elif here in STANDARD_ONLY and top in REQUIRED:
                yield f"{module} imports {name}: {here} uses the standard library only"


def required():
    """Import names of what ``pyproject.toml`` asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {line.partition("=")[0].replace("-", "_") for line in project["dependencies"]}
    return (found - {"scikit_learn", "pillow", "pyosys"}) | {"sklearn", "PIL"}


REQUIRED = required()


def modules():
    for top in ("hw", "sw", "boards", "cosim", "flows"):
        for path in sorted((ROOT / top).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path.read_text()


def test_tree_is_layered():
    found = [problem for name, source in modules() if package(name) for problem in violations(name, source)]
    assert not found, "\n".join(found)


def test_every_module_has_a_row():
    outside = [name for name, source in modules() if not package(name) and source.strip()]
    assert [name for name in outside if name not in ("hw", "sw")] == []


def graph():
    """module -> the modules of the tree that it imports when it runs, wherever in it the import stands."""
    found = dict(modules())
    return {name: {target for node in ast.walk(running(ast.parse(source))) for imported_name in names(node, name)
                   if (target := nearest(imported_name, found)) and target != name}
            for name, source in found.items()}


def running(tree):
    """Without what only the type checker reads."""
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(node, field, [item for item in value if not (
                    isinstance(item, ast.If) and getattr(item.test, "id", "") == "TYPE_CHECKING")])
    return tree


def nearest(name, found):
    """The module that an imported name is, or is in."""
    while name and name not in found:
        name = name.rpartition(".")[0]
    return name


def circles(graph):
    """Modules that reach themselves, apart from a package and its own modules."""
    def reached(start):
        seen, waiting = set(), [target for target in graph[start] if not target.startswith(f"{start}.")]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += [target for target in graph[name] if not target.startswith(f"{name}.")]
        return seen
    return sorted(name for name in graph if name in reached(name))


def test_no_circle():
    assert circles(graph()) == []


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "p": {"p.x"}, "p.x": {"p.y"}, "p.y": set()}) == ["b", "c"]


def test_package_files_of_the_roots_import_nothing():
    for name, source in modules():
        if name in ROOTS:
            assert [node for node in ast.walk(ast.parse(source)) if imported(node, name)] == []


@pytest.mark.parametrize("module, source", [
    ("hw.spec.design", "from sw.quant.train import train"),
    ("hw.spec.design", "from sw import quant"),
    ("hw.spec.design", "import sw.quant"),
    ("hw.spec.design", "def late():\n    from sw import quant"),
    ("hw.spec.design", "from .. import soc"),
    ("hw.spec.design", "import importlib\nimportlib.import_module('sw.quant')"),
    ("hw.spec.design", "import numpy"),
    ("hw.gateware.array", "import sw.compiler.variants"),
    ("sw.golden.ops", "import torch"),
    ("cosim.engine", "from flows.run import store"),
    ("flows.commands.train", "import torch.nn"),
    ("flows.run.step", "from flows.fpga import patch"),
    ("flows.fpga.fabric", "def late():\n    from flows.verify.ladder import verify"),
    ("flows.search.job", "from flows.report.page import page"),
    ("flows.train.training", "import optuna"),
    ("sw.compiler.variants", "import amaranth as am"),
])
def test_a_wrong_import_is_caught(module, source):
    assert len(list(violations(module, source))) == 1


@pytest.mark.parametrize("module, source", [
    ("flows.search.job", "from sw import quant"),
    ("sw.firmware.build", "from hw.soc.cpus import find_cpu"),
    ("hw.emit.verilog", "from hw.gateware.engine import Engine"),
    ("sw.models.nets", "from sw.data import digits"),
    ("sw.quant.train", "from .fake import FakeQuant"),
    ("sw.golden.ops", "import numpy as np"),
])
def test_a_right_import_passes(module, source):
    assert list(violations(module, source)) == []
