from dataclasses import replace

import pytest

from flows.run.store import Store
from flows.search import worth
from flows.search.pareto import front
from flows.search.samplers import Told
from flows.search.space import Hardware, Precision, Space, families
from flows.search.ways import (
    HARDWARE_FIRST,
    JOINT,
    NETWORK_FIRST,
    best_chip,
    best_network,
    place,
    proxy_cost,
    ways_of,
    with_chip,
    within_half_a_point,
)
from flows.search.worth import Evaluator, Requirement, Trainings
from flows.train.accuracy import Score
from flows.train.data import DataSource
from tests.support.points import point, without_data
from tests.sw.golden.nets import small_net

SPACE = Space(networks=families("small", width=(1.0,)), precision=Precision(weight_bits=(8, 4)),
              hardware=Hardware(geometries=((1, 2, 4), (2, 4, 4)), multipliers=("lut", "scalable"), requantizers=(1,),
                                boards=("ulx3s-85",)))
RIGHT = {8: 90, 4: 80}


@pytest.fixture
def evaluator(tmp_path, monkeypatch):
    drafts = {choice: tmp_path / f"{choice.id}.npz" for choice in SPACE.choices}
    for choice, path in drafts.items():
        small_net(1, choice.weight_bits).save(path)
    monkeypatch.setattr(worth.Accuracy, "value", lambda step, store: Score(
        right=RIGHT[4 if "w4" in step.model.name else 8], count=100))
    found = Evaluator(store=Store(tmp_path / "store"), sources={(): DataSource(name="d", content="c")}, space=SPACE,
                      requirement=Requirement(), drafts=drafts)
    found.trainings = Trainings(plain=drafts)
    return found


def told(evaluator):
    return [Told(choice=choice, accuracy=RIGHT[choice.weight_bits] / 100, cost=evaluator.cost(choice))
            for choice in SPACE.choices]


def test_each_way_has_what_it_may_choose_from_and_none_more_than_both_at_once(evaluator):
    points = [each for choice in SPACE.choices for each in evaluator.points(choice)]
    joint, network, hardware = ways_of(evaluator, points, told(evaluator))
    assert (joint.name, network.name, hardware.name) == (JOINT, NETWORK_FIRST, HARDWARE_FIRST)
    assert {each.id for each in joint.points} == {each.id for each in front(points)}
    assert {each.candidate.network for each in network.points} == {SPACE.choices[0]} and network.fixed == "small-1-w8"
    assert {each.candidate.chip.id for each in hardware.points} == {hardware.fixed}
    best = {each.name: min(one.metrics.latency_s * one.metrics.lut for one in each.points) for each in (
        joint, network, hardware)}
    assert best[JOINT] <= min(best.values())


def test_where_there_is_nothing_to_compare_there_are_no_ways(evaluator):
    points = [each for choice in SPACE.choices for each in evaluator.points(choice)]
    assert ways_of(evaluator, points, told(evaluator)[:1]) == ()
    evaluator.sources = None
    assert ways_of(evaluator, points, told(evaluator)) == ()


def test_an_accelerator_that_runs_none_of_them_has_no_points(evaluator, monkeypatch):
    points = [each for choice in SPACE.choices for each in evaluator.points(choice)]
    everywhere = Evaluator.cost
    monkeypatch.setattr(Evaluator, "cost", lambda self, choice: None if self is not evaluator
                        else everywhere(self, choice))
    monkeypatch.setattr(Evaluator, "points", lambda self, choice: pytest.fail("asked for what does not fit"))
    assert ways_of(evaluator, points, told(evaluator))[2].points == ()


def test_a_network_is_chosen_by_accuracy_and_of_equals_by_its_bits(evaluator):
    assert best_network(evaluator.drafts, told(evaluator)) == SPACE.choices[0]
    equal = [replace(each, accuracy=0.9) for each in told(evaluator)]
    assert best_network(evaluator.drafts, equal) == SPACE.choices[1]
    assert proxy_cost(evaluator.drafts[SPACE.choices[0]]) > proxy_cost(evaluator.drafts[SPACE.choices[1]])


def test_an_accelerator_is_chosen_by_latency_and_luts_and_is_then_the_only_one(evaluator):
    option = best_chip(SPACE, evaluator.drafts)
    wide = SPACE.choices[0]
    alone = with_chip(SPACE, option)
    assert {each.chip for choice in alone.choices for each in alone.options(choice)} == {option.chip}
    costs = {fit.design.macs_per_cycle: fit.estimate.cycles * fit.estimate.lut
             for fits in evaluator.fits(wide) for fit in fits.front}
    assert costs[option.design.macs_per_cycle] == min(costs.values())


def test_the_best_of_each_within_half_a_point_of_what_all_reach():
    good, cheap, poor = point("a", 0.95, 2e-5, 9000), point("b", 0.946, 1e-5, 5000), point("c", 0.90, 1e-6, 100)
    assert within_half_a_point([[good, cheap, poor], [good], []]) == [cheap, good, None]
    assert within_half_a_point([[good, cheap, poor], [good]]) == [cheap, good]


def test_places_are_so_that_more_is_better():
    assert place(point("a", 0.9, 1e-5, 1000)) == (0.9, 5.0, -3.0)
    assert place(without_data(point("a", 0.9, 1e-5, 1000)))[0] == 0.0
    assert place(point("a", 0.9, 1e-5, 1000), test=True)[0] == 0.9
