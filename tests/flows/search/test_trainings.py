from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from flows.run.executor import guarded
from flows.run.queue import Failure, Result
from flows.run.store import Store
from flows.search import trainings
from flows.search.space import Family, Hardware, Precision, Search, Space, families
from flows.search.supernet import Learned
from flows.search.trainings import Trained, Trainer, TrainError, draft_all, inexact, reference_design
from flows.search.worth import Trainings
from flows.train.data import DataSource
from flows.train.training import TrainedModel
from hw.spec.feedback import Feedback, NoiseProfile
from hw.spec.presets import PRESETS
from sw.graph.graph import Graph
from sw.quant.recipe import QuantError, Recipe
from sw.quant.record import TrainingRecord
from tests.support.rivals import rivals

DATA = DataSource.of("digits")
EXACT = Space(hardware=Hardware(multipliers=("lut",)), networks=families("mlp", width=(0.5, 1.0)))
ERRING = replace(EXACT, hardware=replace(EXACT.hardware, multipliers=("lut", "trunc")),
                 precision=Precision(weight_bits=(8, 2)))
NOISE = NoiseProfile(multiplier="trunc", weight_bits=8, mean=(0.0,) * 256, variance=(0.0,) * 256, pairs=65536,
                     simulator="s")


def test_only_a_truncated_multiplier_errs():
    space = Space(hardware=Hardware(multipliers=("dsp", "lut", "trunc")))
    assert inexact(space, 8) == "trunc"
    assert inexact(space, 2) is None
    assert inexact(Space(), 8) is None


def test_reference_design_is_the_fastest():
    design = reference_design(Space(), "trunc", 8)
    assert design.macs_per_cycle == 32
    assert design.requantizers == 4
    given = Space().on(PRESETS["ecp5-25"], ("ulx3s-25",))
    assert reference_design(given, "dsp", 8) == PRESETS["ecp5-25"]


def trained(task):
    record = TrainingRecord(config=task.config, metric="accuracy", stages=(), curves=(), weights=9, macs=9,
                            seconds=1.0, cpu_seconds=1.0, fake_accuracy=0.9, test_accuracy=0.9,
                            valid_accuracy=round(task.config.recipe.passes / 100, 3))
    informed = "-noisy" if task.feedback else ""
    return TrainedModel(path=Path(f"{task.config.width}-{task.config.weight_bits}{informed}.npz"), record=record)


def queue(fails=lambda config: False, seen=()):
    """In the place of processes: ends the last task first."""
    def run_queue(function, tasks, *, jobs, name, done):
        if isinstance(seen, list):
            seen.extend(tasks)
        results = [Result(task=task, value=Failure(reason="out of memory") if fails(task.config) else trained(task))
                   for task in tasks]
        for result in reversed(results):
            done(result)
        return results
    return run_queue


def trainer(tmp_path, space=EXACT):
    return Trainer(store=Store(tmp_path), sources={choice.data: DATA for choice in space.choices}, space=space, jobs=1)


