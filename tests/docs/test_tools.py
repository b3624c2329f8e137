"""The page names what the code does: tools that may be native, lowest versions, lines of the doctor."""

import re
from pathlib import Path

import pytest

from hw.tools import NATIVE, PACKAGED, TOOLS, VARIABLE
from hw.tools.native import Versioned

PAGE = (Path(__file__).parents[2] / "docs/tools.md").read_text(encoding="utf-8")


def rows(page):
    """Wheel and lowest version of each tool, as the page's first table has them."""
    found = re.findall(r"^\| `([\w-]+)` \| `([\w-]+)` \| (?:(\d+(?:\.\d+)+) )?", page, re.MULTILINE)
    return {name: (wheel, version) for name, wheel, version in found}


def expected():
    return {name: (tool.wheel, ".".join(map(str, tool.native.least)) if isinstance(tool.native, Versioned) else "")
            for name, tool in TOOLS.items() if tool.native}


def test_the_table_is_that_of_the_code():
    assert rows(PAGE) == expected()


@pytest.mark.parametrize("old, new", [("| 1.4 |", "| 1.3 |"), ("| `yosys` |", "| `yosis` |")])
def test_a_table_of_something_else_is_found(old, new):
    assert old in PAGE and rows(PAGE.replace(old, new)) != expected()


def test_the_decisions_are_those_of_the_code():
    assert f"| `{VARIABLE}` |" in PAGE and f"\n| `{PACKAGED}` |" in PAGE and f"\n| `{NATIVE}` |" in PAGE
