"""What tests take: the page about the time of each tier, and the limit of one test."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from tests.conftest import Times

ROOT = Path(__file__).resolve().parents[1]


def report(seconds, *markers, when="call", outcome="passed"):
    return SimpleNamespace(duration=seconds, keywords=dict.fromkeys(markers, 1), when=when, outcome=outcome)


def test_a_test_counts_once_for_the_dearest_of_its_markers(tmp_path):
    times = Times(tmp_path / "TIMES.md")
    for one in (report(30, when="setup"), report(1), report(100, "sim", "soc"), report(200, "soc"),
                report(0, "sim", outcome="skipped")):
        times.pytest_runtest_logreport(one)
    times.pytest_terminal_summary(SimpleNamespace(write_line=lambda text: None))
    rows = [line for line in (tmp_path / "TIMES.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert rows == ["| `soc` | builds or simulates the whole SoC | 2 | 5 min |",
                    "| no marker | all others | 1 | 31 s |", "| all | | 3 | 6 min |"]


def test_the_option_writes_the_page(tmp_path):
    """With workers, whose tests the page counts once each."""
    page = tmp_path / "TIMES.md"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "1", "--times", page,
                    ROOT / "tests/test_times.py::test_a_test_counts_once_for_the_dearest_of_its_markers"],
                   cwd=ROOT, check=True, capture_output=True)
    assert "| no marker | all others | 1 | 0 s |" in page.read_text()


def test_a_test_that_hangs_is_a_failed_one(tmp_path):
    hanging = tmp_path / "test_hanging.py"
    hanging.write_text("import time\n\n\ndef test_it():\n    time.sleep(60)\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT,
                           "-o", "timeout=1", hanging], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "test_it - Failed: Timeout (>1.0s)" in done.stdout


def test_two_memories_that_differ_are_a_failed_test_at_once(tmp_path):
    """With the ``CI`` of the environment, in which pytest would compare them line by line."""
    differing = tmp_path / "test_differing.py"
    differing.write_text("def test_it():\n    assert bytes(1 << 17) == bytes([1]) * (1 << 17)\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT,
                           "-p", "tests.conftest", "--timeout", "30", differing],
                          cwd=ROOT, capture_output=True, text=True, env=os.environ | {"CI": "true"})
    assert done.returncode == 1 and "Use -v to get more diff" in done.stdout