def test_every_network_is_trained_the_wide_ones_first(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(trainings, "run_queue", queue(seen=seen))
    found = trainer(tmp_path).train(EXACT.choices)
    assert set(found.trainings.plain) == set(EXACT.choices) and len(found.records) == 6
    assert [task.config for task in seen] == [EXACT.config(choice) for choice in sorted(
        EXACT.choices, key=lambda choice: -choice.values["width"])]
    assert found.trainings.plain[EXACT.choices[0]] == Path("0.5-8.npz")
    assert found.feedback is None and found.comparison is None and not found.failures


def test_each_has_the_data_with_its_own_options(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(trainings, "run_queue", queue(seen=seen))
    space = replace(EXACT, data=(("valid", ("0.1", "0.2")),), precision=Precision(weight_bits=(8,)))
    sources = {choice.data: DataSource(name=space.source(choice, "digits"), content="d") for choice in space.choices}
    Trainer(store=Store(tmp_path), sources=sources, space=space, jobs=1).train(space.choices)
    assert sorted((task.config.width, task.data.name) for task in seen) == [
        (width, f"digits,valid={share}") for width in (0.5, 1.0) for share in ("0.1", "0.2")]


def test_one_that_fails_is_recorded_and_the_others_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr(trainings, "run_queue", queue(fails=lambda config: config.weight_bits == 4))
    found = trainer(tmp_path).train(EXACT.choices)
    assert {choice.weight_bits for choice in found.trainings.plain} == {8, 2}
    assert [(item.id, item.doing, item.reason) for item in found.failures] == [
        (f"mlp-{width}-w4", "training", "out of memory") for width in ("1", "0.5")]


def test_a_short_training_has_a_share_of_the_passes(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(trainings, "run_queue", queue(seen=seen, fails=lambda config: config.weight_bits == 2))
    found = trainer(tmp_path).short(EXACT.choices, 0.25)
    recipe = EXACT.config(EXACT.choices[0]).recipe
    whole = recipe.inputs(1, 1257) / 1257
    passes, = {task.config.recipe.passes for task in seen}
    assert passes == pytest.approx(whole / 4, rel=0.01)
    assert set(found.accuracies) == {choice for choice in EXACT.choices if choice.weight_bits != 2}
    assert set(found.accuracies.values()) == {round(passes / 100, 3)}
    assert {each.reason for each in found.failures} == {"out of memory"} and len(found.failures) == 2
    assert {replace(task.config, recipe=recipe) for task in seen} == {
        EXACT.config(choice) for choice in EXACT.choices}


def test_where_products_err_networks_are_trained_with_what_was_measured_too(monkeypatch, tmp_path):
    seen, asked = [], []

    def make_feedback(store, design, clock_mhz, models):
        asked.append((design.weight_bits, sorted(config.width for config in models)))
        return Feedback(design="d", fingerprint=1, clock_mhz=clock_mhz, noise=NOISE, latency=())

    monkeypatch.setattr(trainings, "run_queue", queue(seen=seen))
    monkeypatch.setattr(trainings, "make_feedback", make_feedback)
    monkeypatch.setattr(trainings, "compare", lambda *given, **more: rivals())
    found = trainer(tmp_path, ERRING).train(ERRING.choices)
    assert asked == [(8, [0.5, 1.0])]       # products of ternary weights are exact
    wide = {choice for choice in ERRING.choices if choice.weight_bits == 8}
    assert set(found.trainings.plain) == set(ERRING.choices) and set(found.trainings.noisy) == wide
    assert set(found.trainings.noisy.values()) == {Path("0.5-8-noisy.npz"), Path("1.0-8-noisy.npz")}
    assert [task.feedback is not None for task in seen] == [False] * 4 + [True] * 2
    assert found.feedback == found.trainings.feedback[8] and found.comparison.rivals == rivals()
    assert len(found.records) == 4


def test_what_came_of_two_batches_is_that_of_both(monkeypatch, tmp_path):
    monkeypatch.setattr(trainings, "run_queue", queue(fails=lambda config: config.weight_bits == 4))
    one = trainer(tmp_path)
    assert one.train(EXACT.choices[:3]) | one.train(EXACT.choices[3:]) == replace(
        one.train(EXACT.choices), records=one.train(EXACT.choices[:3]).records + one.train(EXACT.choices[3:]).records,
        failures=one.train(EXACT.choices[:3]).failures + one.train(EXACT.choices[3:]).failures)
    assert Trained() | Trained() == Trained() and Trainings() | Trainings() == Trainings()


def here(function, tasks, *, jobs, name, done):
    """In this process, the last task first: errors become what workers make of them."""
    results = {task: Result(task=task, value=guarded(partial(function, task), name(task))) for task in reversed(tasks)}
    for result in results.values():
        done(result)
    return [results[task] for task in tasks]


@pytest.fixture
def drafts(monkeypatch, tmp_path):
    """Of a space, in one process."""
    monkeypatch.setattr(trainings, "run_queue", here)
    lines = []
    monkeypatch.setattr(trainings, "note", lines.append)

    def made(space):
        sources = {choice.data: DATA for choice in space.choices}
        return draft_all(space, Store(tmp_path / "store"), sources, space.choices, jobs=1), lines
    return made


TINY = replace(EXACT, networks=families("mlp", width=(0.25, 0.5)), precision=Precision(weight_bits=(8,)),
               hardware=replace(EXACT.hardware, geometries=((1, 2, 4),), requantizers=(1,)))


def test_drafts_are_untrained_networks_in_the_order_of_the_choices(drafts):
    """Whichever ended first, since samplers are asked with these."""
    found, lines = drafts(TINY)
    assert list(found.models) == list(TINY.choices) and (found.failures, lines) == ((), [])
    first, second = (Graph.load(path) for path in found.models.values())
    assert first.layers[0].weights.size < second.layers[0].weights.size


def test_a_network_that_nothing_runs_is_not_trained_and_says_why(drafts):
    """The line of what excludes its accelerators, or the compiler's."""
    space = replace(TINY, hardware=replace(TINY.hardware, boards=("ulx3s-12",)),
                    networks=families("mlp", width=(0.25, 8.0, 16.0)))
    found, lines = drafts(space)
    assert [choice.values["width"] for choice in found.models] == [0.25]
    assert [each.id for each in found.failures] == ["mlp-8-w8", "mlp-16-w8"]
    assert {each.doing for each in found.failures} == {"compiling, before training"}
    assert found.failures[0].reason.startswith("none of 1 designs fits: bram excludes 1; the nearest, 1x2x4 ")
    assert found.failures[0].reason.endswith(
        "; board ulx3s-45 would hold it; else take a smaller array or network, or fewer bits")
    assert sorted(lines) == sorted(f"not trained: {each.id}: {each.reason}" for each in found.failures)


def test_a_function_that_raises_for_some_values_is_recorded_and_not_fatal(drafts, tmp_path):
    path = tmp_path / "own.py"
    path.write_text("from torch import nn\ndef net(shape, classes, deep=1):\n    if deep == 2:\n"
                    "        raise ValueError('deep must be odd')\n"
                    "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n", encoding="utf-8")
    space = replace(TINY, networks=(Family(name=f"{path}:net", axes=(("deep", (1, 2, 3)),)),))
    found, _ = drafts(space)
    assert [choice.values["deep"] for choice in found.models] == [1, 3]
    failure, = found.failures
    assert failure.id == "own-net-deep2-w8" and "deep must be odd" in failure.reason


def test_a_network_for_which_no_accelerator_is_one_says_so(drafts):
    """Weights of two widths where no product gains by the narrow ones."""
    space = replace(TINY, precision=Precision(weight_bits=(4,), layers=((), (("*", 8),))))
    found, _ = drafts(space)
    assert len(found.models) == 2
    assert {each.reason for each in found.failures} == {"no accelerator of the space is one for it"}


@pytest.fixture
def learning(monkeypatch, tmp_path):
    """A trainer in one process, whose supernets are written down; the first network is the best of all."""
    monkeypatch.setattr(trainings, "run_queue", here)
    asked = []

    def value(supernet, store):
        asked.append(supernet)
        return Learned(odds=((1.0, *(0.5 for _ in supernet.members[1:])),), cpu_seconds=4.0)

    monkeypatch.setattr(trainings.Supernet, "value", value)
    return lambda space: (trainer(tmp_path, space), asked)


def test_a_supernet_takes_a_share_of_the_steps_of_all_trainings_and_its_networks_their_prices(learning):
    made, asked = learning(replace(TINY, search=Search(seed=7), recipe=Recipe(passes=8.0, batch=64)))
    learned = made.learn(made.space.choices, 24)
    [supernet] = asked
    inputs = len(DATA.load().labels["train"])
    assert (supernet.steps, supernet.seed) == (round(24 * 8 * inputs / 64 / 8), 7)
    assert [member.choice for member in supernet.members] == list(made.space.choices)
    assert [member.config for member in supernet.members] == list(map(made.space.config, made.space.choices))
    first, second = (member.cost for member in supernet.members)
    assert 0 < first < second, "of which the second is wider"
    assert learned.odds == ((1.0, 0.5),) and learned.cpu_seconds > 4.0, "looking for hardware counts"


def test_networks_that_cannot_be_built_or_fit_nowhere_have_no_chance(learning, tmp_path):
    path = tmp_path / "own.py"
    path.write_text("from torch import nn\ndef net(shape, classes, width=1.0):\n    if width == 2.0:\n"
                    "        raise ValueError('too wide')\n    return nn.Sequential(nn.Flatten(), "
                    "nn.Linear(64, int(width * 64)), nn.ReLU(), nn.Linear(int(width * 64), classes))\n")
    made, asked = learning(replace(TINY, hardware=replace(TINY.hardware, boards=("ulx3s-12",)),
                                   networks=families(f"{path}:net", width=(16.0, 2.0, 1.0))))
    assert made.learn(made.space.choices, 24).odds == ((0.0, 0.0, 1.0),)
    assert [member.choice for member in asked[0].members] == [made.space.choices[2]]


def test_a_supernet_that_cannot_be_trained_ends_the_search_with_a_line(learning, monkeypatch):
    made, _ = learning(TINY)

    def fails(supernet, store):
        raise QuantError("loss nan: the supernet does not converge; lower learning_rate")

    monkeypatch.setattr(trainings.Supernet, "value", fails)
    with pytest.raises(TrainError, match=r"^\[search\] sampler = 'gradient': its supernet cannot be trained: loss nan: "
                                         r"the supernet does not converge; lower learning_rate; or take another"):
        made.learn(made.space.choices, 24)
