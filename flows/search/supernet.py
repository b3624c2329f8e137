"""What the gates of a supernet learn of networks before one of them is trained by itself."""

from dataclasses import dataclass
from math import log
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.run.progress import tell
from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.search.candidate import NetworkChoice
from flows.search.gates import Gates
from flows.train.data import DataSource
from flows.train.networks import named, network_key
from sw.models import network_source
from sw.models.processor import arithmetic
from sw.quant.config import TrainConfig

if TYPE_CHECKING:
    from sw.quant.supernet import Supernet as Networks

__all__ = ["Learned", "Member", "Supernet"]

RECORD = "learned.json"
WEIGHTS = (1 / 8, 3 / 8, 5 / 8, 7 / 8)      # of cost beside loss, one for each set of gates
WARMING = 0.5       # share of the steps in which all networks are as likely: at first a loss says little
RATE = 0.5          # of the gates' descent
REMEMBERED = 50     # losses of a set of gates, whose mean is its baseline


@dataclass(frozen=True, kw_only=True)
class Member:
    """A network of a supernet."""

    choice: NetworkChoice = keyed(lambda choice: choice.id)
    config: TrainConfig = keyed(named)
    data: DataSource
    cost: float                 # latency x LUTs, s


@dataclass(frozen=True, kw_only=True)
class Learned:
    """How much networks promise."""

    odds: tuple[tuple[float, ...], ...]     # probabilities by set of gates and network
    cpu_seconds: float                      # that finding these took


@dataclass(frozen=True, kw_only=True)
class Supernet(Step[Learned]):
    """Sets of gates that descend on loss plus cost, each with another weight of these, over the same shared weights.

    In turn each set draws a network, which is trained for a step and then gives its loss on a validation batch. The
    gradient of the expected loss is estimated from it (REINFORCE, Williams, 1992), that of the expected logarithm of
    the cost is exact, since all costs are known. Both are measured in their standard deviations, so that the weights
    mean the same on every task.

    Raises what training raises, where a network does not converge.
    """

    kind = "supernet"
    members: tuple[Member, ...]
    steps: int                  # of the optimizer, in all
    seed: int

    def code(self) -> tuple[Path, ...]:
        """The files that the networks' functions are in."""
        return tuple(map(network_source, dict.fromkeys(member.config.network for member in self.members)))

    def key(self) -> dict[str, Any]:
        """Also what users' networks are now, and how torch computes."""
        networks = [network_key(member.config, member.data) for member in self.members]
        return {**super().key(), "networks": networks, "arithmetic": arithmetic()}

    def make(self, folder: Path, store: Store) -> None:
        from sw.quant.supernet import Supernet as Networks  # brings torch, which takes seconds to load

        began = process_time()
        gates = self._descended(Networks(self.seed))
        write_typed(folder / RECORD, Learned(odds=tuple(tuple(each.probabilities.tolist()) for each in gates),
                                             cpu_seconds=process_time() - began))

    def load(self, folder: Path) -> Learned:
        return read_typed(Learned, folder / RECORD)

    def _descended(self, networks: "Networks") -> list[Gates]:
        generator = np.random.default_rng(self.seed)
        found = [Gates([member.choice for member in self.members]) for _ in WEIGHTS]
        losses: list[list[float]] = [[] for _ in WEIGHTS]
        costs = np.array([log(member.cost) for member in self.members])
        costs /= costs.std() or 1.0
        for step in range(self.steps):
            number, warm = step % len(WEIGHTS), step < WARMING * self.steps
            gates, weight = found[number], WEIGHTS[number]
            drawn = int(generator.choice(len(self.members), p=None if warm else gates.probabilities))
            member = self.members[drawn]
            networks.train(member.config, member.data.load(), step / self.steps)
            if not warm:
                losses[number].append(networks.loss(member.config, member.data.load()))
                worse = (losses[number][-1] - np.mean(losses[number][-REMEMBERED:])) / (np.std(sum(losses, [])) or 1.0)
                gates.descend(RATE * ((1 - weight) * worse * gates.score_function(drawn)
                                      + weight * gates.gradient(costs)))
            if step % 50 == 0:
                tell(f"{step} of {self.steps} steps")
        return found
