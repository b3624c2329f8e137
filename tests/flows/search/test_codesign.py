"""Ways of working at equal compute, with trainings that are given."""

from dataclasses import replace

import pytest

from flows.run.store import Store
from flows.search import codesign
from flows.search.codesign import FLOWS, TASKS, Arena, compare_flows, compare_samplers, run_flow
from flows.search.samplers import SAMPLERS
from flows.search.space import Hardware, Precision, Space, families
from flows.search.supernet import Learned
from flows.search.trainings import Drafts
from flows.train.data import DataSource
from flows.train.training import TrainedModel
from sw.quant.record import TrainingRecord
from sw.quant.training import draft

SPACE = Space(networks=families("mlp", "dense", width=(0.5, 1.0, 2.0)), precision=Precision(weight_bits=(8, 4)),
              hardware=Hardware(geometries=((1, 2, 4), (1, 4, 4), (2, 4, 4)), multipliers=("dsp", "lut"),
                                requantizers=(1, 2), boards=("ulx3s-45",)))
SECONDS = 10.0      # that a training is said to take
SUPERNET_S = 21.0


@pytest.fixture(scope="module")
def drafted(tmp_path_factory):
    """Every network of the space, untrained."""
    folder, data = tmp_path_factory.mktemp("drafts"), DataSource.of("digits").load()
    models = {}
    for choice in SPACE.choices:
        models[choice] = folder / f"{choice.id}.npz"
        draft(SPACE.config(choice), data).save(models[choice])
    return Drafts(models=models, failures=())


@pytest.fixture
def arena(drafted, tmp_path, monkeypatch):
    """Wide networks are said to be the better ones; none is trained."""
    asked, learned = [], []

    class Trainer:
        def __init__(self, **given):
            self.space = given["space"]

        def models(self, choices):
            asked.extend(choices)
            return {choice: TrainedModel(path=drafted.models[choice], record=record(self.space.config(choice)))
                    for choice in choices}

        def learn(self, choices, trials):
            learned.append(trials)
            return Learned(odds=((1.0,) * len(choices),), cpu_seconds=SUPERNET_S)

    def record(config):
        accuracy = 0.9 + config.width / 25 - (config.weight_bits == 4) / 100
        return TrainingRecord(config=config, metric="accuracy", stages=(), curves=(), fake_accuracy=accuracy, weights=9,
                              valid_accuracy=accuracy, test_accuracy=accuracy, macs=9, seconds=1.0, cpu_seconds=SECONDS)

    monkeypatch.setattr(codesign, "Trainer", Trainer)
    monkeypatch.setattr(codesign, "draft_all", lambda *arguments, **options: drafted)
    monkeypatch.setattr(codesign.Task, "space", SPACE)
    task = replace(TASKS["digits"], budget_s=1e9, reference=(0.0, 1.0, 1e6))
    found = Arena(task=task, seed=1, store=Store(tmp_path), sources={(): DataSource.of("digits")}, jobs=1)
    object.__setattr__(found, "asked", asked)
    object.__setattr__(found, "learned", learned)
    return found


def poorer(arena, budget_s):
    return replace(arena, task=replace(arena.task, budget_s=budget_s))


@pytest.mark.parametrize("flow", FLOWS)
def test_no_way_trains_more_than_it_may_pay(arena, flow):
    """The training that goes beyond still counts; what looks for hardware pays for that as well."""
    found = run_flow(poorer(arena, 3.5 * SECONDS), flow)
    assert 3.5 * SECONDS <= found.cpu_s < 5 * SECONDS
    assert arena.asked and found.points


def test_the_joint_way_has_all_that_others_find_where_all_is_trained(arena):
    outcomes = {flow: run_flow(arena, flow) for flow in FLOWS}
    covered = {flow: outcome.hypervolume(arena.task.reference) for flow, outcome in outcomes.items()}
    assert all(covered["joint"] >= each for each in covered.values())
    assert covered["joint"] > max(covered["network-first"], covered["hardware-first"])


def test_each_way_decides_what_it_says_first(arena):
    networks = {point.candidate.network.id for point in run_flow(arena, "network-first").points}
    assert networks == {"dense-2-w8"}, "of the most accurate the one with least work"
    chips = {point.candidate.chip for point in run_flow(arena, "hardware-first").points}
    assert len(chips) == 1
    assert len({point.candidate.chip for point in run_flow(arena, "joint").points}) > 1


def test_multiply_accumulates_are_all_that_the_proxy_knows(arena):
    """Of two networks as accurate the one with less work is kept, whatever it costs."""
    found = {point.candidate.network for point in run_flow(arena, "proxy-first").points}
    costs = {choice: arena.proxy(choice) for choice in found}
    ordered = sorted(found, key=costs.__getitem__)
    widths = [dict(choice.settings)["width"] - (choice.weight_bits == 4) / 4 for choice in ordered]
    assert 1 < len(found) < len(SPACE.choices) and widths == sorted(widths)


def test_the_anytime_curve_only_rises_and_costs_more_and_more(arena):
    curve = run_flow(poorer(arena, 5.5 * SECONDS), "joint", curve=True).curve
    assert len(curve) == 6
    assert list(curve) == sorted(curve) and all(a[1] <= b[1] for a, b in zip(curve, curve[1:], strict=False))


def test_rows_are_those_of_the_contract(arena):
    rows = list(compare_flows(arena.task, "digits", arena.store, seeds=(1, 2), jobs=1))
    assert [(row["flow"], row["seed"]) for row in rows] == [(flow, seed) for seed in (1, 2) for flow in FLOWS]
    for row in rows:
        assert {"task", "flow", "seed", "cpu_s", "hypervolume", "reference",
                "latency_lut_at_equal_accuracy"} <= set(row)
        assert row["task"] == "digits" and row["hypervolume"] > 0
    first = {row["flow"]: row["latency_lut_at_equal_accuracy"] for row in rows[:4]}
    assert first["joint"] == min(first.values())


def test_the_tasks_can_be_loaded():
    for task in TASKS.values():
        assert len(task.space.choices) > task.trials, "more than can be trained"


def test_samplers_are_compared_at_equal_compute(arena):
    task = replace(arena.task, budget_s=4.5 * SECONDS)
    rows = list(compare_samplers(task, "digits", arena.store, seeds=(1,), jobs=1))
    assert [row["sampler"] for row in rows] == list(SAMPLERS)
    assert all(4.5 * SECONDS <= row["cpu_s"] < 6 * SECONDS for row in rows)
    assert {row["sampler"]: len(row["curve"]) for row in rows} == {**dict.fromkeys(SAMPLERS, 5), "gradient": 3}


def test_a_supernet_is_paid_for_once_and_by_who_asks_it(arena):
    first = run_flow(poorer(arena, 5.5 * SECONDS), "joint", sampler="gradient", curve=True)
    assert first.curve[0][0] >= SUPERNET_S + SECONDS and len(first.curve) == 4
    assert arena.learned == [arena.task.trials]
    run_flow(poorer(arena, 2.5 * SECONDS), "joint", sampler="tpe")
    assert len(arena.learned) == 1
    none = run_flow(poorer(arena, SUPERNET_S - 1), "joint", sampler="gradient", curve=True)
    assert (none.cpu_s, none.points, none.curve) == (SUPERNET_S, (), ()), "nothing is left for a training"
