"""Which networks are trained next, where a space has more than can be.

A sampler is a function of what is asked (:class:`Asked`): the same history gives the same answer, so a search that was
stopped goes on as if it had not been. To add one, write such a function and name it in :data:`SAMPLERS`.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from random import Random
from typing import Any

import numpy as np

from flows.search.candidate import NetworkChoice
from flows.search.parameters import Parameters, axes_of, parameters_of
from flows.search.pareto import pareto

__all__ = ["DEFAULT", "SAMPLERS", "Asked", "Told", "ranked"]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of a network."""

    choice: NetworkChoice
    accuracy: float | None      # on the validation split; None where it has none, since something failed
    cost: float | None          # least latency x LUTs, s; None where nothing fits

    @property
    def values(self) -> tuple[float, float] | None:
        """Both so that more is better."""
        return None if self.accuracy is None or self.cost is None else (self.accuracy, -log10(self.cost))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question to a sampler."""

    choices: Sequence[NetworkChoice]        # all that there are
    told: Sequence[Told]                    # in the order in which they were asked for
    count: int                              # that are wanted
    trials: int                             # that there will be in all
    seed: int
    odds: Callable[[], Sequence[Sequence[float]]] | None = None     # of all choices, by set of a supernet's gates

    @property
    def left(self) -> list[NetworkChoice]:
        """Those that are new."""
        seen = {each.choice for each in self.told}
        return [choice for choice in self.choices if choice not in seen]

    @property
    def first(self) -> int:
        """How many are asked for before anything is made of what was told."""
        return max(8, self.trials // 4)

    @property
    def random(self) -> Random:
        return Random(self.seed * 1_000_003 + len(self.told))


def grid(asked: Asked) -> list[NetworkChoice]:
    """Evenly spaced in the order of the space."""
    places = np.linspace(0, len(asked.choices) - 1, min(asked.trials, len(asked.choices))).round().astype(int)
    return [asked.choices[place] for place in places[len(asked.told):len(asked.told) + asked.count]]


def random(asked: Asked) -> list[NetworkChoice]:
    """Each as likely as any other."""
    left = asked.left
    return asked.random.sample(left, min(asked.count, len(left)))


def tpe(asked: Asked) -> list[NetworkChoice]:
    """What Optuna's multi-objective tree of Parzen estimators suggests (Ozaki et al., 2022); where it repeats itself,
    or breaks a constraint, the nearest that is new.
    """
    if len(asked.told) < asked.first:
        return random(asked)
    import optuna  # slow to load; the command line does without it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    axes = axes_of(asked.choices)
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        sampler = optuna.samplers.TPESampler(seed=asked.seed * 1_000_003 + len(asked.told), n_startup_trials=0,
                                             multivariate=True, group=True, constant_liar=True)
    study = optuna.create_study(directions=["maximize", "maximize"], sampler=sampler)
    for told in asked.told:
        if told.values is not None:
            parameters = parameters_of(told.choice)
            study.add_trial(optuna.trial.create_trial(
                params=parameters, values=list(told.values), distributions={
                    name: optuna.distributions.CategoricalDistribution(axes[name]) for name in parameters}))
    left = {choice: parameters_of(choice) for choice in asked.left}
    found: list[NetworkChoice] = []
    while left and len(found) < asked.count:
        found.append(_nearest(_suggested(study.ask(), axes), left, asked.random))
        del left[found[-1]]
    return found


def nsga2(asked: Asked) -> list[NetworkChoice]:
    """A generation of children of the best, by non-dominated sorting and crowding (Deb et al., 2002). Optuna's own
    counts generations in what a study remembers, which is more than what it was told.
    """
    generator, parents = asked.random, ranked(asked.told)[:asked.first]
    if len(asked.told) < asked.first or len(parents) < 2:
        return random(asked)
    left, axes = {choice: parameters_of(choice) for choice in asked.left}, axes_of(asked.choices)
    found: list[NetworkChoice] = []
    while left and len(found) < asked.count:
        one, other = (parameters_of(parents[min(generator.sample(range(len(parents)), 2))].choice) for _ in range(2))
        child = _child(one, other, axes, generator)
        found.append(_nearest(child, left, generator))
        del left[found[-1]]
    return found


def _child(one: Parameters, other: Parameters, axes: Mapping[str, list[Any]], generator: Random) -> dict[str, Any]:
    """Uniform crossover, and a mutation of an axis in the mean; of other networks the axes are another's."""
    child = {name: generator.choice((value, other.get(name, value))) for name, value in one.items()}
    for name in child:
        if generator.random() < 1 / len(child):
            child[name] = generator.choice(axes[name])
    return child


