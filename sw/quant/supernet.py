"""Networks that share their weights: what each of many comes to is seen after a few steps of some."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from sw.data import Augmentation, Dataset
from sw.models.processor import one_thread
from sw.quant.batches import augmented, batches, images_of, rate
from sw.quant.config import QuantError, TrainConfig
from sw.quant.network import QuantNetwork
from sw.quant.optimizer import Optimizer
from sw.quant.run import changes_of
from sw.quant.training import traced_of

__all__ = ["Supernet"]

CHANNELS = 2        # axes of a tensor, the first ones, of which a network takes a part: outputs, and inputs
KEPT = 256          # networks that need not be built again
Key = tuple[object, ...]


class Supernet:
    """Networks that are trained a step at a time, with weights of one bank (Guo et al., Single Path One-Shot, 2020).

    The bank has the largest tensors that networks had so far, and a network takes the first outputs and inputs of each.
    Tensors are one where the network's function, the layer's name, the tensor's role in it, and all sizes but these
    two are: kernels of other sizes share nothing. The last layer is one under any name. One that is too small grows by
    what the network at hand would start with, and its optimizer starts anew.

    Weights of any width are one, rounded to the bits of the network at hand. Statistics and ranges of activations are
    those of the batch: what others see is no help to a network.
    """

    def __init__(self, seed: int) -> None:
        self.bank: dict[Key, nn.Parameter] = {}
        self._optimizers: dict[Key, Optimizer] = {}
        self._generator = torch.Generator().manual_seed(seed)
        self._members: dict[tuple[TrainConfig, str], _Member] = {}
        self._inputs: dict[tuple[str, int], _Inputs] = {}

    def train(self, config: TrainConfig, data: Dataset, done: float) -> None:
        """One step of a network by its recipe's optimizer and rate, after a share ``done`` of all steps.

        Raises
        ------
        QuantError, ModelError
            If the network cannot be trained, or does not converge.
        """
        recipe = config.recipe
        with one_thread():
            member = self._member(config, data)
            images, labels = self._seen(config, data).batch("train")
            answers = self._answers(member, augmented(images, member.changes, self._generator))
            loss = functional.cross_entropy(answers, labels, label_smoothing=recipe.label_smoothing)
            if not math.isfinite(float(loss.detach())):
                raise QuantError(f"loss {float(loss.detach())}: the supernet does not converge; lower learning_rate")
            loss.backward()
            self._change(rate(done, recipe.learning_rate, recipe.schedule, recipe.warm_up))

    @torch.no_grad()
    def loss(self, config: TrainConfig, data: Dataset) -> float:
        """Cross-entropy of a network on the next batch of the validation split, nats."""
        with one_thread():
            images, labels = self._seen(config, data).batch("valid")
            return float(functional.cross_entropy(self._answers(self._member(config, data), images), labels))

    def weights(self, config: TrainConfig, data: Dataset) -> dict[str, Tensor]:
        """What a network takes of the bank, by the names of its parameters; gradients go through it."""
        member = self._member(config, data)
        return {name: self.bank[key][_part(value)] for (name, value), key in zip(
            member.network.named_parameters(), member.keys, strict=True)}

    def _answers(self, member: "_Member", images: Tensor) -> Tensor:
        answers: Tensor = functional_call(member.network, self.weights(member.config, member.data), (images,))
        return answers

    def _member(self, config: TrainConfig, data: Dataset) -> "_Member":
        known = config, data.digest
        if known not in self._members:
            if len(self._members) == KEPT:
                del self._members[next(iter(self._members))]
            network = QuantNetwork(traced_of(config, data), data.input_type, config.weight_bits, self._generator,
                                   config.recipe.quantize)
            network.train()
            network.remember(0.0)
            member = _Member(config=config, data=data, network=network, changes=changes_of(config.recipe, data),
                             keys=_keys(config.network, network))
            for value, key in zip(network.parameters(), member.keys, strict=True):
                self._hold(key, value.detach(), config)
            self._members[known] = member
        return self._members[known]

    def _hold(self, key: Key, value: Tensor, config: TrainConfig) -> None:
        """From now on the bank has a tensor at least as large."""
        before = self.bank[key].detach() if key in self.bank else value
        shape = torch.Size(map(max, before.shape, value.shape))
        if key in self.bank and shape == before.shape:
            return
        grown = torch.zeros(shape)
        grown[_part(value)] = value
        grown[_part(before)] = before
        self.bank[key] = nn.Parameter(grown)
        self._optimizers[key] = Optimizer(config.recipe.optimizer, [self.bank[key]],
                                          weight_decay=config.recipe.weight_decay)

    def _change(self, rate: float) -> None:
        """What has a gradient, which is forgotten."""
        for key, value in self.bank.items():
            if value.grad is not None:
                self._optimizers[key].step(rate)
                self._optimizers[key].clear()

    def _seen(self, config: TrainConfig, data: Dataset) -> "_Inputs":
        key = data.digest, config.recipe.batch
        if key not in self._inputs:
            self._inputs[key] = _Inputs(data, config.recipe.batch, self._generator)
        return self._inputs[key]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Member:
    """A network without weights of its own."""

    config: TrainConfig
    data: Dataset
    network: QuantNetwork
    changes: Sequence[Augmentation]
    keys: Sequence[Key]             # of its parameters in the bank


class _Inputs:
    def __init__(self, data: Dataset, batch: int, generator: torch.Generator) -> None:
        self.images = {split: images_of(data, split) for split in ("train", "valid")}
        self.labels = {split: torch.from_numpy(data.labels[split]) for split in ("train", "valid")}
        self.orders = {split: batches(len(labels), batch, generator) for split, labels in self.labels.items()}

    def batch(self, split: str) -> tuple[Tensor, Tensor]:
        """The next inputs and their labels."""
        part = next(self.orders[split])
        return self.images[split][part], self.labels[split][part]


def _keys(function: str, network: QuantNetwork) -> list[Key]:
    """Of the parameters of a network, in their order."""
    named = [(*name.split(".", 2)[1:], value) for name, value in network.named_parameters()]      # units.3.weight
    last = named[-1][0] if named else ""
    return [(function, "" if number == last else network.traced.nodes[int(number) + 1].name, role,
             *value.shape[CHANNELS:]) for number, role, value in named]


def _part(value: Tensor) -> tuple[slice, ...]:
    return tuple(slice(size) for size in value.shape)
