from dataclasses import replace

import pytest

from flows.run.progress import listening
from flows.search.point import Point
from flows.search.space import FeedbackPlan, Hardware, Measure, Networks, Search, Space
from flows.search.study import Study
from flows.search.worth import Requirement
from flows.train.data import DataSource
from sw.quant.recipe import Recipe
from tests.support.listener import Heard
from tests.support.points import metrics

SPACE = Space(networks=Networks(names=("mlp",)), search=Search(trials=5, startup=2))


@pytest.fixture
def study(tmp_path):
    (tmp_path / "model.npz").write_bytes(b"weights")
    return Study(space=SPACE, data=DataSource(name="d", content="d"), requirement=Requirement(),
                 models=(tmp_path / "model.npz",))


def test_what_decides_the_points_starts_a_new_study(study, tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "model.npz"
    other.write_bytes(b"others")
    changes = [{"space": replace(SPACE, search=Search(trials=6, startup=2))},
               {"space": replace(SPACE, hardware=Hardware(clock_mhz=40.0))},
               {"space": replace(SPACE, recipe=Recipe(augment="none"))},
               {"requirement": Requirement(min_accuracy=0.9)}, {"data": DataSource(name="d", content="e")},
               {"models": (other,)}]
    assert len({study.digest, *(replace(study, **change).digest for change in changes)}) == len(changes) + 1


def test_what_comes_after_the_search_does_not(study):
    for change in ({"measure": Measure(points=9)}, {"feedback": FeedbackPlan(seeds=3)}):
        assert replace(study, space=replace(SPACE, **change)).digest == study.digest


def test_a_study_goes_on_where_it_stopped_and_another_starts_anew(study, tmp_path):
    looked = []

    def evaluate(candidate):
        looked.append(candidate)
        return Point(candidate=candidate, estimated=metrics(0.9, 1e-5, 1000 + len(candidate.id)))

    evaluate.trained = lambda candidate: True
    heard = Heard()
    with listening(heard):
        first = study.points(evaluate, tmp_path / "study.db")
    assert len(first) == len(looked) == 5 and heard.works == [("searching", 5), "ended"]
    assert study.points(evaluate, tmp_path / "study.db") == first
    assert len(looked) == 5
    replace(study, requirement=Requirement(max_latency_s=1.0)).points(evaluate, tmp_path / "study.db")
    assert len(looked) == 10
