from dataclasses import replace

import pytest

from flows.run.store import Store
from flows.search.space import Networks, Space
from flows.search.worth import Evaluator, Requirement, Trainings
from flows.train.accuracy import Score
from flows.train.data import DataSource
from flows.train.intervals import wilson
from tests.support.points import CANDIDATE, metrics
from tests.sw.golden.nets import small_net

METRICS = metrics(0.99, 9.0, 9000)


def test_each_limit_is_named_with_its_share():
    assert Requirement().violations(METRICS, {"lut": 9000, "dsp": 28}) == {}
    over = Requirement(max_latency_s=4.5, min_accuracy=0.995).violations(METRICS, {"lut": 6000, "dsp": 28, "spram": 0})
    assert over == {"lut": 0.5, "latency_s": 1.0, "valid_accuracy": pytest.approx(0.005)}
    assert Requirement().violations(metrics(0.99, 9.0, 9000, fmax_mhz=40.0), {}) == {"fmax_mhz": 0.25}


def test_accuracy_is_asked_of_the_validation_split():
    lucky = replace(METRICS, accuracy=1.0)
    assert set(Requirement(min_accuracy=0.995).violations(lucky, {})) == {"valid_accuracy"}
    assert Requirement(min_accuracy=0.985).violations(replace(METRICS, accuracy=0.5), {}) == {}


@pytest.fixture
def evaluator(tmp_path, monkeypatch):
    space = Space(networks=Networks(names=("small",)))
    small_net(1).save(tmp_path / "model.npz")
    config = space.config("small", 1.0, 8)
    found = Evaluator(store=Store(tmp_path / "store"), data=DataSource(name="none", content="c"), space=space,
                      trainings=Trainings(plain={config: tmp_path / "model.npz"}), requirement=Requirement())
    scores = {"valid": Score(right=9, count=12), "test": Score(right=1, count=2)}
    monkeypatch.setattr(found, "score", lambda candidate, split: scores[split])
    return found


def test_a_candidate_has_exact_cycles_and_the_memories_that_it_needs(evaluator):
    point = evaluator(CANDIDATE)
    program = evaluator.program(CANDIDATE)
    assert not point.failure and point.metrics.valid_accuracy == 0.75
    assert (point.metrics.accuracy, point.metrics.test_interval) == (0.5, wilson(1, 2))
    assert point.metrics.cycles == program.cycles and point.design == program.design
    assert point.design.act_bytes < CANDIDATE.design().act_bytes


def test_without_data_there_is_no_accuracy_and_none_is_missed(evaluator):
    without = Evaluator(store=evaluator.store, data=None, space=evaluator.space, trainings=evaluator.trainings,
                        requirement=Requirement(min_accuracy=0.99))
    found = without(CANDIDATE)
    assert set(found.violations) == {"dsp"} and found.metrics.cycles == evaluator(CANDIDATE).metrics.cycles
    assert [found.metrics.accuracy, found.metrics.valid_accuracy, found.metrics.test_interval] == [None] * 3


def test_a_given_design_keeps_its_memories(evaluator):
    given = replace(CANDIDATE.design(), act_bytes=8192, weight_bytes=3072)
    evaluator.space = evaluator.space.on(given, ("ulx3s-25", "ulx3s-85"))
    found = evaluator(replace(CANDIDATE, board="ulx3s-85"))
    assert found.design == replace(given, board="ulx3s-85")
    evaluator.space, evaluator._programs = evaluator.space.on(replace(given, weight_bytes=1024), ("ulx3s-25",)), {}
    assert "weight_bytes" in evaluator(CANDIDATE).failure


def test_what_cannot_be_compiled_is_a_point_with_its_reason(evaluator, monkeypatch):
    from flows.search import worth
    from sw.compiler import CompileError

    def refuse(*arguments):
        raise CompileError("layer 0: too large")

    monkeypatch.setattr(worth, "fit_memories", refuse)
    point = evaluator(CANDIDATE)
    assert (point.failure, point.feasible, point.design) == ("layer 0: too large", False, None)


def test_a_candidate_without_a_network_says_why(evaluator):
    wide = replace(CANDIDATE, width=2.0)
    config = evaluator.space.config("small", 2.0, CANDIDATE.weight_bits)
    evaluator.trainings = replace(evaluator.trainings, failed={config: "the training does not converge"})
    assert evaluator.trained(CANDIDATE) and not evaluator.trained(wide)
    assert evaluator(wide).failure == "small width 2, 8 bits, seed 1: was not trained: the training does not converge"
