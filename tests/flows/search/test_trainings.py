from pathlib import Path

import pytest

from flows.run.queue import Failure, Result
from flows.run.store import Store
from flows.search import trainings
from flows.search.space import Hardware, Networks, Space
from flows.search.trainings import TrainError, draft_all, inexact, reference_design, train_all
from flows.train.data import DataSource
from flows.train.training import TrainedModel
from sw.quant.recipe import Recipe
from sw.quant.record import TrainingRecord

DATA = DataSource(name="digits", content="d")
EXACT = Space(hardware=Hardware(multipliers=("lut",)), networks=Networks(names=("mlp",), widths=(0.5, 1.0)))


def test_only_a_truncated_multiplier_errs():
    space = Space(hardware=Hardware(multipliers=("dsp", "lut", "trunc")))
    assert inexact(space, 8) == "trunc"
    assert inexact(space, 2) is None
    assert inexact(Space(), 8) is None


def test_reference_design_is_the_fastest():
    design = reference_design(Space(), "trunc", 8)
    assert design.macs_per_cycle == 32
    assert design.requantizers == 4


def trained(task):
    record = TrainingRecord(config=task.config, metric="accuracy", stages=(), curves=(), weights=9, macs=9,
                            seconds=1.0, cpu_seconds=1.0,
                            fake_accuracy=0.9, valid_accuracy=0.9, test_accuracy=0.9)
    return TrainedModel(path=Path(f"{task.config.width}-{task.config.weight_bits}.npz"), record=record)


def queue(fails=lambda config: False, seen=()):
    def run_queue(function, tasks, *, jobs, name, done):
        if isinstance(seen, list):
            seen.extend(task.config for task in tasks)
        results = [Result(task=task, value=Failure(reason="out of memory") if fails(task.config) else trained(task))
                   for task in tasks]
        for result in results:
            done(result)
        return results
    return run_queue


def test_every_network_of_the_space_is_trained_the_wide_ones_first(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(trainings, "run_queue", queue(seen=seen))
    found = train_all(EXACT, Store(tmp_path), DATA, jobs=1)
    assert set(found.trainings.plain) == set(EXACT.configs()) == set(seen)
    assert [config.width for config in seen] == [1.0] * 3 + [0.5] * 3
    assert found.feedback is None and found.comparison is None and not found.failures
    assert len(list(Space().configs())) == 27


def test_augmentation_is_switched_off_by_the_space():
    assert {config.recipe.augment for config in Space().configs()} == {"data"}
    assert {config.recipe.augment for config in Space(recipe=Recipe(augment="none")).configs()} == {"none"}


def test_one_that_fails_is_recorded_and_the_others_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr(trainings, "run_queue", queue(fails=lambda config: config.weight_bits == 4))
    found = train_all(EXACT, Store(tmp_path), DATA, jobs=1)
    assert {config.weight_bits for config in found.trainings.plain} == {8, 2}
    assert [(item.id, item.doing, item.reason) for item in found.failures] == [
        (f"mlp width {width}, 4 bits, seed 1", "training", "out of memory") for width in ("1", "0.5")]


def test_none_at_all_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(trainings, "run_queue", queue(fails=lambda config: True))
    with pytest.raises(TrainError, match=r"^no network could be trained: out of memory$"):
        train_all(EXACT, Store(tmp_path), DATA, jobs=1)


def test_a_network_that_no_design_runs_is_not_trained(monkeypatch, tmp_path):
    """The compiler's line stands where its training would."""
    seen, lines = [], []
    monkeypatch.setattr(trainings, "run_queue", queue(seen=seen))
    monkeypatch.setattr(trainings, "note", lines.append)
    monkeypatch.setattr(trainings.Draft, "value", lambda step, store: "too large" if step.config.width == 1 else "")
    refused = draft_all(EXACT, Store(tmp_path), DATA)
    assert {(config.width, line) for config, line in refused.items()} == {(1.0, "too large")}
    found = train_all(EXACT, Store(tmp_path), DATA, jobs=1, refused=refused)
    assert {config.width for config in seen} == {0.5}
    assert [(item.id, item.doing, item.reason) for item in found.failures] == [
        (f"mlp width 1, {bits} bits, seed 1", "compiling, before training", "too large") for bits in (8, 4, 2)]
    assert found.trainings.failed == refused and lines[0] == "not trained: mlp width 1, 8 bits, seed 1: too large"


def test_each_network_is_tried_on_every_array_of_its_width_until_one_runs_it(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(trainings.Draft, "value", lambda step, store: asked.append(step) or "")
    assert draft_all(EXACT, Store(tmp_path), DATA) == {}
    assert len(asked) == 6
    for step in asked:
        assert {design.weight_bits for design in step.designs} == {step.config.weight_bits}
        assert len({design.fingerprint for design in step.designs}) == len(step.designs) > 5
