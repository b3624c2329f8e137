"""What is trained and how; nothing else decides the result. Loads no torch: whoever plans trainings need not either."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.spec.errors import HeddleError

__all__ = ["TRAINED_BITS", "QuantError", "TrainConfig", "short_name"]

TRAINED_BITS = (8, 4, 2)
LARGEST_SEED = (1 << 63) - 1
LARGEST_WIDTH = 16
Setting = bool | int | float | str


class QuantError(HeddleError, ValueError):
    """A training cannot be run, or its result not be lowered; the message names the field or the layer."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training; together with the data and a feedback record it decides every bit of the result.

    ``settings`` are more arguments of the network's function, given as a mapping or as pairs, kept in order of their
    names.

    Equal configurations have equal records (``dataclasses.asdict``), so that either names the result.

    Raises
    ------
    QuantError
        If a field cannot be used; the message names the field, its value, the rule and the way out.

    >>> TrainConfig(network="mlp", width=1, weight_bits=4, seed=3).label
    'mlp width 1, 4 bits, seed 3'
    """

    network: str = "dscnn"          # a name of sw.models, or file.py:function
    width: float = 1.0              # multiplies the channels
    settings: tuple[tuple[str, Setting], ...] = ()     # of the network: more arguments of its function
    weight_bits: int = 8            # 8, 4, or 2 (ternary)
    seed: int = 0                   # of weights, order, shifts and noise
    epochs: int = 40
    epoch_images: int = 1536        # inputs per epoch at most; a larger data set takes several to go through
    batch: int = 128                # inputs
    learning_rate: float = 0.02     # of Adam at its peak
    augment: bool = True            # training inputs are varied as the data set says that they may be

    def __post_init__(self) -> None:
        if not isinstance(self.network, str) or not self.network:
            raise QuantError(f"network={self.network!r}: must be text; write the name of a network, such as dscnn")
        if not isinstance(self.augment, bool):
            raise QuantError(f"augment={self.augment!r}: must be True or False")
        if type(self.weight_bits) is not int or self.weight_bits not in TRAINED_BITS:
            raise QuantError(f"weight_bits={self.weight_bits!r}: choose 8, 4 or 2")
        for name, low, high in (("seed", 0, LARGEST_SEED), ("epochs", 1, 1 << 20), ("epoch_images", 2, 1 << 31),
                                ("batch", 2, 1 << 20)):
            self._check_whole(name, low, high)
        for name, most in (("width", LARGEST_WIDTH), ("learning_rate", math.inf)):
            self._check_real(name, most)
            object.__setattr__(self, name, float(getattr(self, name)))   # 1 and 1.0 are one training
        object.__setattr__(self, "settings", _sorted(self.settings))

    def _check_whole(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise QuantError(f"{name}={value!r}: must be a whole number")
        if not low <= value <= high:
            raise QuantError(f"{name}={value}: must be {low} to {high}")

    def _check_real(self, name: str, most: float) -> None:
        value = getattr(self, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise QuantError(f"{name}={value!r}: must be a finite number")
        if value <= 0:
            raise QuantError(f"{name}={value:g}: must be above 0")
        if value > most:
            raise QuantError(f"{name}={value:g}: must be at most {most}")

    @property
    def label(self) -> str:
        """For tables and progress: what tells one training of a job from another."""
        more = "".join(f", {name} {value}" for name, value in self.settings)
        return f"{short_name(self.network)} width {self.width:g}{more}, {self.weight_bits} bits, seed {self.seed}"


def short_name(network: str) -> str:
    """For folders and labels: of a user's ``nets/small.py:tiny`` the file and the function.

    >>> short_name("dscnn"), short_name("nets/small.py:tiny")
    ('dscnn', 'small-tiny')
    """
    path, colon, function = network.rpartition(":")
    return f"{Path(path).stem}-{function}" if colon else network


def _sorted(settings: Mapping[str, Setting] | Sequence[Sequence[Any]]) -> tuple[tuple[str, Setting], ...]:
    pairs = list(settings.items()) if isinstance(settings, Mapping) else [tuple(pair) for pair in settings]
    for pair in pairs:
        if len(pair) != 2 or not isinstance(pair[0], str) or not pair[0].isidentifier():
            raise QuantError(f"settings: {pair!r} is no name and value; write depth=3, for example")
        if not isinstance(pair[1], bool | int | float | str):
            raise QuantError(f"settings: {pair[0]}={pair[1]!r}: must be a number, text, True or False")
    if any(name in ("width", "shape", "classes") for name, _ in pairs):
        raise QuantError("settings: width is a field of its own, shape and classes are the data's; leave them out")
    if len({name for name, _ in pairs}) != len(pairs):
        raise QuantError("settings: a name is there twice; keep one")
    return tuple(sorted(pairs))
