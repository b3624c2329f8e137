"""CONTRIBUTING says of each kind of change which files it touches."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in TEXT.splitlines()
                                          if line.startswith("| ")) if len(cells) == 3}


@pytest.mark.parametrize("change", [
    "a board", "a CPU", "an operator on the CPU", "a multiplier", "dilation", "a search algorithm", "an importer",
    "a section of the report", "wider activations", "a data set of recordings"])
def test_a_change_has_its_files_and_its_test(change):
    files, test = ROWS[change]
    assert re.findall(r"`(?:hw|sw|boards|flows|cosim)(?:/[\w.]+)*`", files)
    assert re.search(r"`tests/[\w/.]+`", test)


def test_every_page_is_named():
    assert set(re.findall(r"\]\((docs/\w+\.md)\)", TEXT)) == {
        f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
