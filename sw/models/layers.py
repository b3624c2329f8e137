"""One layer of a network before training."""

from dataclasses import dataclass

from hw.spec.errors import HeddleError

__all__ = ["LayerSpec", "ModelError", "Shape"]

OPS = ("conv", "depthwise", "avgpool", "dense")
MOST_CHANNELS = 4096
MOST_TAPS = 255          # of a kernel along one axis
MOST_STRIDE = 31

Shape = tuple[int, int, int]   # height, width, channels


class ModelError(HeddleError, ValueError):
    """A network cannot be built; the message names it."""


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One layer before training. Convolutions are padded so that stride 1 keeps the size (TFLite's SAME).

    Raises
    ------
    ModelError
        If a field cannot be used; the message names the operator, the field, its value and the rule.
    """

    op: str                               # conv, depthwise, avgpool or dense
    channels: int = 0                     # outputs at width 1; 0 keeps the input's (depthwise, avgpool)
    kernel: tuple[int, int] = (1, 1)      # y, x; 0 covers the whole input; a dense layer has none
    stride: tuple[int, int] = (1, 1)      # y, x; that of an avgpool is its kernel, a dense layer has none
    relu: bool = True                     # conv, depthwise and dense only
    scaled: bool = True                   # the width multiplies ``channels``

    def __post_init__(self) -> None:
        if self.op not in OPS:
            raise ModelError(f"op={self.op!r}: choose {', '.join(OPS)}")
        counted = self.op in ("conv", "dense")
        if not _whole(self.channels) or not 0 <= self.channels <= MOST_CHANNELS:
            raise ModelError(f"{self.op} channels={self.channels!r}: write a whole number up to {MOST_CHANNELS}")
        if (self.channels > 0) != counted:
            raise ModelError(f"{self.op} channels={self.channels}: {self.op} "
                             f"{'needs at least 1' if counted else 'keeps its input, leave it 0'}")
        self._check_pair("kernel", 0, MOST_TAPS)
        self._check_pair("stride", 1, MOST_STRIDE)
        if self.op == "dense" and (self.kernel, self.stride) != ((1, 1), (1, 1)):
            raise ModelError(f"dense kernel={self.kernel}, stride={self.stride}: a dense layer reads its whole input; "
                             f"leave both out, or write a conv")
        if self.op == "avgpool" and self.stride not in ((1, 1), self.kernel):
            raise ModelError(f"avgpool kernel={self.kernel}, stride={self.stride}: windows lie side by side, so the "
                             f"stride is the kernel; leave it out")
        for name in ("relu", "scaled"):
            if not isinstance(getattr(self, name), bool):
                raise ModelError(f"{self.op} {name}={getattr(self, name)!r}: write True or False")

    def _check_pair(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if not (isinstance(value, tuple) and len(value) == 2 and all(map(_whole, value))):
            meant = f"{name}=({value}, {value})" if _whole(value) else f"{name}=(3, 3), for example"
            raise ModelError(f"{self.op} {name}={value!r}: takes two whole numbers, y and x; write {meant}")
        if not all(least <= size <= most for size in value):
            raise ModelError(f"{self.op} {name}={value}: both are {least} to {most}")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
