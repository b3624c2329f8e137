from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.run.queue import Failure, Result
from flows.run.store import Store
from flows.search import measure
from flows.search.candidate import NetworkChoice
from flows.search.measure import Measured, Measurer, measure_best
from flows.search.point import Measurement, Point
from flows.search.space import Measure, Space
from flows.train.data import DataSource
from flows.verify.compare import KernelReport, Mismatch, VerifyReport
from tests.support.jobs import digit_classifier
from tests.support.points import ASSIGNMENT, CANDIDATE, point


class StandIn:
    """An evaluator whose models and data are known, by the network's name."""

    def model(self, candidate):
        return Path(f"{candidate.network.name}.npz")

    def data(self, network):
        return None if network.name == "blind" else DataSource(name=network.name, content="d")


def measured_as(lut_factor=1.1, failing=()):
    """Instead of the processes: measures in this one, failing where told."""
    seen = []

    def run_queue(function, tasks, *, jobs, wanted, name, done):
        good = 0
        for task in tasks:
            seen.append(task.candidate.network.name)
            metrics = replace(task.estimate, lut=round(task.estimate.lut * lut_factor))
            measurement = Measurement(metrics=metrics, checks=(), layers=(), assignment=ASSIGNMENT, seed=1,
                                      bitstream="heddle.bit")
            value = (Failure(reason="timing", doing="routing") if seen[-1] in failing
                     else Measured(files={}, measurement=measurement))
            done(Result(task=task, value=value))
            good += not isinstance(value, Failure)
            if good == wanted:
                break
    return run_queue, seen


FRONT = [point("best", 0.99, 9.0, 9000), point("fast", 0.975, 1.0, 9000), point("tiny", 0.972, 9.0, 1000),
         point("mid", 0.98, 5.0, 5000), point("poor", 0.5, 0.5, 900)]


def choose(monkeypatch, tmp_path, points, wanted=3, **behaviour):
    run_queue, seen = measured_as(**behaviour)
    monkeypatch.setattr(measure, "run_queue", run_queue)
    found = measure_best(Space(measure=Measure(points=wanted)), Store(tmp_path), StandIn(), points, jobs=1)
    return {item.candidate.network.name: item for item in found.points}, found.failures, seen


def test_extremes_of_the_accurate_ones_first(monkeypatch, tmp_path):
    found, failures, seen = choose(monkeypatch, tmp_path, FRONT)
    assert seen == ["best", "fast", "tiny"]
    assert failures == ()
    assert {name for name, item in found.items() if item.measurement} == set(seen)


def test_estimates_learn_from_measurements(monkeypatch, tmp_path):
    found, _, _ = choose(monkeypatch, tmp_path, FRONT)
    assert found["mid"].metrics.lut == 5500
    assert found["mid"].estimate.lut == 5000


def test_a_failed_point_is_recorded_and_the_next_best_is_tried(monkeypatch, tmp_path):
    found, failures, seen = choose(monkeypatch, tmp_path, FRONT, failing=("fast",))
    assert seen == ["best", "fast", "tiny", "mid"]
    assert [(item.id.split("-")[0], item.doing, item.reason) for item in failures] == [("fast", "routing", "timing")]
    assert "fast" not in found


def test_an_accurate_one_is_looked_for_before_others(monkeypatch, tmp_path):
    points = [point("best", 0.99, 9.0, 9000), point("poor", 0.5, 0.5, 900), point("tiny", 0.975, 9.0, 1000)]
    _, _, seen = choose(monkeypatch, tmp_path, points, wanted=1, failing=("best",))
    assert seen == ["best", "tiny"]


def test_accurate_is_what_is_accurate_on_the_validation_split(monkeypatch, tmp_path):
    lucky = replace(FRONT[4], estimated=replace(FRONT[4].estimate, accuracy=1.0))
    _, _, seen = choose(monkeypatch, tmp_path, [lucky, FRONT[0]], wanted=1)
    assert seen == ["best"]


def test_what_does_not_fit_is_never_measured(monkeypatch, tmp_path):
    points = [FRONT[0], point("wide", 1.0, 0.1, 10, violations={"dsp": 0.5}),
              Point(candidate=replace(CANDIDATE, network=NetworkChoice(name="broken")), failure="no")]
    found, _, seen = choose(monkeypatch, tmp_path, points)
    assert seen == ["best"] and set(found) == {"best"}


def test_each_is_measured_with_its_own_model_and_data(monkeypatch, tmp_path):
    points, asked = [*FRONT[:2], point("blind", 0.98, 2.0, 2000)], []
    monkeypatch.setattr(measure, "run_queue", lambda measurer, tasks, **more: asked.append(measurer) or [
        more["done"](Result(task=task, value=Failure(reason="no"))) for task in tasks])
    measure_best(Space(), Store(tmp_path), StandIn(), points, jobs=1)
    measurer, = asked
    assert {name.split("-")[0]: model for name, model in measurer.models.items()} == {
        name: Path(f"{name}.npz") for name in ("best", "fast", "blind")}
    assert {name.split("-")[0]: data and data.name for name, data in measurer.data.items()} == {
        "best": "best", "fast": "fast", "blind": None}


def report(**changes):
    return VerifyReport(**{"model": "m", "design": "d", "board": "b", "level": "soc", "inputs": 2, "mismatches": 0,
                           "first_mismatch": None, "cycles": (12, 14), "engine_cycles": (9, 9), "predicted_cycles": 9,
                           "layers": (), **changes})


def test_what_a_rung_found_is_a_check_or_an_error():
    check = measure._check(measure._passed(report()))
    assert (check.cycles, check.engine_cycles, check.predicted_cycles) == (14, 9, 9)
    wrong = Mismatch(input=1, layer="fc", what="value", channel=0, position=(0, 0), expected=3, got=4)
    with pytest.raises(measure.MeasureError, match=r"^soc: 2 mismatches, the first: input 1, layer fc, channel 0"):
        measure._passed(report(mismatches=2, first_mismatch=wrong))


def test_what_the_cpu_took_is_what_the_soc_counted():
    kernels = (KernelReport(name="answer", op="softmax", cycles=1960), KernelReport(name="again", op="table", cycles=4))
    assert measure._cpu_cycles(report(kernels=kernels)) == 1964 and measure._cpu_cycles(report()) == 0


def test_without_data_vectors_are_run_and_their_answers_compared(monkeypatch, tmp_path):
    """Else random inputs, as ``heddle verify`` takes them."""
    graph, asked = digit_classifier(), []
    graph.save(tmp_path / "model.npz")
    inputs = np.arange(3 * 64, dtype=np.uint8).view(np.int8).reshape(3, 8, 8, 1)
    np.savez(tmp_path / "v.npz", inputs=inputs, outputs=np.ones((3, 1, 1, 10), np.int8))

    def verification(**given):
        asked.append((given["inputs"][0], given["outputs"]))
        raise measure.MeasureError("enough")

    monkeypatch.setattr(measure, "Verification", verification)
    one = point("a", 0.9, 1, 1)
    for vectors in (tmp_path / "v.npz", None):
        measurer = Measurer(store=Store(tmp_path / "store"), data={one.id: None}, vectors=vectors, inputs=2,
                            clock_mhz=50.0, models={one.id: tmp_path / "model.npz"})
        with pytest.raises(measure.MeasureError, match="enough"):
            measurer(one)
    (first, answers), (random, none) = asked
    assert np.array_equal(first, inputs[:2]) and answers[0].shape == (2, 1, 1, 10) and np.all(answers[0] == 1)
    assert random.shape == (2, 8, 8, 1) and len(np.unique(random)) > 50 and none is None
