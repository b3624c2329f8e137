"""What the sequencer does in a tile: in every cycle one activation fetch and one step."""

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data

from hw.gateware.array import Step
from hw.gateware.parts import parts
from hw.gateware.scratchpad import Fetch
from hw.gateware.walker import Pixel, Taps, WindowWalker
from hw.spec.design import DesignPoint

__all__ = ["TileLoops"]


class TileLoops:
    """A layer's loops and what they issue, in the sequencer's own module ``m``.

    A layer is blocks of channels of bands of groups of pixels, and a tile is one group of one block. Its taps come in
    segments, each of them so many phases.

    Parameters
    ----------
    command : View of COMMAND
        The running layer.
    begin : Signal
        A layer begins in the next cycle.
    issues : Signal
        A phase passes in this cycle.

    Attributes
    ----------
    loops
        Counters of the outer loops; the sequencer advances them.
    ends_group, ends_band, ends_block
        The band, the block, the layer has no further group.
    walker, taps
        Where the pixels lie, and the taps of a tile.
    phase, last_phase, tile_ends : Signal
        Phase of the segment, whether it is the last one, whether it is the last one of the tile.
    kept_steps : Signal
        Steps of the tile so far, for weights in the elements.
    """

    def __init__(self, m: Module, design: DesignPoint, command: data.View, *, begin: Signal, issues: Signal):
        self.design, self.command, self.begin, self.issues = design, command, begin, issues
        self.phase = Signal(range(max(2, design.fetch_steps)))
        self.last_phase = Signal()
        self.tile_ends = Signal()
        self.kept_steps = Signal(4)
        self.loops = {name: parts(design).loop(command[f"{name}s"].shape().width)
                      for name in ("group", "band", "block")}
        for name, loop in self.loops.items():
            m.submodules[f"{name}s"] = loop
            m.d.comb += [loop.total.eq(command[f"{name}s"]), loop.restart.eq(begin)]
        m.submodules.walker = self.walker = WindowWalker(parts(design).loop)
        m.submodules.taps = self.taps = Taps(parts(design).loop)
        self.phases = parts(design).phases(design, phase=self.phase, last_phase=self.last_phase,
                                           single=command.depthwise | command.broadcast)
        self.ends_group, self.ends_band, self.ends_block = parts(design).loop.ends(m, list(self.loops.values()))

    def nest(self, m: Module, block_address: Value, block_x: Value) -> None:
        """Tell the inner loops where the block begins, and when the outer ones end."""
        walker, taps = self.walker, self.taps
        m.d.comb += [walker.command.eq(self.command), walker.block_address.eq(block_address),
                     walker.block_x.eq(block_x), taps.command.eq(self.command), taps.begin.eq(self.begin),
                     taps.first_tile.eq(self.loops["group"].first)]
        m.d.comb += [taps.ends_band.eq(self.ends_group), self.tile_ends.eq(self.phases.ends_tile)]

    def count_phases(self, m: Module) -> None:
        """See the end of a segment."""
        self.phases.count(m, self.command, self.taps, begin=self.begin, issues=self.issues)

    def issue(self, m: Module, fetch: Fetch, fetch_valid: Signal, step: Step, *, residual: Value) -> Value:
        """Register this phase's ``fetch`` and ``step``; returns whether it reads a word of weights.

        ``residual`` says that the sequencer fetches something itself in this cycle.
        """
        command, phases, taps = self.command, self.phases, self.taps
        self._fetch_pixel(m, phases.fetches, fetch, fetch_valid, residual)
        stepping = Signal()
        m.d.comb += stepping.eq(self.issues & phases.steps)
        m.d.sync += [
            step.token.valid.eq(stepping & taps.multiplies),
            step.token.push.eq(stepping & command.window),
            step.fresh.eq(phases.first),
            step.tail.eq(taps.row_ends & phases.last_step),
            step.token.first.eq(taps.begins_sum & phases.first),
            step.token.last.eq(taps.last & phases.last_step),
        ]
        return stepping & ~command.local & (~command.uniform | (taps.last & phases.last_step))

    def _fetch_pixel(self, m, fetches, fetch, fetch_valid, residual):
        """The fetch of this phase's row; rows keep their pixels from the first tap on."""
        command, walker, taps = self.command, self.walker, self.taps
        pixel = Signal(Pixel)
        self.phases.place(m, pixel, walker, taps, issues=self.issues,
                          moves=taps.first & fetches & (~command.window | self.loops["group"].first))
        y = Signal(signed(17))
        m.d.sync += [fetch.address.eq(pixel.address + taps.address), fetch.x.eq(pixel.x + taps.x),
                     y.eq(pixel.y + taps.y), fetch_valid.eq((self.issues & fetches) | residual)]
        m.d.comb += fetch.row_valid.eq((y >= 0) & (y < command.in_height))

    def advance(self, m: Module) -> None:
        """To the next phase."""
        with m.If(self.issues):
            m.d.sync += self.phase.eq(Mux(self.last_phase, 0, self.phase + 1))
            m.d.comb += self.taps.advance.eq(self.last_phase)
            with m.If(self.phases.steps):
                m.d.sync += self.kept_steps.eq(self.kept_steps + 1)
