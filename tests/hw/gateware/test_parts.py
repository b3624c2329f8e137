"""Siblings that stand in for each other, and the only places that ask which kind of engine a design has."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from hw.gateware.parts import Parts, parts
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS

ROOT = Path(__file__).resolve().parents[3]
#: Where ``engine`` of a design is read: its own facts, its command fields, and the choice of parts.
READERS = {"hw/spec/design.py", "hw/spec/fields.py", "hw/gateware/parts.py"}


def methods(kind):
    """Public methods and how they are called; of a component also its ports' names do not matter here."""
    return {name: list(inspect.signature(method).parameters) for name, method in inspect.getmembers(kind)
            if inspect.isfunction(method) and (not name.startswith("_") or name == "__init__")}


PAIRS = {"kinds of engine": (DesignPoint(), PRESETS["up5k"]),
         "digits": (DesignPoint(multiplier="scalable"), DesignPoint(multiplier="scalable-dsp"))}
DIFFER = [("digits", "element"), ("digits", "pieces"),
          *(("kinds of engine", field.name) for field in fields(Parts) if field.name != "pieces")]


@pytest.mark.parametrize("pair, name", DIFFER)
def test_siblings_have_one_signature(pair, name):
    one, other = (getattr(parts(design), name) for design in PAIRS[pair])
    assert one is not other
    assert methods(one) == methods(other)


def asks(text):
    return re.search(r"(design|self)\.engine\b", text)


def test_the_kind_of_engine_is_read_in_a_few_places():
    found = {path.relative_to(ROOT).as_posix() for top in ("hw", "sw", "cosim", "boards")
             for path in (ROOT / top).rglob("*.py") if asks(path.read_text())}
    assert found == READERS


@pytest.mark.parametrize("text", ['if design.engine == "wide":', "kind = self.design.engine", "self.engine in kinds"])
def test_a_place_that_asks_is_seen(text):
    assert asks(text)
    assert not asks("from cosim.engine import run_engine")
