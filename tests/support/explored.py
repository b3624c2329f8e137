"""A small search as its user starts it, in a folder with a store of its own."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
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


TIME = re.compile(rb'"(?:seconds|step_s|cpu_seconds)": [0-9.e-]+')
#: Of ``study.db``: all that there is but for times.
TRIALS = """SELECT number, state, objective, value, key, value_json FROM trials LEFT JOIN trial_values USING (trial_id)
            LEFT JOIN trial_user_attributes USING (trial_id) ORDER BY number, objective, key"""


class Search:
    """One search: its folder has the store, what it writes, and a note of all results that were made."""

    def __init__(self, folder: Path, *options: str, space: str = SPACE) -> None:
        self.folder, self.options = folder, options
        folder.mkdir(parents=True)
        (folder / "space.toml").write_text(space, encoding="utf-8")

    def start(self) -> subprocess.Popen:
        """It goes on where it was."""
        log = (self.folder / "log").open("ab")
        with log:
            return subprocess.Popen([sys.executable, COUNTED, "explore", "--space", self.folder / "space.toml", "--out",
                                     self.folder / "out", *self.options], cwd=self.folder, stdout=log, stderr=log,
                                    env={**os.environ, "PYTHONPATH": str(ROOT), "HEDDLE_CACHE": str(self.store.parent)})

    def finish(self) -> list:
        """Its front, once it has come to its end."""
        assert self.start().wait() == 0, self.log
        return json.loads((self.folder / "out" / "pareto.json").read_text(encoding="utf-8"))["points"]

    @property
    def log(self) -> str:
        """What it said, of all its processes."""
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def written(self) -> dict[str, str]:
        """Digests of all that it leaves and that is the same of the same search: times are not."""
        out = self.folder / "out"
        return {path.relative_to(out).as_posix(): sha256(_timeless(path)).hexdigest() for path in out.rglob("*")
                if path.is_file()}

    @property
    def store(self) -> Path:
        return self.folder / "store" / "v1"

    @property
    def results(self) -> set[str]:
        return {path.name for path in self.store.glob("entries/*/*/*")}

    @property
    def made(self) -> list[str]:
        """The name of a result for every time that it was made, by whichever process."""
        return (self.folder / "made").read_text(encoding="utf-8").split()


def _timeless(path: Path) -> bytes:
    """What a file holds."""
    if path.name != "study.db":
        return TIME.sub(b"", path.read_bytes())
    with closing(sqlite3.connect(path)) as database:
        return repr(database.execute(TRIALS).fetchall()).encode()
