"""What a command computes, and where: the operator of the array and the geometry of its operands."""

from dataclasses import dataclass

import numpy as np

from sw.compiler.channels import Channels

__all__ = ["Geometry", "Operator"]


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Where an operator reads and writes; all sizes in activations, all addresses in the activation scratchpad."""

    address: int                     # first row of the input that is there, with all channels that lie in its pixels
    shape: tuple[int, int, int]      # height (rows that are there), width, channels
    out_address: int
    out_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    top: int = 0                     # rows of padding over the first output row; negative: rows that are skipped
    left: int = 0
    pixel_bytes: int = 0             # output distance of two pixels of a row; 0: their channels
    row_bytes: int = 0               # output distance of two rows; 0: their pixels
    lead: int = 0                    # activations in front of a kernel row whose weights are 0
    taken_bytes: int = 0             # input distance of two pixels of a row; 0: their channels
    within: int = 0                  # where in these pixels the channels begin

    @property
    def first_x(self) -> int:
        """Place of the first tap in its row."""
        return self.within - self.left * self.taken_pitch - self.lead

    @property
    def first_tap(self) -> int:
        """Address of the first tap of the first pixel; it may lie outside the tensor."""
        return self.address - self.top * self.taken_row + self.first_x

    @property
    def taken_pitch(self) -> int:
        return self.taken_bytes or self.shape[2]

    @property
    def apart(self) -> bool:
        """Whether other channels lie between those of two pixels of the input."""
        return self.taken_pitch != self.shape[2]

    @property
    def taken_row(self) -> int:
        """Input distance of two rows."""
        return self.shape[1] * self.taken_pitch

    @property
    def pixel_pitch(self) -> int:
        return self.pixel_bytes or self.out_shape[2]

    @property
    def row_pitch(self) -> int:
        return self.row_bytes or self.out_shape[1] * self.pixel_pitch


@dataclass(frozen=True, kw_only=True, eq=False)
class Operator:
    """What the array computes: sums of products, or the largest product, per channel scaled and clamped."""

    depthwise: bool
    weights: np.ndarray        # conv (OC, KH, KW, IC), depthwise (KH, KW, C)
    channels: Channels
    in_zero: int               # where the kernel leaves the input
    out_zero: int
    act_min: int
    act_max: int
    maximum: bool = False
    split: int = 0             # how often the design's 8-bit weights are halved for these
