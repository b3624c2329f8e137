"""The page about the command format is the rendering of its tables."""

import subprocess
import sys
from pathlib import Path

import pytest

from hw.spec import commands, describe
from hw.spec.commands import COMMAND_FIELDS, COUNTERS, ERRORS, OPCODES, STREAM_FIELDS

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/commands.md"


def test_the_page_is_what_the_tables_say():
    assert PAGE.read_text(encoding="utf-8") == describe.commands_page(), (
        "run `.venv/bin/python -m hw.spec.describe > docs/commands.md`")


def test_the_command_on_the_page_makes_it():
    made = subprocess.run([sys.executable, "-m", "hw.spec.describe"], cwd=ROOT, capture_output=True, check=True).stdout
    assert made.decode() == describe.commands_page()


@pytest.mark.parametrize("name", [*COMMAND_FIELDS, *STREAM_FIELDS, *COUNTERS, *ERRORS, *OPCODES])
def test_every_name_has_a_row_with_a_meaning(name):
    rows = [line for line in describe.commands_page().splitlines() if line.startswith("|") and f" `{name}` |" in line]
    assert rows
    assert all(row.split(" | ")[-1].rstrip("| ") for row in rows)


def test_a_change_of_a_table_is_seen(monkeypatch):
    monkeypatch.setitem(describe.COMMAND_FIELDS, "kernel_rows", (7, False))
    monkeypatch.setitem(commands.MEANINGS, "add", "something else")
    changed = describe.commands_page()
    assert "| 0 to 127 |  | taps vertically |" in changed
    assert "| `add` | 0, 1 |  | something else |" in changed
    assert changed != PAGE.read_text(encoding="utf-8")


def test_the_compact_engine_has_its_column():
    page = describe.commands_page()
    assert "| `tail_steps` | 0 to 31 | 2 | steps of the last" in page
    assert "| `window` | 0, 1 | none | depthwise" in page
    assert "| `blocks` | 0 to 4,095 |  | channel blocks |" in page
