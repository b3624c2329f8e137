"""One point of a design space: a network and how it is trained, on an accelerator, on a board."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from sw.quant.config import Setting, short_name

__all__ = ["Candidate", "Chip", "NetworkChoice", "Pairs", "Value", "word"]

LARGEST_ACT, LARGEST_WEIGHT = 131072, 524288    # bytes of memories, before a program has shown what it needs
COMMON_DSPS = 4
Value = Setting | tuple[Any, ...]               # of an axis
Pairs = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, kw_only=True)
class NetworkChoice:
    """A network of a space, its precision, and what of its data and its recipe is an axis."""

    name: str                                       # a name of sw.models, or file.py:function
    settings: Pairs = ()                            # arguments of its function, its width among them
    weight_bits: int = 8                            # of the layers that have no other
    layers: tuple[tuple[str, int], ...] = ()        # bits of the weights of layers, by name
    data: Pairs = ()                                # options of the data
    recipe: Pairs = ()                              # keys of the recipe, such as quantize.passes

    @property
    def widths(self) -> set[int]:
        """Bits of its weights."""
        return {self.weight_bits, *(bits for _, bits in self.layers)}

    @property
    def widest(self) -> int:
        """Bits of its widest weights: a design of one width has these."""
        return max(self.widths)

    @property
    def id(self) -> str:
        """Readable, a part of a folder's name.

        >>> NetworkChoice(name="dscnn", settings=(("width", 0.5), ("blocks", 2)), weight_bits=4).id
        'dscnn-0.5-blocks2-w4'
        """
        settings = dict(self.settings)
        parts = [short_name(self.name), *([f"{settings.pop('width'):g}"] if "width" in settings else []),
                 *_words(tuple(settings.items())), f"w{self.weight_bits}", *_words(self.layers), *_words(self.data),
                 *_words(self.recipe)]
        return re.sub(r"[^\w.-]", "_", "-".join(parts))

    @property
    def values(self) -> dict[str, Any]:
        """Of its axes, by the names that constraints have."""
        found = {"network": self.name, **dict(self.settings), "weight_bits": self.weight_bits, **dict(self.data),
                 **{f"{name}_bits": bits for name, bits in self.layers}, **dict(self.recipe)}
        return {word(name): value for name, value in found.items()}


def word(name: str) -> str:
    """Of an axis, as conditions have it: ``quantize.passes`` is ``quantize_passes``."""
    return re.sub(r"\W", "_", name)


def _words(pairs: Pairs) -> list[str]:
    return [f"{name}{_word(value)}" for name, value in pairs]


def _word(value: Value) -> str:
    if isinstance(value, tuple):
        return "-".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class Chip:
    """What of an accelerator is searched: all but its memories, which follow from the program."""

    rows: int
    cols: int
    lanes: int
    multiplier: str
    requantizers: int
    requantizer_dsps: int = COMMON_DSPS
    depthwise_taps: int = 1

    @property
    def id(self) -> str:
        """Readable, a part of a folder's name.

        >>> Chip(rows=2, cols=4, lanes=4, multiplier="dsp", requantizers=2, depthwise_taps=4).id
        '2x4x4-dsp-r2-t4'
        """
        dsps = "" if self.requantizer_dsps == COMMON_DSPS else f"d{self.requantizer_dsps}"
        return (f"{self.rows}x{self.cols}x{self.lanes}-{self.multiplier}-r{self.requantizers}{dsps}"
                f"-t{self.depthwise_taps}")

    def design(self, weight_bits: int) -> DesignPoint:
        """For weights of a width, on no board yet, with the largest memories.

        Raises
        ------
        SpecError
            If the combination cannot be built.
        """
        return DesignPoint(rows=self.rows, cols=self.cols, lanes=self.lanes,
                           weight_bits=MULTIPLIERS[self.multiplier].design_bits(weight_bits),
                           multiplier=self.multiplier, requantizers=self.requantizers,
                           requantizer_dsps=self.requantizer_dsps, depthwise_taps=self.depthwise_taps,
                           act_bytes=LARGEST_ACT, weight_bytes=LARGEST_WEIGHT)

    @property
    def values(self) -> Mapping[str, Any]:
        """Of its axes, by the names that constraints have."""
        return {**vars(self), "macs_per_cycle": self.rows * self.cols * self.lanes}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One point of a space."""

    network: NetworkChoice
    chip: Chip
    board: str

    @property
    def id(self) -> str:
        """Readable and unique in a space; a folder name."""
        return f"{self.network.id}-{self.chip.id}-{self.board}"
