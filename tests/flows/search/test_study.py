from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from flows.run.progress import listening
from flows.search import study as module
from flows.search.point import Failed, Point
from flows.search.samplers import DEFAULT, Told, ranked
from flows.search.space import FeedbackPlan, Hardware, Measure, Precision, Search, Space, families
from flows.search.study import BATCH, Study
from flows.search.supernet import Learned
from flows.search.trainings import Drafts, Trained, Tried
from flows.search.worth import Requirement, Trainings
from flows.train.data import DataSource
from hw.spec.errors import HeddleError
from sw.quant.recipe import Recipe
from tests.support.listener import Heard
from tests.support.points import CANDIDATE, metrics

SPACE = Space(networks=families("mlp", "dscnn", width=(0.25, 0.5, 1.0, 2.0)), search=Search(trials=12))


class Bench:
    """Trainings and an evaluator whose answers are known; ``kept`` is a store: what is there is not trained again."""

    def __init__(self, kept=None, failing=(), broken=(), unfit=(), stops=None):
        self.kept = {} if kept is None else kept
        self.failing, self.broken, self.unfit, self.stops = failing, broken, unfit, stops
        self.made, self.tried, self.looked, self.learned = [], [], [], []
        self.trainings, self.drafts = Trainings(), {}

    def draft(self, choices):
        good = [choice for choice in choices if choice.name not in self.unfit]
        return Drafts(models={choice: Path("draft.npz") for choice in good}, failures=tuple(
            Failed(id=choice.id, doing="compiling, before training", reason="too large")
            for choice in choices if choice not in good))

    def train(self, choices):
        for choice in choices:
            if choice not in self.kept:
                self.made.append(choice)
                self.kept[choice] = Path(f"{choice.id}.npz")
        good = [choice for choice in choices if choice.name not in self.failing]
        return Trained(trainings=Trainings(plain={choice: self.kept[choice] for choice in good}), failures=tuple(
            Failed(id=choice.id, doing="training", reason="out of memory") for choice in choices if choice not in good))

    def short(self, choices, share):
        self.tried.append((share, tuple(choices)))
        good = [choice for choice in choices if choice.name not in self.failing]
        return Tried(accuracies={choice: share * accuracy(choice) for choice in good}, failures=tuple(
            Failed(id=choice.id, doing="training", reason="out of memory") for choice in choices if choice not in good))

    def learn(self, choices, trials):
        self.learned.append((len(choices), trials))
        return Learned(odds=(tuple(map(accuracy, choices)), tuple(1 / choice.weight_bits for choice in choices)),
                       cpu_seconds=1.0)

    def cost(self, choice):
        return None if choice not in self.drafts else 1e-3 * choice.weight_bits * choice.values["width"]

    def points(self, choice):
        if len(self.looked) == self.stops:
            raise KeyboardInterrupt
        self.looked.append(choice)
        assert choice in self.trainings.plain
        if choice.name in self.broken:
            raise HeddleError("layer 0: too large")
        return tuple(Point(candidate=replace(CANDIDATE, network=choice, board=board),
                           estimated=metrics(accuracy(choice) - less, self.cost(choice), 1000))
                     for board, less in (("ulx3s-25", 0.0), ("ulx3s-45", 0.01)))

    def found(self, study, database):
        return study.found(self, self, database)


def accuracy(choice):
    return 1 - 1 / (2 + choice.weight_bits * choice.values["width"] * (2 if choice.name == "dscnn" else 1))


@pytest.fixture
def study(tmp_path):
    (tmp_path / "model.npz").write_bytes(b"weights")
    return Study(space=SPACE, data=(DataSource(name="d", content="d"),), requirement=Requirement(),
                 models=(tmp_path / "model.npz",))


def searching(study, **changes):
    return replace(study, space=replace(study.space, search=replace(study.space.search, **changes)))


