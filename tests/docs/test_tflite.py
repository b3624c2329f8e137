"""The page about TFLite files names every operator that is loaded, and no other."""

import re
from pathlib import Path

from sw.frontend.operators import FOLDS, LOWERS

PAGE = Path(__file__).parents[2] / "docs/tflite.md"


def test_the_table_has_all_operators():
    table, behind = PAGE.read_text(encoding="utf-8").split("## Operators")[1].split("\n\nSHAPE")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")][2:]
    assert set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", " ".join(rows))) == set(LOWERS)
    folded = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", "SHAPE" + behind.split("are computed")[0]))
    assert folded == set(FOLDS.functions) - set(LOWERS)
