import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.search.job import explore
from flows.search.pareto import front_of
from flows.search.sofar import SoFar
from tests.support.jobs import small_request


def ids(points):
    return {point.id for point in points}


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """What a search found, and its database."""
    with pytest.MonkeyPatch.context() as patch:
        request = small_request(tmp_path_factory.mktemp("run"), patch)
        return explore(request).exploration, request.out / "study.db"


@pytest.fixture
def database(explored, tmp_path):
    return Path(shutil.copy(explored[1], tmp_path / "study.db"))


def test_the_front_is_that_of_what_was_looked_at(explored, database):
    found, so_far = explored[0], SoFar(database)
    front = so_far.front()
    assert ids(front) == ids(front_of([point for point in found.trials if point.feasible])) != set()
    assert [point.metrics.latency_s for point in front] == sorted(point.metrics.latency_s for point in front)
    assert so_far.looked >= len(found.trials)
    assert so_far.front() is front      # nothing is new


def test_before_there_is_a_database_nothing_is_found_and_later_it_is(database, tmp_path):
    so_far = SoFar(tmp_path / "later.db")
    assert (so_far.front(), so_far.looked) == ([], 0)
    shutil.copy(database, tmp_path / "later.db")
    assert so_far.front() != []


def test_a_search_that_has_just_begun_hides_the_one_before(database):
    so_far = SoFar(database)
    assert so_far.front() != []
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO studies (study_name) VALUES ('another')")
    assert (so_far.front(), so_far.looked) == ([], 0)


def test_a_database_that_cannot_be_read_now_leaves_what_was_read(database):
    so_far = SoFar(database)
    before = so_far.front()
    database.write_bytes(b"damaged")
    assert so_far.front() == before != []
