from dataclasses import replace
from math import log10

import numpy as np
import pytest

from flows.search import samplers
from flows.search.candidate import NetworkChoice
from flows.search.constraints import Constraint
from flows.search.samplers import DEFAULT, SAMPLERS, Asked, Told, ranked
from flows.search.space import Family, Precision, Space

BATCH = 4
#: Two networks with axes of their own, one beside them without any, and a condition.
SPACE = Space(networks=(
    Family(name="conv", axes=(("width", (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)), ("blocks", (1, 2, 3, 4)),
                              ("kernel", (3, 5)))),
    Family(name="mlp", axes=(("width", (0.5, 1.0, 2.0)), ("act", ("relu", "tanh")))), Family(name="dense")),
    precision=Precision(weight_bits=(8, 4, 2)), recipe_axes=(("passes", (3.0, 9.0)),),
    constraints=(Constraint("width * blocks <= 6"),))


def worth(choice):
    """More and wider weights are more accurate, less and less so, and dearer; two values are bad for no reason."""
    values = {"width": 1.0, "blocks": 1, "kernel": 3, "act": "", **choice.values}
    bits, width, blocks = choice.weight_bits, values["width"], values["blocks"]
    size = {"conv": 3.0, "mlp": 2.0, "dense": 0.5}[choice.name] * width * blocks ** 0.5
    size *= {8: 1.0, 4: 0.8, 2: 0.45}[bits]
    size *= 1.0 if values["passes"] == 9.0 else 0.7
    size *= 0.6 if values["act"] == "tanh" or values["kernel"] == 5 else 1.0
    price = {"conv": 1.0, "mlp": 3.0, "dense": 0.4}[choice.name] * width ** 1.5 * blocks * values["kernel"] / 3
    return Told(choice=choice, accuracy=1 - 0.3 / (1 + size), cost=1e-4 * bits * price)


def odds_of(choices, seed):
    """Of two sets of gates, the second of which knows half as much."""
    noise = np.random.default_rng(seed).normal(size=len(choices))
    right = np.array([worth(choice).values[0] for choice in choices])
    return [np.exp(right + spread * noise) for spread in (0.01, 0.02)]


def asking(space, told, count, trials, seed):
    return Asked(choices=space.choices, told=tuple(told), count=count, trials=trials, seed=seed,
                 odds=lambda: odds_of(space.choices, seed))


def told_by(sampler, trials, *, seed=1, space=SPACE, tell=worth):
    """What a study of so many trials is told."""
    found = []
    while len(found) < trials:
        asked = asking(space, found, min(BATCH, trials - len(found)), trials, seed)
        answer = SAMPLERS[sampler](asked)
        assert 0 < len(answer) <= asked.count
        found += map(tell, answer)
    return found


def front(told):
    values = {each.values for each in told}
    return {one for one in values if not any(other != one and other[0] >= one[0] and other[1] >= one[1]
                                             for other in values)}


TRUE = front(map(worth, SPACE.choices))


def share(sampler, trials):
    """Of the true front that is found, over seeds."""
    return np.mean([len(front(told_by(sampler, trials, seed=seed)) & TRUE) / len(TRUE) for seed in (1, 2, 3)])


def test_the_names_are_those_of_a_space_and_the_default_is_one():
    assert DEFAULT in SAMPLERS


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_history_gives_the_same_answer_and_another_seed_another(sampler):
    one, again, other = (told_by(sampler, 24, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert (one != other) == (sampler != "grid")
    for place in range(0, 24, BATCH):       # as a search that goes on asks
        answer = SAMPLERS[sampler](asking(SPACE, one[:place], BATCH, 24, 1))
        assert answer == [each.choice for each in one[place:place + BATCH]]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_nothing_is_asked_for_twice_and_all_is_a_choice_of_the_space(sampler):
    """Which meets its conditions, and has the axes of its network and of no other."""
    few = replace(SPACE, recipe_axes=(("passes", (9.0,)),), precision=Precision(weight_bits=(8,)))
    found = [each.choice for each in told_by(sampler, len(few.choices), space=few)]
    assert len(set(found)) == len(found) and set(found) == set(few.choices)
    for choice in found:
        assert choice.values.get("width", 0) * choice.values.get("blocks", 0) <= 6
        assert ("act" in choice.values, "blocks" in choice.values) == (choice.name == "mlp", choice.name == "conv")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_networks_of_which_nothing_is_known_teach_nothing_and_are_not_asked_for_again(sampler):
    def tell(choice):
        found = worth(choice)
        return replace(found, cost=None) if choice.name == "mlp" else (
            replace(found, accuracy=None) if choice.weight_bits == 2 else found)

    found = [each.choice for each in told_by(sampler, 40, tell=tell)]
    assert len(set(found)) == 40
    assert all(told_by(sampler, 12, tell=lambda choice: replace(worth(choice), accuracy=None)))


@pytest.mark.parametrize("trials", [1, 2, 5, 33, 100, 251])
def test_a_grid_is_evenly_spaced(trials):
    places = [SPACE.choices.index(each.choice) for each in told_by("grid", trials)]
    steps = np.diff(places)
    assert len(set(places)) == trials and (trials < 3 or steps.max() - steps.min() <= 1)
    assert places[0] == 0 and (trials == 1 or places[-1] == len(SPACE.choices) - 1)


def test_random_choices_are_all_as_likely():
    found = [told_by("random", 4, seed=seed)[0].choice for seed in range(300)]
    share = np.mean([choice.name == "conv" for choice in found])
    assert abs(share - np.mean([choice.name == "conv" for choice in SPACE.choices])) < 0.08


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "controller"])
def test_what_learns_finds_most_of_the_front_and_chance_does_not_with_more_trials(sampler):
    """Of 22 networks among 318."""
    assert (len(SPACE.choices), len(TRUE)) == (318, 22)
    assert share(sampler, 96) > 0.65 > 0.6 > share("random", 144)


