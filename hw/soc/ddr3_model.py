"""LiteDRAM's model of a chip of DDR3, behind reads that are right with few settings of the PHY only."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from litedram.phy.dfi import Interface
from litedram.phy.model import SDRAM_VERBOSE_STD, SDRAMPHYModel
from litex.gen import LiteXModule
from migen import Array, Cat, If, Signal

from hw.soc.leveling import BEATS, DELAYS, SLIPS, ReadControls

__all__ = ["LANES", "Ddr3Model", "Lane"]


@dataclass(frozen=True, kw_only=True)
class Lane:
    """When the burst of a byte of the chip comes to the device.

    Whole bursts are seen with the delays from ``first`` to ``last``, and data is right there and with one less or two
    more, if the slip is right too.
    """

    slip: int
    first: int
    last: int

    @property
    def middle(self) -> int:
        """The setting that leveling should find."""
        return DELAYS * self.slip + (self.first + self.last) // 2


LANES = (Lane(slip=1, first=2, last=5), Lane(slip=3, first=1, last=3))


class Ddr3Model(LiteXModule):
    """In place of a PHY: ``settings``, ``dfi``, and what leveling does about reads.

    It reports every time of the chip that is not kept.

    Parameters
    ----------
    chip : litedram.modules.DDR3Module
    settings : PhySettings
        The PHY's, and so its latencies.
    controls : ReadControls
    clock_hz : float
        Of the system.
    size : int
        Bytes that there are of the chip.
    lanes : Lane of each byte.
    """

    def __init__(self, chip: Any, settings: Any, controls: ReadControls, *, clock_hz: float, size: int,
                 lanes: Sequence[Lane] = LANES) -> None:
        self.settings = settings
        self.chip = model = SDRAMPHYModel(_with_rows(chip, settings.databits // 8, size), settings, clk_freq=clock_hz,
                                          verbosity=SDRAM_VERBOSE_STD)
        geometry = chip.geom_settings
        self.dfi = dfi = Interface(geometry.addressbits, geometry.bankbits, settings.nranks, settings.dfi_databits,
                                   settings.nphases)
        self.comb += dfi.connect(model.dfi, omit={"rddata"})
        given, taken = (Cat(*(phase.rddata for phase in side.phases)) for side in (model.dfi, dfi))
        valid, width = model.dfi.p0.rddata_valid, len(lanes)
        beats = [[given[8 * (beat * width + lane):8 * (beat * width + lane + 1)] for beat in range(BEATS)]
                 for lane in range(width)]
        reads = [self._lane(lane, controls, number, valid, beats[number]) for number, lane in enumerate(lanes)]
        self.comb += taken.eq(Cat(*(reads[lane][beat] for beat in range(BEATS) for lane in range(width))))

    def _lane(self, lane: Lane, controls: ReadControls, number: int, valid: Signal, beats: list[Any]) -> list[Signal]:
        delay, slip, selected = Signal(max=DELAYS), Signal(max=SLIPS), controls.select[number]
        self.sync += [
            If(selected & controls.delay, delay.eq(delay + 1)), If(selected & controls.slip, slip.eq(slip + 1)),
            If(valid & ~selected & (delay >= lane.first) & (delay <= lane.last), controls.seen[number].eq(1)),
            If(controls.clear, controls.seen[number].eq(0)),
        ]
        read = [Signal(8) for _ in beats]
        right = ~selected & (delay >= lane.first - 1 if lane.first else 1) & (delay <= lane.last + 2)
        for beat, taken in enumerate(read):
            self.comb += taken.eq(~beats[-1 - beat]), If(right, taken.eq(Array(
                beats[place] if 0 <= (place := beat + offset - lane.slip) < BEATS else ~beats[beat]
                for offset in range(SLIPS))[slip]))
        return read


def _with_rows(chip: Any, width: int, size: int) -> Any:
    """The same chip with rows for ``size`` bytes only, so that a simulator need not hold all of it."""
    smaller, geometry = copy(chip), copy(chip.geom_settings)
    geometry.rowbits = (size // width - 1).bit_length() - geometry.colbits - geometry.bankbits
    smaller.geom_settings = geometry
    return smaller
