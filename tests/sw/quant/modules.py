"""Modules of every operator, alone and at random, and what makes a fake-quantized network of one."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sw import golden
from sw.graph.graph import Graph, TensorType
from sw.models import traced
from sw.quant.network import QuantNetwork
from sw.quant.recipe import Quantize

__all__ = ["ALONE", "Applied", "difference", "images_of", "network_of", "random_module"]


class Applied(nn.Module):
    """A function, with modules that it may use."""

    def __init__(self, function: Callable[..., Tensor], **parts: nn.Module):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)
        self.names = list(parts)

    def forward(self, value: Tensor) -> Tensor:
        return self.function(value, *[getattr(self, name) for name in self.names])


class Scaled(nn.Module):
    """Times a parameter for each channel."""

    def __init__(self, channels: int, op: str = "mul"):
        super().__init__()
        self.factor, self.op = nn.Parameter(torch.randn(channels)), op

    def forward(self, value: Tensor) -> Tensor:
        factor = self.factor.reshape(1, -1, *[1] * (value.dim() - 2))
        return value * factor if self.op == "mul" else value + factor


def prelu(channels: int) -> nn.PReLU:
    made = nn.PReLU(channels)
    nn.init.uniform_(made.weight, -0.5, 0.9)
    return made


def norm(kind: type, channels: int) -> nn.Module:
    made = kind(channels)
    nn.init.normal_(made.weight)
    nn.init.normal_(made.bias, 0, 0.3)
    return made


def excited(value: Tensor, conv: nn.Module, gate: nn.Module) -> Tensor:
    """Squeeze and excitation."""
    value = conv(value)
    return value * torch.sigmoid(gate(value.mean((2, 3), keepdim=True)))


def halves(value: Tensor, conv: nn.Module) -> Tensor:
    first, second = conv(value).chunk(2, 1)
    return torch.cat([second, first, value], 1)


def shuffled(value: Tensor, conv: nn.Module) -> Tensor:
    value = conv(value)
    count, channels, height, width = value.shape
    return value.view(count, 2, channels // 2, height, width).transpose(1, 2).reshape(value.shape)


IMAGE, SEQUENCE, TABLE = (5, 6, 4), (1, 9, 4), (1, 1, 12)
#: Name -> height, width and channels of its input, and a module.
ALONE: dict[str, tuple[tuple[int, int, int], Callable[[], nn.Module]]] = {
    "conv": (IMAGE, lambda: nn.Conv2d(4, 6, 3)),
    "conv same": (IMAGE, lambda: nn.Conv2d(4, 6, (2, 3), padding="same")),
    "conv strided": (IMAGE, lambda: nn.Conv2d(4, 6, 3, stride=(2, 1), padding=(1, 0), bias=False)),
    "conv uneven": (IMAGE, lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(4, 6, 3, stride=2))),
    "conv dilated": (IMAGE, lambda: nn.Conv2d(4, 6, 2, dilation=(2, 3))),
    "conv groups": (IMAGE, lambda: nn.Conv2d(4, 6, 3, groups=2)),
    "depthwise": (IMAGE, lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4)),
    "depthwise many": (IMAGE, lambda: nn.Conv2d(4, 8, 3, groups=4)),
    "conv norm relu": (IMAGE, lambda: nn.Sequential(nn.Conv2d(4, 6, 3), norm(nn.BatchNorm2d, 6), nn.ReLU())),
    "conv relu6": (IMAGE, lambda: nn.Sequential(nn.Conv2d(4, 6, 3), Scaled(6), nn.ReLU6())),
    "conv hardtanh": (IMAGE, lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.Hardtanh(-0.3, 0.2))),
    "conv1d": (SEQUENCE, lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1)),
    "conv1d causal": (SEQUENCE, lambda: nn.Sequential(nn.ConstantPad1d((4, 0), 0.0), nn.Conv1d(4, 6, 3, dilation=2))),
    "conv1d norm": (SEQUENCE, lambda: nn.Sequential(nn.Conv1d(4, 4, 3, groups=4), norm(nn.BatchNorm1d, 4))),
    "linear": (TABLE, lambda: nn.Linear(12, 5)),
    "linear norm": (TABLE, lambda: nn.Sequential(nn.Linear(12, 5), norm(nn.BatchNorm1d, 5), nn.ReLU())),
    "linear behind flatten": (IMAGE, lambda: nn.Sequential(nn.Flatten(), nn.Linear(120, 5))),
    "linear of a sequence": (SEQUENCE, lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 5))),
    "linear over the last axis": (SEQUENCE, lambda: nn.Linear(9, 5)),
    "linear over channels": (IMAGE, lambda: Applied(lambda x, fc: fc(x.permute(0, 2, 3, 1)), fc=nn.Linear(4, 7))),
    "norm": (IMAGE, lambda: norm(nn.BatchNorm2d, 4)),
    "norm of features": (TABLE, lambda: norm(nn.BatchNorm1d, 12)),
    **{f"function {name}": (IMAGE, make) for name, make in {
        "relu": nn.ReLU, "relu6": nn.ReLU6, "hardtanh": nn.Hardtanh, "leaky": lambda: nn.LeakyReLU(0.1), "elu": nn.ELU,
        "hardswish": nn.Hardswish, "hardsigmoid": nn.Hardsigmoid, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh,
        "silu": nn.SiLU, "gelu": nn.GELU, "mish": nn.Mish, "softplus": nn.Softplus,
        "abs": lambda: Applied(torch.abs), "less": lambda: Applied(lambda x: 1 - x / 3),
        "clamp": lambda: Applied(lambda x: x.clamp(0.1, 0.5))}.items()},
    "prelu": (IMAGE, lambda: prelu(4)),
    "prelu of one": (SEQUENCE, lambda: prelu(1)),
    "average": (IMAGE, lambda: nn.AvgPool2d((2, 3))),
    "average with zeros": (IMAGE, lambda: nn.AvgPool2d(3, 2, 1)),
    "average inside": (IMAGE, lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "average of a sequence": (SEQUENCE, lambda: nn.AvgPool1d(3)),
    "average to a size": (IMAGE, lambda: nn.AdaptiveAvgPool2d((5, 2))),
    "most": (IMAGE, lambda: nn.MaxPool2d(2)),
    "most padded": (IMAGE, lambda: nn.MaxPool2d(3, 2, 1)),
    "most of a sequence": (SEQUENCE, lambda: nn.MaxPool1d(3, 2)),
    "mean": (IMAGE, lambda: Applied(lambda x: x.mean((2, 3)))),
    "mean of rows": (IMAGE, lambda: Applied(lambda x: x.mean(2))),
    "amax": (SEQUENCE, lambda: Applied(lambda x: x.amax(-1, keepdim=True))),
    "residual": (IMAGE, lambda: Applied(lambda x, conv: functional.relu(x + conv(x)),
                                        conv=nn.Conv2d(4, 4, 3, padding=1))),
    "difference": (IMAGE, lambda: Applied(lambda x, conv: conv(x) - x, conv=nn.Conv2d(4, 4, 1))),
    "product": (IMAGE, lambda: Applied(lambda x, conv: conv(x) * x, conv=nn.Conv2d(4, 4, 1))),
    "excitation": (IMAGE, lambda: Applied(excited, conv=nn.Conv2d(4, 6, 1), gate=nn.Conv2d(6, 6, 1))),
    "constant factor": (IMAGE, lambda: Scaled(4)),
    "constant offset": (SEQUENCE, lambda: Scaled(4, "add")),
    "concat": (IMAGE, lambda: Applied(lambda x, a, b: torch.cat([a(x), x, b(x)], 1), a=nn.Conv2d(4, 3, 1),
                                      b=nn.Conv2d(4, 5, 1))),
    "concat of rows": (IMAGE, lambda: Applied(lambda x, a: torch.cat([a(x), torch.sigmoid(a(x))], 2),
                                              a=nn.Conv2d(4, 3, 1))),
    "halves": (IMAGE, lambda: Applied(halves, conv=nn.Conv2d(4, 6, 1))),
    "shuffle": (IMAGE, lambda: Applied(shuffled, conv=nn.Conv2d(4, 6, 1))),
    "slice": (IMAGE, lambda: Applied(lambda x: x[:, 1:, ::2, -3:])),
    "last step": (SEQUENCE, lambda: Applied(lambda x, fc: fc(x[:, :, -1]), fc=nn.Linear(4, 3))),
    "flip": (SEQUENCE, lambda: Applied(lambda x: x.flip(2))),
    "transpose": (IMAGE, lambda: Applied(lambda x, conv: conv(x.transpose(2, 3)), conv=nn.Conv2d(4, 3, (2, 3)))),
    "rows as channels": (IMAGE, lambda: Applied(lambda x, conv: conv(x.flatten(1, 2)), conv=nn.Conv1d(20, 3, 3))),
    "flatten and add": (IMAGE, lambda: Applied(lambda x, conv: x.flatten(1) + conv(x).flatten(1),
                                               conv=nn.Conv2d(4, 4, 1))),
    "pad": (IMAGE, lambda: Applied(lambda x: functional.pad(x, (1, 2, 0, 3)))),
    "pad channels": (IMAGE, lambda: Applied(lambda x: functional.pad(x, (0, 0, 0, 0, 2, 1)))),
    "dropout": (IMAGE, lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Dropout(0.3), nn.Dropout2d(0.3))),
}


def random_module(seed: int) -> tuple[tuple[int, int, int], nn.Module]:
    """A few operators, one behind the other, and a dense layer at the end."""
    rng = np.random.default_rng(seed)
    sequence = bool(rng.integers(2))
    image = SEQUENCE if sequence else IMAGE
    parts: list[nn.Module] = []
    shape = (2, image[2], image[1]) if sequence else (2, image[2], image[0], image[1])
    value = torch.zeros(shape)
    while len(parts) < 6:
        made = _random_part(rng, value)
        try:
            value = made.eval()(value)
        except (RuntimeError, IndexError):      # it does not fit
            continue
        parts.append(made)
    return image, nn.Sequential(*parts, nn.Flatten(), nn.Linear(value[0].numel(), 5))


def _random_part(rng: np.random.Generator, value: Tensor) -> nn.Module:
    channels, rank = value.shape[1], value.dim() - 2
    kind, outputs = int(rng.integers(12)), int(rng.choice([4, 6, 8]))
    conv, batch = (nn.Conv1d, nn.BatchNorm1d) if rank == 1 else (nn.Conv2d, nn.BatchNorm2d)
    if kind < 3:
        return nn.Sequential(conv(channels, outputs, 3, int(rng.integers(1, 3)), int(rng.integers(2)),
                                  dilation=int(rng.integers(1, 3)), bias=bool(rng.integers(2))),
                             *([norm(batch, outputs)] if rng.integers(2) else []),
                             *([nn.ReLU()] if rng.integers(2) else [nn.ReLU6()]))
    if kind == 3:
        return nn.Sequential(conv(channels, channels, 3, padding=1, groups=channels, bias=False), norm(batch, channels))
    if kind == 4:
        return Applied(lambda x, one: functional.relu(x + one(x)), one=conv(channels, channels, 1))
    if kind == 5:
        return Applied(lambda x, one: torch.cat([x, one(x)], 1), one=conv(channels, 3, 1))
    if kind == 6:
        return Applied(lambda x, one: x * torch.sigmoid(one(x)), one=conv(channels, channels, 1))
    if kind == 7:
        return [nn.Hardswish, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Tanh][int(rng.integers(5))]()
    if kind == 8:
        return [nn.MaxPool1d, nn.AvgPool1d, nn.MaxPool2d, nn.AvgPool2d][int(rng.integers(2)) + 2 * (rank == 2)](2)
    if kind == 9:
        return Applied(lambda x: x.flip(2)[:, :, 1:] if x.shape[2] > 1 else x.flip(1))
    if kind == 10:
        return Applied(lambda x: x.transpose(1, -1))
    return prelu(channels)


def network_of(module: nn.Module, image: tuple[int, int, int], bits: int = 8, seed: int = 0, scale: float = 1 / 255,
               zero_point: int = -128, options: Quantize | None = None) -> QuantNetwork:
    """A network of a module as it is, with settled ranges and statistics, for evaluation."""
    generator = torch.Generator().manual_seed(seed)
    kind = TensorType(shape=image, scale=scale, zero_point=zero_point)
    network = QuantNetwork(traced("test", module, image), kind, bits, generator, options)
    with torch.no_grad():
        for _ in range(8):
            network.train()(images_of(32, generator, kind))
        network.eval()(images_of(32, generator, kind))
    return network


def images_of(count: int, generator: torch.Generator, kind: TensorType) -> Tensor:
    """Inputs all over what their type can hold, most of them near its lower end."""
    height, width, channels = kind.shape
    share = torch.rand(count, channels, height, width, generator=generator) ** 3
    return kind.scale * ((kind.high - kind.low) * share + kind.low - kind.zero_point)


def difference(network: QuantNetwork, graph: Graph, images: Tensor) -> np.ndarray:
    """Differences of the outputs, in steps, as the network's module orders them."""
    kind, shape = graph.input, network.traced.output.shape
    inputs = np.clip(np.round(images.permute(0, 2, 3, 1).numpy() / kind.scale) + kind.zero_point, kind.low, kind.high)
    outputs = golden.run(graph, inputs.astype(np.int8))[-1].reshape(len(images), *shape[1:], shape[0])
    with torch.no_grad():
        signal = network.signals(images)[-1]
    wanted = (signal.value / signal.scale).round().numpy()
    return np.abs(np.moveaxis(outputs, -1, 1).astype(int) - graph.output.zero_point - wanted)
