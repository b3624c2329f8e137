"""The networks that come with Heddle: ordinary modules, each by a function ``(shape, classes, width, ...)``.

``shape`` is that of one input, channels first; ``width`` multiplies the channels, which are multiples of 4, since the
array's columns come in powers of two. The other arguments are what a search may vary: ``blocks`` and ``layers`` count
what is repeated, ``kernel`` is the taps along an axis, ``stride`` the step of the first layer (0: 2 of larger inputs
than 16 pixels, else 1). To add a network, write a function like these and its name in ``sw.models.build.NETWORKS``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.models.ir import ModelError, Shape, image_of

__all__ = ["autoencoder", "cnn", "cnn1d", "dense", "dscnn", "mlp", "mobilenet", "resnet8", "strided", "tcn"]

MULTIPLE = 4
SMALL_IMAGE = 16         # pixels; larger inputs are halved by the first layer


def scaled(channels: int, width: float) -> int:
    """Channels at a width.

    >>> scaled(24, 0.25), scaled(24, 1.5)
    (8, 36)
    """
    return max(MULTIPLE, round(channels * width / MULTIPLE) * MULTIPLE)


def started(module: nn.Module) -> nn.Module:
    """With weights for ReLUs, and no bias, to start from."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv1d | nn.Linear):
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module


