"""Picks width and weight bits by a loss that counts cycles as well as errors."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from hw.spec.feedback import Feedback, LatencyEntry, NoiseProfile
from sw.data import Dataset
from sw.models import build
from sw.quant.batches import WIDE_START, augmented, batches, images_of, rate
from sw.quant.config import QuantError, TrainConfig
from sw.quant.network import QuantNetwork
from sw.quant.noise import Noise
from sw.quant.record import Pick

__all__ = ["candidates", "choose"]

SHARE = 0.25             # of the configuration's epochs go into choosing
UNDECIDED = 0.5          # of the steps, the first ones, only train the candidates
LOSS_MEMORY = 0.9        # of a candidate's running loss
GATE_RATE = 0.15         # learning rate of the gate
UNLIKELY = 0.01          # probability below which a candidate is trained no further


def candidates(config: TrainConfig, feedback: Feedback) -> tuple[LatencyEntry, ...]:
    """Entries that ``config.choose`` may pick.

    Raises
    ------
    QuantError
        If there is nothing to choose from.
    """
    found = tuple(entry for entry in feedback.latency
                  if entry.network == config.network
                  and (config.choose != "width" or entry.weight_bits == config.weight_bits)
                  and (config.choose != "bits" or entry.width == config.width))
    if not found:
        fixed = {"width": f" with weight_bits={config.weight_bits}", "bits": f" with width={config.width:g}"}
        raise QuantError(f"choose={config.choose!r}: the feedback has no cycles of {config.network!r}"
                         f"{fixed.get(config.choose, '')}; make a record that lists its candidates")
    return found


class _Gate:
    """A distribution over the candidates that descends on their expected loss, latency included."""

    def __init__(self, cycles: Sequence[int], latency_weight: float):
        self.logits = torch.zeros(len(cycles), requires_grad=True)
        self.latency = latency_weight * torch.tensor(cycles, dtype=torch.float32) / max(cycles)
        self.losses = torch.zeros(len(cycles))
        self.optimizer = torch.optim.Adam([self.logits], lr=GATE_RATE)

    @property
    def probabilities(self) -> Tensor:
        return self.logits.detach().softmax(0)

    def observe(self, candidate: int, loss: float) -> None:
        before = float(self.losses[candidate]) or loss
        self.losses[candidate] = LOSS_MEMORY * before + (1 - LOSS_MEMORY) * loss

    def step(self) -> None:
        """Descend on ``sum(p * (cross-entropy + latency_weight * cycles / most cycles))``."""
        expected = (self.logits.softmax(0) * (self.losses + self.latency)).sum()
        self.optimizer.zero_grad()
        expected.backward()
        self.optimizer.step()


class _Candidate:
    """One network on its way; it only sees its own cross-entropy, whatever its probability."""

    def __init__(self, entry: LatencyEntry, config: TrainConfig, data: Dataset, profile: NoiseProfile):
        generator = torch.Generator().manual_seed(config.seed)
        layers = build(config.network, data.shape, data.classes, entry.width)
        self.network = QuantNetwork(layers, data.input_type, 8, generator)
        self.network.add_noise(Noise(profile, generator))
        self.optimizer = torch.optim.Adam(self.network.parameters(), foreach=True)

    def step(self, images: Tensor, labels: Tensor, rate: float) -> float:
        self.optimizer.param_groups[0]["lr"] = rate
        loss = functional.cross_entropy(self.network(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())


def choose(config: TrainConfig, data: Dataset, feedback: Feedback) -> Pick:
    """Train all candidates a little, on the same batches, and a gate over them.

    The loss is the gate's expectation of a candidate's cross-entropy plus ``config.latency_weight`` times its
    share of the slowest candidate's cycles. The weights of each candidate descend on its own cross-entropy, the
    gate on the expectation. (One network that shares its weights among all candidates would be cheaper by a
    little and wrong by a lot: widths and bits disturb each other, and whoever leads early is trained most.)
    Candidates whose weights are not as wide as the measured multiplier's run without noise.
    """
    entries = candidates(config, feedback)
    generator = torch.Generator().manual_seed(config.seed)
    gate = _Gate([entry.cycles for entry in entries], config.latency_weight)
    runners = [_Candidate(entry, config, data, feedback.noise) for entry in entries]
    images, labels = images_of(data, "train"), torch.from_numpy(data.labels["train"])
    changes = data.augmentations if config.augment else ()
    for done, part in _steps(config, data, generator):
        seen = augmented(images[part], changes, generator)
        if done >= WIDE_START:
            for runner, entry in zip(runners, entries, strict=True):
                runner.network.set_bits(entry.weight_bits)
        likely = (gate.probabilities >= UNLIKELY).tolist()
        for index, runner in enumerate(runners):
            if likely[index]:
                gate.observe(index, runner.step(seen, labels[part], rate(done, config.learning_rate)))
        if done >= UNDECIDED:
            gate.step()
    best = entries[int(gate.probabilities.argmax())]
    return Pick(width=best.width, weight_bits=best.weight_bits, candidates=entries,
                probabilities=tuple(gate.probabilities.tolist()), losses=tuple(gate.losses.tolist()))


def _steps(config: TrainConfig, data: Dataset, generator: torch.Generator) -> Iterator[tuple[float, Tensor]]:
    """Share of the choosing that is done, and the batch to train on."""
    epochs = math.ceil(SHARE * config.epochs)
    for epoch, parts in zip(range(epochs), batches(data, config, generator), strict=False):
        for step, part in enumerate(parts):
            yield (epoch + step / len(parts)) / epochs, part
