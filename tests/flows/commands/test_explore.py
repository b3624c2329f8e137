import json

import pytest

from flows.commands.explore import explore_to
from flows.report.folder import claimed
from flows.search.job import ExploreError
from tests.support.jobs import small_request


@pytest.fixture
def request_(tmp_path, monkeypatch):
    return small_request(tmp_path, monkeypatch)


def test_the_document_is_what_was_written(request_):
    document = explore_to(request_)
    assert json.loads((request_.out / "pareto.json").read_text()) == document
    assert {path.name for path in request_.out.iterdir()} == {".lock", "pareto.json", "points", "study.db", "run.json",
                                                              "report.html", "front.svg"}


def test_again_gives_the_same_and_forgets_old_points(request_):
    first = explore_to(request_)
    (request_.out / "points" / "stale").mkdir()
    assert explore_to(request_) == first
    assert not (request_.out / "points" / "stale").exists()


def test_two_at_once_do_not_mix(request_):
    with claimed(request_.out), pytest.raises(ExploreError, match="another exploration writes to it"):
        explore_to(request_)