def test_each_set_of_gates_is_asked_in_turn_for_what_it_holds_likeliest():
    choices = SPACE.choices[:6]
    asked = Asked(choices=choices, told=(worth(choices[4]),), count=3, trials=6, seed=1,
                  odds=lambda: ((0.1, 0.4, 0.0, 0.2, 0.3, 0.0), (0.5, 0.3, 0.1, 0.0, 0.1, 0.0)))
    assert SAMPLERS["gradient"](asked) == [choices[1], choices[0], choices[3]]
    whole = SAMPLERS["gradient"](replace(asked, told=(), count=9))
    assert whole == [choices[number] for number in (1, 0, 4, 3, 2, 5)], "those without a chance come last"


def test_without_a_supernet_there_are_no_gates():
    with pytest.raises(ValueError, match="odds=None: the gradient sampler asks a supernet; give a function"):
        SAMPLERS["gradient"](Asked(choices=SPACE.choices, told=(), count=1, trials=1, seed=1))


def test_no_other_sampler_pays_for_a_supernet():
    for name in set(SAMPLERS) - {"gradient"}:
        asked = Asked(choices=SPACE.choices, told=(), count=1, trials=4, seed=1, odds=lambda: pytest.fail("asked"))
        assert len(SAMPLERS[name](asked)) == 1


def test_a_networks_axes_are_its_own_where_one_name_begins_another():
    """``mlp`` and a file ``mlp.py`` of the user's."""
    space = Space(networks=(Family(name="mlp", axes=(("width", (0.5, 1.0)),)),
                            Family(name="mlp.py:net", axes=(("width", (0.5, 1.0, 2.0)), ("act", ("relu", "tanh"))))),
                  precision=Precision(weight_bits=(8, 4, 2)))

    def tell(choice):
        return Told(choice=choice, accuracy=0.9 + choice.values["width"] / 100 * (choice.name != "mlp"), cost=1e-3)

    found = told_by("tpe", 20, space=space, tell=tell)
    assert len({each.choice for each in found}) == 20
    assert [samplers._belongs("mlp.py:net.act", name, ("mlp", "mlp.py:net")) for name in ("mlp", "mlp.py:net")] == [
        False, True]


def told(accuracy, cost):
    return Told(choice=NetworkChoice(name=f"{accuracy} {cost}"), accuracy=accuracy, cost=cost)


def test_both_values_are_so_that_more_is_better():
    assert told(0.9, 1e-3).values == (0.9, -log10(1e-3)) == (0.9, 3.0)
    assert told(None, 1e-3).values is None and told(0.9, None).values is None


def test_fronts_come_one_after_the_other_with_the_lonely_ones_first():
    first = [told(0.99, 1e-1), told(0.98, 9e-2), told(0.90, 1e-3), told(0.5, 1e-5)]
    second = [told(0.98, 1e-1), told(0.4, 1e-5)]
    third = [told(0.3, 1e-1)]
    order = ranked([*third, told(None, 1.0), *second, *first])
    assert set(order[:4]) == set(first) and set(order[4:6]) == set(second) and order[6:] == third
    assert order[:2] in ([first[0], first[3]], [first[3], first[0]]) and order[2:4] == [first[2], first[1]]
