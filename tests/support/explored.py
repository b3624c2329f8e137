"""A small search as its user starts it, in a folder with a store of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["COUNTED", "SPACE", "Search"]

ROOT = Path(__file__).resolve().parents[2]
COUNTED = ROOT / "tests" / "support" / "counted.py"
#: Four trainings of seconds; nothing is measured.
SPACE = """
[networks.mlp]
width = 0.5
[networks.strided]
width = 0.5
[precision]
weight_bits = [8, 4]
[hardware]
geometries = [[1, 2, 4], [2, 4, 4]]
[recipe]
passes = 3
[measure]
points = 0
"""


class Search:
    """One search: its folder has the store, what it writes, and a note of all results that were made."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        folder.mkdir(parents=True)
        (folder / "space.toml").write_text(SPACE, encoding="utf-8")

    def start(self) -> subprocess.Popen:
        """It goes on where it was."""
        log = (self.folder / "log").open("ab")
        with log:
            return subprocess.Popen([sys.executable, COUNTED, "explore", "--space", self.folder / "space.toml", "--out",
                                     self.folder / "out", *self.options], cwd=self.folder, stdout=log, stderr=log,
                                    env={**os.environ, "PYTHONPATH": str(ROOT), "HEDDLE_CACHE": str(self.store.parent),
                                         "HEDDLE_MADE": str(self.folder / "made")})

    def finish(self) -> list:
        """Its front, once it has come to its end."""
        assert self.start().wait() == 0, (self.folder / "log").read_text(encoding="utf-8")
        return json.loads((self.folder / "out" / "pareto.json").read_text(encoding="utf-8"))["points"]

    @property
    def store(self) -> Path:
        return self.folder / "store" / "v1"

    @property
    def results(self) -> set[str]:
        return {path.name for path in self.store.glob("entries/*/*/*")}

    @property
    def made(self) -> list[str]:
        """A name for every time that a result was made, by whichever process."""
        return (self.folder / "made").read_text(encoding="utf-8").split()
