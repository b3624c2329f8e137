"""What the steps of a recipe share: a training that is under way."""

import math
import time
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback, LatencyEntry
from sw.data import Augmentation, Dataset, augmentations_of, judge
from sw.graph.graph import Graph
from sw.quant.batches import augmented, batches, images_of, rate
from sw.quant.config import TrainConfig
from sw.quant.exact import Exact, errors_of
from sw.quant.faults import Errors
from sw.quant.network import Kept, QuantNetwork
from sw.quant.noise import Noise
from sw.quant.optimizer import Optimizer
from sw.quant.recipe import FROM_DATA, QuantError, Recipe
from sw.quant.record import Look

__all__ = ["Progress", "Run"]

EVALUATION_BATCH = 512  # inputs
LOOKING = 0.1           # share of the training time that looks at valid may take
FORWARD = 1 / 3         # of the time of a training step, that of a forward pass
LOOKS = 40              # in a fit, at most

Progress = Callable[[Look, float], None]
Loss = Callable[[Tensor, Tensor], Tensor]       # of inputs and labels


class Run:
    """A network in training, with all that its steps need; they change it in turn.

    ``progress`` is called with each look at the validation split, and the passes that are ahead of the step.
    """

    def __init__(self, network: QuantNetwork, config: TrainConfig, data: Dataset, generator: torch.Generator, *,
                 feedback: Feedback | None = None, latency: LatencyEntry | None = None,
                 progress: Progress | None = None) -> None:
        self.network, self.config, self.data, self.generator = network, config, data, generator
        self.feedback, self.latency, self.progress = feedback, latency, progress
        self._errors: Errors | None = None      # of the feedback record, which go on from step to step
        self.images, self.labels = images_of(data, "train"), torch.from_numpy(data.labels["train"])
        self.changes = changes_of(config.recipe, data)
        self.curves: list[Look] = []
        self.finishing: list[Callable[[Graph], Graph]] = []     # what becomes of the integer graph, in order
        self.design: DesignPoint | None = None                  # whose products the integer graph is made for
        self.erring = False       # the network's integers, as the feedback record says
        self.stood_still = False  # statistics and ranges, while the last steps were trained
        self.stood_erring = False  # whether the integers erred then
        self.did = ""             # what the step under way chose, in a line
        self.steps = 0            # of the optimizer, in the step under way
        self.step_s = 0.0         # seconds that these took
        self._done = 0            # inputs seen so far
        self._order = batches(len(self.labels), config.recipe.batch, generator)

    @property
    def recipe(self) -> Recipe:
        return self.config.recipe

    def err_in(self, step: str) -> bool:
        """From here on the network's integers err as the feedback record says, if the recipe has informed the step of
        it; returns whether they do.
        """
        record, options = self.feedback, self.recipe.quantize
        noise: Noise | Exact | None = None
        errors = None
        if record and step in self.recipe.informed:
            if record.noise and options.forward != "none":
                noise = errors_of(record.noise, options, self.generator)
            self._errors = self._errors or (Errors(record.faults, self.generator) if record.faults else None)
            errors = self._errors
        self.network.add_noise(noise)
        self.network.add_errors(errors)
        self.erring = noise is not None or errors is not None
        return self.erring

    def taken(self, part: Tensor) -> Tensor:
        """The inputs of a batch, as they are varied."""
        return augmented(self.images[part], self.changes, self.generator)

    def batch(self) -> tuple[Tensor, Tensor]:
        """The next inputs, as they are varied, and their labels."""
        part = next(self._order)
        return self.taken(part), self.labels[part]

    def wrong(self, outputs: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, or the mean squared error of what is reconstructed."""
        if self.data.reconstructs:
            return functional.mse_loss(outputs, inputs.flatten(1) / self.data.magnitude)
        return functional.cross_entropy(outputs, labels, label_smoothing=self.recipe.label_smoothing)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Of a fit that has no other."""
        return self.wrong(self.network(inputs), inputs, labels)

    def fit(self, stage: str, *, inputs: int, peak: float, loss: Loss | None = None,
            beside: Iterable[nn.Parameter] = (), still: float = 0.0) -> None:
        """Train on so many inputs, with a learning rate of its own course; the parameters ``beside`` the network too.

        In the last share ``still`` of the steps statistics and ranges stand still, settled, so that what is trained is
        what an inference computes.
        """
        steps = max(1, math.ceil(inputs / _batch_size(self.recipe.batch, len(self.labels))))
        optimizer = Optimizer(self.recipe.optimizer, [*self.network.parameters(), *beside],
                              weight_decay=self.recipe.weight_decay)
        interval, best, since = self._interval(steps), _Best(self.recipe.patience), _Mean()
        self.network.train()
        for step in range(steps):
            if step == round((1 - still) * steps):
                self.settle(self.recipe.settle.batches)
                self.network.remember(1.0)
            began = time.perf_counter()
            varied, labels = self.batch()
            found = (loss or self.loss)(varied, labels)
            optimizer.clear()
            found.backward()
            optimizer.step(rate(step / steps, peak, self.recipe.schedule, self.recipe.warm_up))
            self.network.hold()
            since.add(float(found.detach()), len(labels))
            self._done += len(labels)
            self.steps += 1
            self.step_s += time.perf_counter() - began
            if (step + 1) % interval == 0 or step == steps - 1:
                self._look(stage, since.value, (steps - 1 - step) / steps * inputs / len(self.labels))
                since = _Mean()
                if best.passed(self.curves[-1].accuracy, self.network):
                    break
        self.network.remember()
        self.stood_still, self.stood_erring = still > 0 and best.kept is None, self.erring
        best.restore(self.network)      # with what statistics were then

    def _interval(self, steps: int) -> int:
        """Steps between looks: with a pass between them, and so that they take little of the time."""
        inputs = max(len(self.labels), FORWARD / LOOKING * len(self.data.labels["valid"]))
        return max(round(inputs / _batch_size(self.recipe.batch, len(self.labels))), steps // LOOKS, 1)

    def _look(self, stage: str, loss: float, ahead: float) -> None:
        if not math.isfinite(loss):
            raise QuantError(f"loss {loss}: the training does not converge; lower learning_rate")
        self.curves.append(Look(stage=stage, done=self._done / len(self.labels), loss=loss,
                                accuracy=self.accuracy("valid")))
        if self.progress:
            self.progress(self.curves[-1], ahead)

    @torch.no_grad()
    def settle(self, count: int) -> None:
        """Average statistics and ranges over so many batches, and forget those before."""
        self.network.train()
        for number in range(count):
            self.network.remember(number / (number + 1))
            self.network(self.batch()[0])
        self.network.remember()

    def accuracy(self, split: str) -> float:
        """How right the network, as it is, is about a split, by the metric of the data."""
        return judge(self.data, split, self.answers(self.network, images_of(self.data, split)).numpy()).share

    @staticmethod
    @torch.no_grad()
    def answers(network: QuantNetwork, images: Tensor) -> Tensor:
        """Logits in evaluation mode."""
        network.eval()
        logits = torch.cat([network(part) for part in images.split(EVALUATION_BATCH)])
        network.train()
        return logits


def changes_of(recipe: Recipe, data: Dataset) -> Sequence[Augmentation]:
    """Of training inputs. Raises QuantError where the recipe does not suit the data."""
    if data.reconstructs and recipe.label_smoothing:
        raise QuantError(f"label_smoothing={recipe.label_smoothing}: no labels are learned where inputs are given "
                         f"back; leave it 0")
    if recipe.augment == FROM_DATA:
        return data.augmentations
    changes = augmentations_of(recipe.augment)
    for each in changes:
        if wrong := each.check(data.shape):
            raise QuantError(f"augment={each.name}: {wrong}")
    return changes


def _batch_size(batch: int, count: int) -> float:
    return count / max(1, min(round(count / batch), count // 2))


class _Mean:
    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, value: float, count: int) -> None:
        self.total, self.count = self.total + value * count, self.count + count

    @property
    def value(self) -> float:
        return self.total / self.count


class _Best:
    """Weights of the best look so far, where a recipe has patience."""

    def __init__(self, patience: int) -> None:
        self.patience, self.accuracy, self.waited = patience, -1.0, 0
        self.kept: Kept | None = None

    def passed(self, accuracy: float, network: QuantNetwork) -> bool:
        """Whether there were as many looks without a better one as the recipe allows."""
        if not self.patience:
            return False
        self.waited += 1
        if accuracy > self.accuracy:
            self.accuracy, self.waited = accuracy, 0
            self.kept = network.kept()
        return self.waited >= self.patience

    def restore(self, network: QuantNetwork) -> None:
        if self.kept:
            network.restore(self.kept)
