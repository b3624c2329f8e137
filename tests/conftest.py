"""``--times FILE``: what each tier of tests takes, as a page, from the run itself."""

import os
import platform
from collections import defaultdict
from pathlib import Path

import pytest

from hw.tools import PACKAGED, VARIABLE
from sw.models.processor import ask

#: Where one of these is set, pytest explains a failed comparison of two memories line by line, which takes hours.
EXPLAINS_ALL = ("CI", "BUILD_NUMBER")
#: The dearest first: a test counts for the first of its markers.
TIERS = {"slow": "hours; only with `-m slow`", "soc": "builds or simulates the whole SoC",
         "synth": "synthesizes, places or routes", "formal": "proves properties", "sim": "simulates gateware",
         "": "all others"}


#: What is tested is what everybody has, unless a person asks for the native tools.
os.environ.setdefault(VARIABLE, PACKAGED)


class Times:
    """Seconds and tests of each tier, of whichever worker ran them."""

    def __init__(self, path: Path):
        self.path = path
        self.seconds: dict[str, float] = defaultdict(float)
        self.tests: dict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report):
        tier = next(name for name in TIERS if not name or name in report.keywords)
        self.seconds[tier] += report.duration
        self.tests[tier] += report.when == "call" and report.outcome != "skipped"

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter):
        self.path.write_text(self.page(), encoding="utf-8")
        terminalreporter.write_line(f"wrote the time of each tier to {self.path}")

    def page(self) -> str:
        rows = [f"| {f'`{name}`' if name else 'no marker'} | {what} | {self.tests[name]:,} | "
                f"{_spent(self.seconds[name])} |" for name, what in TIERS.items() if self.tests[name]]
        return "\n".join([
            "# What the tests take", "", "<!-- Made by `make test ARGS=\"--times tests/TIMES.md\"`. -->", "",
            f"Work of one core with Python {platform.python_version()}; two workers take about half of it.", "",
            "| tier | what its tests do | tests | time |", "| --- | --- | --- | --- |", *rows,
            f"| all | | {sum(self.tests.values()):,} | {_spent(sum(self.seconds.values()))} |", ""])


def _spent(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def pytest_addoption(parser):
    parser.addoption("--times", type=Path, metavar="FILE", help="write what each tier of tests takes to FILE")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(0))


def pytest_configure(config):
    for name in EXPLAINS_ALL:
        os.environ.pop(name, None)
    ask()       # before any test uses torch, which looks only once
    path = config.getoption("--times")
    if path and not hasattr(config, "workerinput"):      # only in the process that hears of all tests
        config.pluginmanager.register(Times(path), "heddle-times")
