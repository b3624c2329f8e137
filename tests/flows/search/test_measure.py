import json
from dataclasses import replace

import pytest

from flows.estimate.memories import fit_memories
from flows.report.console import Display
from flows.report.folder import Point, front_of
from flows.run.queue import Failure, Result
from flows.run.store import Store
from flows.search import measure
from flows.search.measure import choose_measured
from flows.search.sampler import Outcome
from flows.search.space import Candidate, Measure, Space
from flows.search.worth import Budget
from tests.sw.golden.nets import small_net

CANDIDATE = Candidate(network="small", width=1.0, weight_bits=8, rows=2, cols=4, lanes=4, multiplier="dsp",
                      requantizers=1, board="ulx3s-25")
PROGRAM = fit_memories(small_net(1), CANDIDATE.design())


def outcome(name, accuracy, latency_s, lut, **more):
    metrics = {"accuracy": accuracy, "latency_s": latency_s, "lut": lut, "cycles": 10, "clock_mhz": 50.0,
               "fmax_mhz": 60.0, "timing_met": True, "ff": 1, "dsp": 1, "bram": 1, "energy_j": 1e-6}
    return Outcome(candidate=replace(CANDIDATE, network=name), metrics=metrics, **more)


class StandIn:
    """An evaluator whose every network is the same small one; ``large`` needs the large board."""

    def __init__(self, outcomes):
        self.known = {item.candidate.network: item for item in outcomes}

    def __call__(self, candidate):
        small = candidate.network == "large" and candidate.board == "ulx3s-25"
        return replace(self.known[candidate.network], candidate=candidate, violations={"dsp": 1.0} if small else {})

    def program(self, candidate):
        return PROGRAM

    def model(self, candidate):
        return "model.npz"


def measured_as(lut_factor=1.1, failing=()):
    """Instead of the processes: measures in this one, failing where told."""
    seen = []

    def run_queue(function, tasks, *, jobs, wanted, name, hear, done):
        good = 0
        for task in tasks:
            seen.append(task.id.split("-")[0])
            value = Failure(reason="timing", stage="routing") if seen[-1] in failing else {
                "metrics": {"lut": round(LUT[seen[-1]] * lut_factor)}, "checks": [{}], "layers": [], "seed": 1}
            done(Result(task=task, value=value))
            good += not isinstance(value, Failure)
            if good == wanted:
                break
    return run_queue, seen


FRONT = [outcome("best", 0.99, 9.0, 9000), outcome("fast", 0.975, 1.0, 9000), outcome("tiny", 0.972, 9.0, 1000),
         outcome("mid", 0.98, 5.0, 5000), outcome("poor", 0.5, 0.5, 900)]
LUT = {item.candidate.network: item.metrics["lut"] for item in FRONT}


def choose(monkeypatch, tmp_path, outcomes, points=3, **behaviour):
    run_queue, seen = measured_as(**behaviour)
    monkeypatch.setattr(measure, "run_queue", run_queue)
    space = Space(measure=Measure(points=points))
    found, failures = choose_measured(space, Store(tmp_path), "digits", StandIn(outcomes), outcomes, jobs=1,
                                      display=Display(quiet=True))
    return {point.outcome.candidate.network: point for point in found}, failures, seen


def test_extremes_of_the_accurate_ones_first(monkeypatch, tmp_path):
    found, failures, seen = choose(monkeypatch, tmp_path, FRONT)
    assert seen == ["best", "fast", "tiny"]
    assert failures == []
    assert {name for name, point in found.items() if point.measured} == set(seen)


def test_estimates_learn_from_measurements(monkeypatch, tmp_path):
    found, _, _ = choose(monkeypatch, tmp_path, FRONT)
    assert found["mid"].metrics["lut"] == 5500
    assert found["mid"].outcome.metrics["lut"] == 5000


def test_a_failed_point_is_recorded_and_the_next_best_is_tried(monkeypatch, tmp_path):
    found, failures, seen = choose(monkeypatch, tmp_path, FRONT, failing=("fast",))
    assert seen == ["best", "fast", "tiny", "mid"]
    assert [(item["id"].split("-")[0], item["stage"], item["reason"]) for item in failures] == [
        ("fast", "routing", "timing")]
    assert "fast" not in found


def test_an_accurate_one_is_looked_for_before_others(monkeypatch, tmp_path):
    outcomes = [outcome("best", 0.99, 9.0, 9000), outcome("poor", 0.5, 0.5, 900), outcome("tiny", 0.975, 9.0, 1000)]
    _, _, seen = choose(monkeypatch, tmp_path, outcomes, points=1, failing=("best",))
    assert seen == ["best", "tiny"]


def test_what_does_not_fit_is_never_measured(monkeypatch, tmp_path):
    outcomes = [FRONT[0], outcome("wide", 1.0, 0.1, 10, violations={"dsp": 0.5}),
                Outcome(candidate=replace(CANDIDATE, network="broken"), failure="no")]
    found, _, seen = choose(monkeypatch, tmp_path, outcomes)
    assert seen == ["best"] and set(found) == {"best"}


def test_each_is_on_the_smallest_board_that_it_fits(monkeypatch, tmp_path):
    outcomes = [replace(item, candidate=replace(item.candidate, board="ulx3s-85"))
                for item in (FRONT[0], outcome("large", 0.97, 0.1, 10))]
    found, _, _ = choose(monkeypatch, tmp_path, outcomes, points=1)
    assert {name: item.outcome.candidate.board for name, item in found.items()} == {"best": "ulx3s-25",
                                                                                   "large": "ulx3s-85"}


def point(name, accuracy, latency_s, lut, measured=False):
    metrics = {"metrics": {"lut": lut}} if measured else {}
    return Point(outcome=outcome(name, accuracy, latency_s, lut), program=PROGRAM, model="m", measured=metrics)


def names(points):
    return [item.outcome.candidate.network for item in points]


@pytest.mark.parametrize("estimate", [(0.99, 1.0, 90), (0.97, 3.0, 110), (0.98, 2.0, 100)])
def test_an_estimate_never_beats_a_measurement(estimate):
    measured = point("measured", 0.98, 2.0, 100, measured=True)
    assert names(front_of([point("estimate", *estimate), measured])) == ["measured"]


def test_a_measured_point_can_beat_another():
    good, bad = point("good", 0.98, 2.0, 100, measured=True), point("bad", 0.97, 2.0, 100, measured=True)
    other = point("other", 0.5, 0.1, 100)
    assert names(front_of([bad, good, other])) == ["good", "other"]


def test_budget():
    metrics = FRONT[0].metrics
    assert Budget().violations(metrics, {"lut": 9000, "dsp": 28}) == {}
    over = Budget(max_latency_s=4.5, min_accuracy=0.995).violations(metrics, {"lut": 6000, "dsp": 28, "spram": 0})
    assert over == {"lut": 0.5, "latency_s": 1.0, "accuracy": pytest.approx(0.005)}
    slow = metrics | {"fmax_mhz": 40.0}
    assert Budget().violations(slow, {}) == {"fmax_mhz": 0.25}
    json.dumps(over)
