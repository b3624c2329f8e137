import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from sw.quant import describe
from sw.quant.recipe import STEPS, Recipe, described

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/steps.md"


def test_the_page_is_what_the_recipe_says():
    assert PAGE.read_text(encoding="utf-8") == describe.steps_page(), (
        "run `.venv/bin/python -m sw.quant.describe > docs/steps.md`")
    made = subprocess.run([sys.executable, "-m", "sw.quant.describe"], cwd=ROOT, capture_output=True, check=True).stdout
    assert made.decode() == describe.steps_page()


def test_every_key_has_its_row():
    page = describe.steps_page()
    for kind in (Recipe, *STEPS.values()):
        assert all(item.name in STEPS or f"| `{item.name}` |" in page for item in fields(kind))


def test_a_new_option_changes_the_page(monkeypatch):
    @dataclass
    class Polish:
        """Makes it shine."""

        cloth: str = described("silk", "what with")

    before = describe.steps_page()
    monkeypatch.setitem(describe.STEPS, "polish", Polish)
    assert "| `cloth` | silk | what with |" in describe.steps_page() != before
