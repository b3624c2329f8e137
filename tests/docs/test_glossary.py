"""The glossary explains words that the code uses, where it says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| ([\w ]+) \| .+ \| `([\w/.]+)` \|$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"),
                  re.MULTILINE)
ASKED = {"tile", "segment", "band", "group", "way", "ring", "ticket", "block", "step", "run", "rung", "stage"}


def uses(source, word):
    """Whether a text has a word, alone or in a name of several: ``last_group``, ``SpramRing``."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", source).lower()
    return bool(re.search(rf"(?<![a-z]){re.escape(word.lower())}(?:e?s)?(?![a-z])", re.sub(r"[\s_]+", " ", text)))


@pytest.mark.parametrize("word, path", ROWS)
def test_the_code_uses_the_word(word, path):
    assert uses((ROOT / path).read_text(encoding="utf-8"), word)


def test_every_row_is_looked_at():
    lines = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines()
    tables = sum(line.startswith("| word") for line in lines)
    assert len(ROWS) == sum(line.startswith("| ") for line in lines) - 2 * tables
    assert {word for word, _ in ROWS} >= ASKED


@pytest.mark.parametrize("source, word, there", [
    ("last_group = 1", "group", True), ("class SpramRing:", "ring", True), ("strings", "ring", False),
    ("the layer\n    log", "layer log", True), ("passes", "pass", True), ("bypass", "pass", False)])
def test_a_word_is_found_where_it_is_one(source, word, there):
    assert uses(source, word) == there
