"""Every module has its tests where its path says: ``flows/run/step.py`` in ``tests/flows/run/test_step.py``."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("boards", "cosim", "flows", "hw/emit", "hw/soc", "hw/spec", "hw/tools", "sw")
#: Module, or a pattern of them -> where it is tested instead, and why there.
ELSEWHERE = {
    "boards/[!_]*.py": ("tests/boards/test_boards.py", "facts; every board passes one suite"),
    "hw/soc/cpus/[!_]*.py": ("tests/hw/soc/cpus/test_cpus.py", "facts; every CPU passes one suite"),
    "hw/soc/top.py": ("tests/hw/soc/test_generate.py", "a program of its own, whose libraries load with warnings only"),
    "hw/spec/errors.py": ("tests/flows/test_cli.py", "two classes; what matters is how a command ends with them"),
    "hw/spec/multipliers/*.py": ("tests/hw/spec/test_multipliers.py", "every kind passes one suite"),
    "cosim/array_bench.py": ("tests/cosim/test_array.py", "runs inside the simulator"),
    "cosim/cpu_bench.py": ("tests/cosim/test_cpu.py", "runs inside the simulator"),
    "cosim/engine_bench.py": ("tests/cosim/test_engine_rtl.py", "runs inside the simulator"),
    "cosim/soc_bench.py": ("tests/cosim/test_soc_stalled.py", "runs inside the simulator"),
    "sw/compiler/cycles.py": ("tests/cosim/test_engine_rtl.py", "right is what the RTL's counters say"),
    "sw/compiler/errors.py": ("tests/sw/compiler/test_compile.py", "two classes; their texts are there"),
    "sw/compiler/image.py": ("tests/sw/compiler/test_compile.py", "right is what the interpreter makes of an image"),
    "sw/compiler/variants.py": ("tests/sw/compiler/test_compile.py", "right is what the interpreter makes of it"),
    "sw/compiler/stages.py": ("tests/sw/compiler/test_compile.py", "right is what the interpreter makes of a stage"),
    "sw/frontend/export_layers.py": ("tests/sw/frontend/test_export.py", "right is what is read again"),
    "sw/frontend/exported.py": ("tests/sw/frontend/test_export.py", "right is what is read again"),
    "sw/firmware/header.py": ("tests/sw/firmware/test_build.py", "right is what the C compiler takes"),
    "sw/golden/layer.py": ("tests/sw/golden/test_interpreter.py", "only the interpreter runs a command"),
    "sw/golden/reference.py": ("tests/sw/golden/test_ops.py", "the plain definition, which the fast ones must equal"),
    "sw/graph/check.py": ("tests/sw/graph/test_graph.py", "asked by a graph, which names the layer"),
    "sw/graph/edit.py": ("tests/sw/compiler/test_rewrite.py", "right is what gives the same answers"),
    "sw/graph/layer.py": ("tests/sw/graph/test_graph.py", "fields; what they mean is a graph's"),
    "sw/graph/padding.py": ("tests/sw/compiler/test_rewrite.py", "right is what gives the same answers"),
    "sw/quant/record.py": ("tests/sw/quant/test_training.py", "fields, which a training fills"),
}


def modules(root, packages):
    """Paths of all modules that hold anything, from the root; a package's file is not one."""
    return [path.relative_to(root).as_posix() for package in packages for path in sorted((root / package).rglob("*.py"))
            if path.name != "__init__.py" and path.read_text(encoding="utf-8").strip()]


def mirrored(module):
    path = Path(module)
    return f"tests/{path.parent.as_posix()}/test_{path.stem.strip('_')}.py"


def elsewhere(module):
    return next((name for name in ELSEWHERE if fnmatch(module, name)), None)


def without_tests(root, packages):
    return [module for module in modules(root, packages)
            if not (root / mirrored(module)).is_file() and not elsewhere(module)]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_its_tests(package):
    assert without_tests(ROOT, (package,)) == []


def test_what_is_tested_elsewhere_is_there_and_not_here():
    found = modules(ROOT, PACKAGES)
    for name, (test, why) in ELSEWHERE.items():
        covered = [module for module in found if elsewhere(module) == name]
        assert covered and why, f"{name}: no such module"
        assert (ROOT / test).is_file(), test
        assert [module for module in covered if (ROOT / mirrored(module)).is_file() and mirrored(module) != test] == []


def test_a_module_without_tests_is_found(tmp_path):
    for name in ("flows/run/new.py", "flows/run/old.py", "flows/run/_inner.py", "flows/run/__init__.py",
                 "tests/flows/run/test_old.py", "tests/flows/run/test_inner.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('"""Something."""\n', encoding="utf-8")
    assert without_tests(tmp_path, ("flows",)) == ["flows/run/new.py"]
    (tmp_path / "tests/flows/run/test_old.py").unlink()
    assert without_tests(tmp_path, ("flows",)) == ["flows/run/new.py", "flows/run/old.py"]
