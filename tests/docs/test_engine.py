"""The engine's figure names the modules and classes that there are; its table has the latencies that there are."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from hw.spec import timing
from hw.spec.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/engine.md").read_text(encoding="utf-8")
FIGURE = re.search(r"```mermaid\n(.*?)```", TEXT, re.DOTALL)[1]
BOXES = dict(re.findall(r'^ +(\w+)\["<b>\1</b><br/>(.+)"\]$', FIGURE, re.MULTILINE))
#: What is no module: round boxes.
OTHERS = set(re.findall(r"^ +(\w+)\(\[", FIGURE, re.MULTILINE))
EDGES = [line.strip() for line in FIGURE.splitlines() if "-->" in line or "-.->" in line]
GATEWARE = ROOT / "hw/gateware"
#: A package is one module: its own file.
MODULES = {path.stem: path for path in GATEWARE.glob("*.py") if path.stem != "__init__"} | {
    path.parent.name: path for path in GATEWARE.glob("*/__init__.py")}


def public(module):
    """The names that a module gives others."""
    for node in ast.parse(MODULES[module].read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def missing(boxes, modules):
    return sorted(set(modules) - set(boxes)), sorted(set(boxes) - set(modules))


def test_every_module_is_in_the_figure_and_every_box_is_a_module():
    assert missing(BOXES, MODULES) == ([], [])
    assert FIGURE.count("<b>") == len(BOXES)


def test_a_module_that_is_not_drawn_is_seen():
    assert missing({**BOXES, "gone": ""}, {**MODULES, "added": None}) == (["added"], ["gone"])


@pytest.mark.parametrize("module", BOXES)
def test_the_classes_of_a_box_are_in_its_module(module):
    classes = re.findall(r"\b(?:[A-Z]\w+|\w+_\w+)\b", BOXES[module].partition(":")[0])
    assert set(classes) <= public(module)


def test_arrows_join_boxes_and_every_box_has_one():
    drawn = set()
    for edge in EDGES:
        drawn |= set(re.findall(r"\w+", re.sub(r'"[^"]*"', "", edge)))
    assert drawn == set(BOXES) | OTHERS


LATENCIES = re.findall(r"^\| [^|]+ \| `(\w+)` \| (.+) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name, figures", LATENCIES)
def test_latencies_are_those_of_the_designs(name, figures):
    known = getattr(timing, name)
    assert [int(figure) for figure in figures.split(" | ")] == [
        known(design) if inspect.isfunction(known) else known for design in PRESETS.values()]


def test_the_table_has_the_presets_in_their_order():
    assert len(LATENCIES) == 10
    assert "| from, to | name | " + " | ".join(f"`{name}`" for name in PRESETS) + " |" in TEXT
