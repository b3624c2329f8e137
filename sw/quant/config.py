"""What is trained and how; nothing else decides the result. Loads no torch: whoever plans trainings need not either."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sw.quant.recipe import TRAINED_BITS, QuantError, Recipe

__all__ = ["QuantError", "Setting", "TrainConfig", "short_name"]

LARGEST_SEED = (1 << 63) - 1
LARGEST_WIDTH = 16
Setting = bool | int | float | str


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
    weight_bits: int = 8            # 8, 4, 2 (ternary) or 1 (binary); layers that the recipe names have others
    seed: int = 0                   # of weights, order, augmentation and noise
    recipe: Recipe = field(default_factory=Recipe)      # how it is trained

    def __post_init__(self) -> None:
        if not isinstance(self.network, str) or not self.network:
            raise QuantError(f"network={self.network!r}: must be text; write the name of a network, such as dscnn")
        if not isinstance(self.recipe, Recipe):
            raise QuantError(f"recipe={self.recipe!r}: must be a Recipe")
        if type(self.weight_bits) is not int or self.weight_bits not in TRAINED_BITS:
            raise QuantError(f"weight_bits={self.weight_bits!r}: choose 8, 4, 2 or 1")
        self._check_seed()
        self._check_width()
        object.__setattr__(self, "width", float(self.width))   # 1 and 1.0 are one training
        object.__setattr__(self, "settings", _sorted(self.settings))

    def _check_seed(self) -> None:
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise QuantError(f"seed={self.seed!r}: must be a whole number")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise QuantError(f"seed={self.seed}: must be 0 to {LARGEST_SEED}")

    def _check_width(self) -> None:
        if not isinstance(self.width, int | float) or isinstance(self.width, bool) or not math.isfinite(self.width):
            raise QuantError(f"width={self.width!r}: must be a finite number")
        if not 0 < self.width <= LARGEST_WIDTH:
            raise QuantError(f"width={self.width:g}: must be above 0 and at most {LARGEST_WIDTH}")

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