class Image(nn.Module):
    """Any input as an image: a sequence is one of a single row, features are one of a single pixel."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = image_of(shape)

    def forward(self, value: Tensor) -> Tensor:
        return value.reshape(value.shape[0], *self.shape)


class Same(nn.Module):
    """Zeros around, so that a convolution of stride 1 keeps the size: TFLite's SAME, the odd one behind."""

    def __init__(self, kernel: Sequence[int], stride: Sequence[int]):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, value: Tensor) -> Tensor:
        around = []
        for size, taps, step in zip(value.shape[:1:-1], self.kernel[::-1], self.stride[::-1], strict=True):
            total = max((-(-size // step) - 1) * step + taps - size, 0)
            around += [total // 2, total - total // 2]
        return functional.pad(value, around) if any(around) else value


def conv(taken: int, channels: int, kernel: Sequence[int] = (1, 1), stride: Sequence[int] = (1, 1), groups: int = 1,
         relu: bool = True) -> nn.Sequential:
    """A convolution that pads as TFLite's SAME, a normalization and a ReLU."""
    size, step = (kernel[0], kernel[1]), (stride[0], stride[1])
    parts: list[nn.Module] = [Same(kernel, stride), nn.Conv2d(taken, channels, size, step, groups=groups, bias=False),
                              nn.BatchNorm2d(channels)]
    return nn.Sequential(*parts, *([nn.ReLU()] if relu else []))


def separable(taken: int, channels: int, kernel: Sequence[int], stride: Sequence[int] = (1, 1)) -> nn.Sequential:
    """A depthwise convolution and one of a single tap."""
    return nn.Sequential(conv(taken, taken, kernel, stride, groups=taken), conv(taken, channels))


def filling(shape: Sequence[int], kernel: int = 3) -> tuple[int, int]:
    """Taps along each axis, no more than reach a pixel: beyond them there is only padding.

    >>> filling((8, 1)), filling((8, 2), 5)
    ((3, 1), (5, 3))
    """
    return min(kernel, 2 * shape[0] - 1), min(kernel, 2 * shape[1] - 1)


def first_stride(shape: Sequence[int], stride: int = 0) -> tuple[int, int]:
    """That of a first layer, no more than there are pixels; 0 is 2 of large inputs, else 1.

    >>> first_stride((8, 8)), first_stride((28, 28)), first_stride((8, 1), 2)
    ((1, 1), (2, 2), (2, 1))
    """
    step = stride or (1 if max(shape) <= SMALL_IMAGE else 2)
    return min(shape[0], step), min(shape[1], step)


def counted(name: str, given: int, most: int) -> int:
    """``given`` if it is 1 to ``most``. Raises ModelError."""
    if not 1 <= given <= most:
        raise ModelError(f"{name}={given}: choose 1 to {most}")
    return given


class Pooled(nn.Module):
    """The mean over the image, and a dense layer."""

    def __init__(self, taken: int, classes: int):
        super().__init__()
        self.classifier = nn.Linear(taken, classes)

    def forward(self, value: Tensor) -> Tensor:
        given: Tensor = self.classifier(value.mean((2, 3)))
        return given


def mlp(shape: Shape, classes: int, width: float = 1.0, layers: int = 2) -> nn.Module:
    """Hidden dense layers."""
    hidden, taken = scaled(32, width), torch.Size(shape).numel()
    parts: list[nn.Module] = [nn.Flatten()]
    for reads in [taken, *[hidden] * (counted("layers", layers, 8) - 1)]:
        parts += [nn.Linear(reads, hidden), nn.ReLU()]
    return started(nn.Sequential(*parts, nn.Linear(hidden, classes)))


def dscnn(shape: Shape, classes: int, width: float = 1.0, blocks: int = 3, kernel: int = 3,
          stride: int = 0) -> nn.Module:
    """A convolution, depthwise-separable blocks of which the second halves the image, pooling, dense."""
    taken, *size = image_of(shape)
    taps, channels = filling(size, kernel), scaled(16, width)
    parts: list[nn.Module] = [Image(shape), conv(taken, channels, taps, first_stride(size, stride))]
    for number in range(counted("blocks", blocks, 12)):
        given = scaled(24 if number == 0 else 32, width)
        parts.append(separable(channels, given, taps, (2, 2) if number == 1 else (1, 1)))
        channels = given
    return started(nn.Sequential(*parts, Pooled(channels, classes)))


def cnn(shape: Shape, classes: int, width: float = 1.0, blocks: int = 3, kernel: int = 3, stride: int = 0) -> nn.Module:
    """Convolutions, each behind the first on half the image with twice the channels, pooling, dense."""
    taken, *size = image_of(shape)
    taps, parts = filling(size, kernel), [Image(shape)]
    for number in range(counted("blocks", blocks, 6)):
        given = scaled(16 << number, width)
        parts.append(conv(taken, given, taps, (2, 2) if number else first_stride(size, stride)))
        taken = given
    return started(nn.Sequential(*parts, Pooled(taken, classes)))


class Residual(nn.Module):
    """Two convolutions beside the input, or beside one of a single tap where its shape changes."""

    def __init__(self, taken: int, channels: int, kernel: Sequence[int], stride: Sequence[int]):
        super().__init__()
        self.first = conv(taken, channels, kernel, stride)
        self.second = conv(channels, channels, kernel, relu=False)
        same = taken == channels and tuple(stride) == (1, 1)
        self.beside = nn.Identity() if same else conv(taken, channels, (1, 1), stride, relu=False)

    def forward(self, value: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(value)) + self.beside(value))


def resnet8(shape: Shape, classes: int, width: float = 1.0) -> nn.Module:
    """MLPerf Tiny's image classifier: a convolution, three residual blocks, pooling, dense."""
    taken, *size = image_of(shape)
    kernel, (first, second, third) = filling(size), (scaled(channels, width) for channels in (16, 32, 64))
    return started(nn.Sequential(
        Image(shape), conv(taken, first, kernel), Residual(first, first, kernel, (1, 1)),
        Residual(first, second, kernel, (2, 2)), Residual(second, third, kernel, (2, 2)), Pooled(third, classes)))


class Inverted(nn.Module):
    """MobileNetV2's block: wider, a depthwise convolution, narrow again; beside its input where shapes agree."""

    def __init__(self, taken: int, channels: int, kernel: Sequence[int], stride: Sequence[int], expand: int = 4):
        super().__init__()
        self.body = nn.Sequential(conv(taken, expand * taken), conv(expand * taken, expand * taken, kernel, stride,
                                                                    groups=expand * taken),
                                  conv(expand * taken, channels, relu=False))
        self.residual = taken == channels and tuple(stride) == (1, 1)

    def forward(self, value: Tensor) -> Tensor:
        given: Tensor = self.body(value)
        return given + value if self.residual else given


def mobilenet(shape: Shape, classes: int, width: float = 1.0) -> nn.Module:
    """A small MobileNetV2: a convolution, five inverted residual blocks, one more convolution, pooling, dense."""
    taken, *size = image_of(shape)
    kernel, (first, second, third, last) = filling(size), (scaled(channels, width) for channels in (8, 12, 16, 64))
    return started(nn.Sequential(
        Image(shape), conv(taken, first, kernel, first_stride(size)), Inverted(first, first, kernel, (1, 1)),
        Inverted(first, second, kernel, (2, 2)), Inverted(second, second, kernel, (1, 1)),
        Inverted(second, third, kernel, (2, 2)), Inverted(third, third, kernel, (1, 1)), conv(third, last),
        Pooled(last, classes)))


class Sequence1d(nn.Module):
    """Any input as a sequence: of an image, its columns, each with the channels of all rows."""

    def __init__(self, shape: Shape):
        super().__init__()
        channels, height, length = image_of(shape)
        self.shape = (channels * height, length)

    def forward(self, value: Tensor) -> Tensor:
        return value.reshape(value.shape[0], *self.shape)


def cnn1d(shape: Shape, classes: int, width: float = 1.0, blocks: int = 3, kernel: int = 5) -> nn.Module:
    """For sensors: convolutions over time, each behind the first with half the steps, pooling, dense."""
    sequence = Sequence1d(shape)
    taken, length = sequence.shape
    parts: list[nn.Module] = [sequence]
    for number in range(counted("blocks", blocks, 12)):
        channels = scaled(32 if number else 16, width)
        taps, step = (kernel, 2) if length > 4 else (1, 1)
        parts += [nn.Conv1d(taken, channels, taps, step, padding=taps // 2, bias=False), nn.BatchNorm1d(channels),
                  nn.ReLU()]
        taken, length = channels, (length - 1) // step + 1
    return started(nn.Sequential(*parts, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(taken, classes)))


class Causal(nn.Module):
    """A residual block of a temporal convolution: what comes later is not seen, and gaps reach far back."""

    def __init__(self, channels: int, taps: int, dilation: int):
        super().__init__()
        self.pad = nn.ConstantPad1d(((taps - 1) * dilation, 0), 0.0)
        self.conv = nn.Conv1d(channels, channels, taps, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, value: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(self.pad(value))) + value)


def tcn(shape: Shape, classes: int, width: float = 1.0, blocks: int = 4, kernel: int = 3) -> nn.Module:
    """A temporal convolution network: causal blocks with gaps of 1, 2, 4 and so on, the last step, dense."""
    sequence = Sequence1d(shape)
    taken, length = sequence.shape
    channels = scaled(16, width)
    stem = nn.Sequential(nn.Conv1d(taken, channels, 1, bias=False), nn.BatchNorm1d(channels), nn.ReLU())
    gaps = [1 << number for number in range(counted("blocks", blocks, 8))]
    body = [Causal(channels, kernel, gap) for gap in gaps if gap < max(length, 2)]
    return started(nn.Sequential(sequence, stem, *body, nn.AdaptiveAvgPool1d(1), nn.Flatten(),
                                 nn.Linear(channels, classes)))


def strided(shape: Shape, classes: int, width: float = 1.0, kernel: int = 3, stride: int = 2) -> nn.Module:
    """One block: a convolution that leaves pixels out, and a dense layer."""
    taken, *size = image_of(shape)
    channels, step = scaled(8, width), first_stride(size, stride)
    count = channels * -(-size[0] // step[0]) * -(-size[1] // step[1])
    return started(nn.Sequential(Image(shape), conv(taken, channels, filling(size, kernel), step), nn.Flatten(),
                                 nn.Linear(count, classes)))


def dense(shape: Shape, classes: int, width: float = 1.0) -> nn.Module:
    """One hidden dense layer."""
    hidden, taken = scaled(16, width), torch.Size(shape).numel()
    return started(nn.Sequential(nn.Flatten(), nn.Linear(taken, hidden), nn.ReLU(), nn.Linear(hidden, classes)))


def autoencoder(shape: Shape, classes: int, width: float = 1.0) -> nn.Module:
    """MLPerf Tiny's anomaly detector with half its channels and a layer less on each side: dense layers through a
    narrow one back to the input.
    """
    taken, hidden, narrow = torch.Size(shape).numel(), scaled(64, width), scaled(8, width)
    if classes != taken:
        raise ModelError("an autoencoder gives its inputs back; say with --data which classes it learns: normal=NAME")
    sizes = (taken, hidden, hidden, narrow, hidden, hidden)
    parts: list[nn.Module] = []
    for reads, gives in zip(sizes, sizes[1:], strict=False):
        parts += [nn.Linear(reads, gives, bias=False), nn.BatchNorm1d(gives), nn.ReLU()]
    return started(nn.Sequential(nn.Flatten(), *parts, nn.Linear(hidden, taken)))