def test_what_decides_the_points_starts_a_new_study(study, tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "model.npz"
    other.write_bytes(b"others")
    changes = [{"space": replace(SPACE, search=Search(trials=6))},
               {"space": replace(SPACE, search=Search(trials=12, sampler="tpe"))},
               {"space": replace(SPACE, search=Search(trials=12, halving=2))},
               {"space": replace(SPACE, hardware=Hardware(clock_mhz=40.0))},
               {"space": replace(SPACE, precision=Precision(weight_bits=(8,)))},
               {"space": replace(SPACE, recipe=Recipe(augment="none"))},
               {"space": replace(SPACE, recipe_axes=(("passes", (3.0, 9.0)),))},
               {"space": replace(SPACE, data=(("size", ("8x8",)),))},
               {"requirement": Requirement(min_accuracy=0.9)}, {"data": (DataSource(name="d", content="e"),)},
               {"models": (other,)}]
    assert len({study.digest, *(replace(study, **change).digest for change in changes)}) == len(changes) + 1


def test_what_comes_after_the_search_does_not(study):
    for change in ({"measure": Measure(points=9)}, {"feedback": FeedbackPlan(seeds=3)}):
        assert replace(study, space=replace(SPACE, **change)).digest == study.digest


@pytest.mark.parametrize("trials", [24, 60])
def test_a_space_of_no_more_networks_than_trials_is_enumerated(study, tmp_path, monkeypatch, trials):
    monkeypatch.setattr(module, "SAMPLERS", dict.fromkeys(module.SAMPLERS, lambda asked: pytest.fail("asked")))
    bench, heard = Bench(), Heard()
    with listening(heard):
        found = bench.found(searching(study, trials=trials), tmp_path / "study.db")
    assert [each.choice for each in found.told] == list(SPACE.choices) == bench.made == bench.looked
    assert [point.candidate.network for point in found.points[::2]] == list(SPACE.choices)
    assert [each.accuracy for each in found.told] == list(map(accuracy, SPACE.choices))      # the best of a network's
    assert [each.cost for each in found.told] == list(map(bench.cost, SPACE.choices))
    assert found.failures == () and not bench.tried and set(found.trained.trainings.plain) == set(SPACE.choices)
    assert heard.works == [("searching", 24), "ended"] and heard.counts[-1] == (24, None)
    with pytest.raises(pytest.fail.Exception, match="asked"):
        Bench().found(searching(study, trials=23), tmp_path / "study.db")


@pytest.mark.parametrize("sampler", ["auto", *module.SAMPLERS])
def test_a_larger_one_is_sampled_by_the_sampler_that_is_named(study, tmp_path, monkeypatch, sampler):
    asked = []

    def named(name):
        right = module.SAMPLERS[name]
        return lambda question: asked.append((name, question)) or right(question)

    monkeypatch.setattr(module, "SAMPLERS", {name: named(name) for name in module.SAMPLERS})
    bench = Bench()
    found = bench.found(searching(study, sampler=sampler, trials=10, seed=5), tmp_path / "study.db")
    assert {name for name, _ in asked} == {DEFAULT if sampler == "auto" else sampler}
    assert [question.count for _, question in asked] == [BATCH, BATCH, 2]
    assert bench.learned == ([(24, 10)] if sampler == "gradient" else []), "a supernet is trained once, for one sampler"
    assert {(question.trials, question.seed, len(question.choices)) for _, question in asked} == {(10, 5, 24)}
    assert [question.told for _, question in asked] == [found.told[:count] for count in (0, 4, 8)]
    assert len({each.choice for each in found.told}) == len(found.told) == 10 == len(bench.made)


@pytest.mark.parametrize("trials, made", [(60, 12), (7, 7)])
def test_what_nothing_runs_is_not_trained_and_is_no_trial(study, tmp_path, trials, made):
    bench = Bench(unfit=("mlp",))
    found = bench.found(searching(study, trials=trials, sampler="random"), tmp_path / "study.db")
    assert {choice.name for choice in bench.made} == {"dscnn"} and len(bench.made) == made == found.count
    lost = [each.choice for each in found.told if each.choice.name == "mlp"]
    assert lost and [(each.id, each.doing, each.reason) for each in found.failures] == [
        (choice.id, "compiling, before training", "too large") for choice in lost]
    assert all((each.accuracy, each.cost) == (None, None) for each in found.told if each.choice in lost)


def test_a_space_that_nothing_runs_ends(study, tmp_path):
    for trials in (60, 7):
        found = Bench(unfit=("mlp", "dscnn")).found(searching(study, trials=trials), tmp_path / f"{trials}.db")
        assert (len(found.told), found.count, found.points) == (24, 0, ()) and len(found.failures) == 24


def test_short_trainings_that_fail_are_recorded(study, tmp_path):
    found = Bench(failing=("mlp", "dscnn")).found(searching(study, trials=60, halving=2), tmp_path / "study.db")
    assert len(found.trained.failures) == 24 and found.points == ()


def test_what_fails_is_recorded_and_the_others_go_on(study, tmp_path):
    bench = Bench(failing=("mlp",))
    found = bench.found(searching(study, trials=60), tmp_path / "study.db")
    assert {each.choice.name for each in found.told if each.accuracy is None} == {"mlp"} and len(found.told) == 24
    assert {each.doing for each in found.trained.failures} == {"training"} and len(found.trained.failures) == 12
    assert {point.candidate.network.name for point in found.points} == {"dscnn"} and found.failures == ()
    found = Bench(broken=("dscnn",)).found(searching(study, trials=60), tmp_path / "other.db")
    assert [(each.id, each.doing, each.reason) for each in found.failures] == [
        (choice.id, "evaluating", "layer 0: too large") for choice in SPACE.choices if choice.name == "dscnn"]
    assert all((each.accuracy is None) == (each.choice.name == "dscnn") for each in found.told)


def test_halving_keeps_those_that_were_best_after_a_short_training(study, tmp_path):
    """By accuracy and cost together, as samplers rank them."""
    bench = Bench()
    found = bench.found(searching(study, trials=60, halving=2), tmp_path / "study.db")
    (first, all_), (second, half) = bench.tried
    assert (first, second) == (1 / 4, 1 / 2) and all_ == SPACE.choices and len(half) == 12 and len(bench.made) == 6

    def best(choices, share, count):
        told = [Told(choice=choice, accuracy=share * accuracy(choice), cost=bench.cost(choice)) for choice in choices]
        return [each.choice for each in ranked(told)[:count]]

    assert list(half) == best(all_, 1 / 4, 12) and bench.made == best(half, 1 / 2, 6)
    known = {each.choice: each.accuracy for each in found.told}
    assert list(known) == list(SPACE.choices)
    for choice in SPACE.choices:        # as far as it was trained
        share = 1 if choice in bench.made else 1 / 2 if choice in half else 1 / 4
        assert known[choice] == share * accuracy(choice)
    assert {point.candidate.network for point in found.points} == set(bench.made)


@pytest.mark.parametrize("halving, asked", [(2, 4), (3, 9)])
def test_a_sampler_is_asked_for_enough_to_halve(study, tmp_path, halving, asked):
    bench = Bench(failing=("mlp",))
    bench.found(searching(study, trials=18, halving=halving), tmp_path / "study.db")
    assert len(bench.tried[0][1]) == asked and bench.tried[0][0] == halving ** -2
    assert all(choice.name == "dscnn" for choice in bench.made) and bench.made


def test_a_network_alone_is_not_halved(study, tmp_path):
    """Such as a model that is given."""
    bench = Bench()
    space = replace(SPACE, networks=families("mlp", width=(1.0,)), precision=Precision(weight_bits=(8,)))
    alone = searching(replace(study, space=space), halving=3)
    found = bench.found(alone, tmp_path / "study.db")
    assert bench.tried == [] and len(found.points) == 2


@pytest.mark.parametrize("search", [{}, {"sampler": "tpe"}, {"sampler": "gradient"}, {"halving": 2}, {"trials": 60}],
                         ids=str)
def test_an_interrupted_search_equals_one_that_was_not_and_trains_nothing_twice(study, tmp_path, search):
    study, kept, made = searching(study, **search), {}, []
    for stops in (2, 3, None):
        bench = Bench(kept, stops=stops)
        try:
            found = bench.found(study, tmp_path / "stopped.db")
        except KeyboardInterrupt:
            assert stops is not None
        made += bench.made
    unbroken = Bench()
    whole = unbroken.found(study, tmp_path / "whole.db")
    assert found == whole and len(made) == len(set(made)) and made == unbroken.made
    stopped, right = (optuna.load_study(storage=f"sqlite:///{tmp_path / name}.db", study_name=study.digest).trials
                      for name in ("stopped", "whole"))
    assert [(trial.params, trial.values, trial.user_attrs) for trial in stopped] == [
        (trial.params, trial.values, trial.user_attrs) for trial in right] and len(right) == len(whole.told)


def test_another_study_starts_anew_in_the_same_database(study, tmp_path):
    first = Bench().found(study, tmp_path / "study.db")
    other = Bench().found(searching(study, seed=2), tmp_path / "study.db")
    assert {each.choice for each in first.told} != {each.choice for each in other.told}
    assert len(optuna.get_all_study_names(f"sqlite:///{tmp_path / 'study.db'}")) == 2
