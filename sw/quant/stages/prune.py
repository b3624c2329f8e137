"""Removing what matters least: single weights, or whole channels, of which the engine's cycles really fall."""

from collections.abc import Iterator
from math import log

import numpy as np
import torch

from sw.models.coupling import Coupling, Group, coupling
from sw.models.shrink import NotRectangular, shrunk
from sw.quant.cost import Cost
from sw.quant.importance import CRITERIA
from sw.quant.recipe import QuantError
from sw.quant.remake import remade, values_of
from sw.quant.run import Run

__all__ = ["prune", "prunes"]

STEP = 4            # channels, where no design is known
LEAST = 1e-12       # importance of channels that do nothing


def prunes(run: Run) -> None:
    if run.recipe.prune.kind == "weights" and run.network.narrowest == 1:
        raise QuantError("prune.kind='weights': binary weights have no 0; prune channels, or train wider weights")


def prune(run: Run) -> None:
    """Remove what the recipe asks for in as many parts as it says, and train behind each."""
    options, recipe, said = run.recipe.prune, run.recipe, ""
    run.err_in("prune")
    whole = _Channels(run).before if options.kind != "weights" else 0
    for part in range(1, options.rounds + 1):
        share = options.share * part / options.rounds
        said = _weights(run, share) if options.kind == "weights" else _Channels(run).prune(share, whole)
        inputs = round(options.passes * len(run.labels)) if options.passes else recipe.inputs(1.0, len(run.labels))
        run.fit("prune", inputs=max(1, inputs // options.rounds),
                peak=options.learning_rate or recipe.learning_rate)
    run.did = said


@torch.no_grad()
def _weights(run: Run, share: float) -> str:
    """Zeros where weights are least, measured in the mean magnitude of their layer's; they stay zeros."""
    weights = [layer.weight for layer in run.network.products if layer.weight is not None]
    sizes = torch.cat([(weight.abs() / weight.abs().mean().clamp_min(1e-30)).flatten() for weight in weights])
    order = torch.argsort(sizes, stable=True)
    kept = torch.ones(len(order))
    kept[order[:round(share * len(order))]] = 0
    run.network.masks = [(weight, mask.reshape(weight.shape)) for weight, mask in zip(
        weights, kept.split([weight.numel() for weight in weights]), strict=True)]
    run.network.hold()
    return f"{int((kept == 0).sum())} of {len(kept)} weights are 0; the engine skips none, so cycles stay as they were"


class _Channels:
    """Which channels go."""

    def __init__(self, run: Run) -> None:
        self.run, self.options, self.latency = run, run.recipe.prune, run.latency
        self.criterion = CRITERIA[self.options.importance]
        self.step = run.latency.step if run.latency else STEP
        self.quantized = run.network.quantized
        run.network.become(quantized=False)
        self.traced = values_of(run.network)
        run.network.become(quantized=self.quantized)
        self.found: Coupling = coupling(self.traced.nodes)
        self.cost = Cost(self.traced, self.found, run.latency)
        self.alive = np.ones(self.found.count, bool)
        self.before = self.cost.of(self.alive)
        self.stays = [f"{self.traced.nodes[number].name} (of answers, or of the same channels as what stays)"
                      for number in self.found.fixed[:-1]]

    def prune(self, share: float, whole: int) -> str:
        """Down to the cost ``whole`` less its share, if possible."""
        scores = self.criterion.scores(self.run, sorted({number for group in self.found.groups
                                                         for number in group.makers}))
        queues = [self._queue(group, scores) for group in self._groups()]
        goal, now = (1 - share) * whole, self.before
        while now > goal and (best := min(self._cuts(queues, now), default=None)) is not None:
            _, place, count, now = best
            self.alive[queues[place][0][:count]] = False
            queues[place] = tuple(one[count:] for one in queues[place])
        self._remake()
        return self._said(whole, now, share)

    def _groups(self) -> Iterator[Group]:
        """Those of the kind that is asked for, and that can do without some."""
        for group in self.found.groups:
            makers = [self.traced.nodes[number] for number in group.makers]
            dense = all(node.op == "linear" for node in makers)
            if self.options.kind in ("neurons", "channels") and dense != (self.options.kind == "neurons"):
                continue
            alive = np.ones_like(self.alive)
            alive[group.units[:len(group.units) - self.step]] = False
            names = "+".join(dict.fromkeys(node.name for node in makers))
            if len(group.units) <= self.step:
                self.stays.append(f"{names} ({len(group.units)} channels)")
                continue
            try:
                shrunk(self.traced, self.found, alive)
            except NotRectangular as error:
                self.stays.append(f"{names} ({error})")
                continue
            yield group

    def _queue(self, group: Group, scores: dict[int, torch.Tensor]) -> tuple[np.ndarray, ...]:
        """Units of a group, the least important first, and how important each is: the sum over its makers."""
        each = np.sum([scores[number].detach().numpy()[channels]
                        for number, channels in zip(group.makers, group.channels, strict=True)], axis=0)
        order = np.argsort(each, kind="stable")
        return group.units[order], each[order]

    def _cuts(self, queues: list[tuple[np.ndarray, ...]], now: int) -> Iterator[tuple[float, int, int, int]]:
        """Importance lost for what is saved, number of the group, how many of its units go, the cost then.

        Where groups cannot be compared, what is lost is measured in what is left of each, as a logarithm.
        """
        for place, (units, each) in enumerate(queues):
            count = (len(units) - 1) % self.step + 1
            if len(units) - count < self.step:
                continue
            alive = self.alive.copy()
            alive[units[:count]] = False
            if (cost := self.cost.of(alive)) < now:
                yield self._lost(each, count) / (now - cost), place, count, cost

    def _lost(self, each: np.ndarray, count: int) -> float:
        if self.criterion.comparable:
            return float(each[:count].sum())
        return log(max(each.sum(), LEAST) / max(each[count:].sum(), LEAST))

    def _remake(self) -> None:
        if self.alive.all():
            return
        self.run.network = remade(self.run.network, shrunk(self.traced, self.found, self.alive))
        self.run.network.become(quantized=self.quantized)
        self.run.err_in("prune")
        self.run.settle(self.run.recipe.settle.batches)

    def _said(self, whole: int, now: int, share: float) -> str:
        where = f" on {self.latency.design}" if self.latency else " (no --design says what cycles they take)"
        missed = "" if now <= (1 - share) * whole else f", asked were {share:.0%}: no more can go"
        stays = f"; stays: {', '.join(self.stays)}" if self.stays else ""
        return f"{whole} to {now} {self.cost.unit}{where}, {1 - now / whole:.1%} fewer{missed}{stays}"
