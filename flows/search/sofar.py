"""What a search has found so far, read from its ``study.db`` while it goes on."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from flows.run.typed import from_plain
from flows.search.journal import POINTS
from flows.search.pareto import front_of
from flows.search.point import Point
from hw.spec.errors import HeddleError

__all__ = ["SoFar"]

STUDY = "SELECT study_id, (SELECT count(*) FROM trials WHERE trials.study_id = studies.study_id) FROM studies " \
        "ORDER BY study_id DESC LIMIT 1"
NEWEST = "SELECT study_id FROM trials ORDER BY trial_id DESC LIMIT 1"
ROWS = """SELECT trial_user_attribute_id, value_json FROM trial_user_attributes JOIN trials USING (trial_id)
           WHERE study_id = ? AND trial_user_attribute_id > ? AND key = ?
           ORDER BY trial_user_attribute_id"""


class SoFar:
    """Points of the newest search in a database that may not be there yet; each of them is read once."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self._study, self._last = 0, 0
        self._points: dict[str, Point] = {}
        self._front: list[Point] = []

    def front(self) -> list[Point]:
        """The front of what fits and meets the requirement, the fastest first. It is the last one where the database
        cannot be read now.
        """
        try:
            fresh = self._read()
        except (sqlite3.Error, HeddleError, ValueError):
            fresh = False       # half a second later it can; of another version, never
        if fresh:
            found = front_of([point for point in self._points.values() if point.feasible])
            self._front = sorted(found, key=lambda point: point.metrics.latency_s)
        return self._front

    @property
    def looked(self) -> int:
        """Points that there are, failures among them."""
        return len(self._points)

    def _read(self) -> bool:
        """Whether anything is new."""
        if not self.database.is_file():
            return False
        with closing(sqlite3.connect(f"{self.database.resolve().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            study = self._newest(connection)
            if study != self._study:
                self._study, self._last, self._points = study, 0, {}
            rows = connection.execute(ROWS, (study, self._last, POINTS)).fetchall()
        for self._last, text in rows:
            for each in json.loads(text):
                point = from_plain(Point, each, where=str(self.database))
                self._points[point.id] = point
        return bool(rows) or not self._points

    @staticmethod
    def _newest(connection: sqlite3.Connection) -> int:
        """One that has just begun, else that of the last trial."""
        begun = connection.execute(STUDY).fetchone()
        if not begun or not begun[1]:
            return begun[0] if begun else 0
        return int(connection.execute(NEWEST).fetchone()[0])