def controller(asked: Asked) -> list[NetworkChoice]:
    """Reinforcement learning: a policy of one softmax for each axis, by REINFORCE (Williams, 1992) with the mean reward
    as its baseline. The reward is the share of all others that a network is not beaten by.
    """
    axes = axes_of(asked.choices)
    logits = {name: np.zeros(len(values)) for name, values in axes.items()}
    scored = [told for told in asked.told if told.values is not None]
    rewards = _rewards(scored)
    for told, reward in zip(scored, rewards - rewards.mean() if len(rewards) else rewards, strict=True):
        for name, value in parameters_of(told.choice).items():
            place = axes[name].index(value)
            gradient = -_softmax(logits[name])
            gradient[place] += 1
            logits[name] += RATE * reward * gradient
    generator = np.random.default_rng(asked.seed * 1_000_003 + len(asked.told))
    left = asked.left
    scores = np.array([sum(np.log(_softmax(logits[name]))[axes[name].index(value)]
                           for name, value in parameters_of(choice).items()) for choice in left])
    # sampling without replacement in proportion to probability: Gumbel's trick
    order = np.argsort(-(scores + generator.gumbel(size=len(left))))
    return [left[place] for place in order[:asked.count]]


RATE = 2.0


def gradient(asked: Asked) -> list[NetworkChoice]:
    """A supernet, whose gates descend on loss plus exact expected cost: the likeliest networks under each set of gates
    in turn (:mod:`flows.search.supernet`).

    Raises
    ------
    ValueError
        If nobody trains a supernet.
    """
    if asked.odds is None:
        raise ValueError("odds=None: the gradient sampler asks a supernet; give a function")
    orders = [np.argsort(-np.array(odds), kind="stable") for odds in asked.odds()]
    seen = {each.choice for each in asked.told}
    found = dict.fromkeys(asked.choices[place] for places in zip(*orders, strict=True) for place in places)
    return [choice for choice in found if choice not in seen][:asked.count]


def _rewards(told: Sequence[Told]) -> np.ndarray:
    values = np.array([each.values for each in told]).reshape(-1, 2)
    beaten = [np.mean(np.all(values >= own, axis=1) & np.any(values > own, axis=1)) for own in values]
    return 1 - np.array(beaten)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max())
    softmax: np.ndarray = shifted / shifted.sum()
    return softmax


def ranked(told: Sequence[Told]) -> list[Told]:
    """By fronts, in each the lonely ones first."""
    left, found = [each for each in told if each.values is not None], []
    while left:
        values = [each.values for each in left if each.values is not None]
        first = pareto(values)
        lonely = _crowding(np.array(values)[first])
        found += [left[place] for _, place in sorted(zip(-lonely, first, strict=True))]
        left = [each for place, each in enumerate(left) if place not in set(first)]
    return found


def _crowding(values: np.ndarray) -> np.ndarray:
    """Crowding distance of each point of a front; infinite at its ends."""
    found = np.zeros(len(values))
    for column in values.T:
        order, width = column.argsort(), np.ptp(column) or 1.0
        found[order[[0, -1]]] = np.inf
        found[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return found


def _suggested(trial: Any, axes: Mapping[str, list[Any]]) -> dict[str, Any]:
    name = trial.suggest_categorical("network", axes["network"])
    return {"network": name, **{axis: trial.suggest_categorical(axis, values) for axis, values in axes.items()
                                if axis != "network" and _belongs(axis, name, axes["network"])}}


def _belongs(axis: str, network: str, networks: Sequence[str]) -> bool:
    owners = [name for name in networks if axis.startswith(f"{name}.")]     # mlp's is none of mlp.py:net
    return not owners or max(owners, key=len) == network


def _nearest(wanted: Parameters, left: Mapping[NetworkChoice, Parameters], generator: Random) -> NetworkChoice:
    """What differs least; a random one of several."""
    distances = {choice: sum(parameters.get(name) != value for name, value in wanted.items())
                 for choice, parameters in left.items()}
    least = min(distances.values())
    return generator.choice([choice for choice, distance in distances.items() if distance == least])


#: By the names that a space has.
SAMPLERS: dict[str, Callable[[Asked], list[NetworkChoice]]] = {
    "grid": grid, "random": random, "tpe": tpe, "nsga2": nsga2, "controller": controller,
    "gradient": gradient}
DEFAULT = "tpe"
