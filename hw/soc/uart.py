"""A small UART: 8 bits, no parity, one stop bit, and no more than one byte that waits."""

from typing import Any

from litex.gen import LiteXModule
from litex.soc.interconnect import stream
from migen import Cat, If, Signal
from migen.genlib.cdc import MultiReg

__all__ = ["Uart"]

ONES = 0x1FF


class Uart(LiteXModule):
    """``sink`` is sent; ``source`` was received and stays until it is taken. A byte that comes before that is lost.

    Parameters
    ----------
    pads
        ``tx``, ``rx``.
    divisor : int
        Clock cycles of a bit.
    """

    def __init__(self, pads: Any, divisor: int) -> None:
        self.sink, self.source = stream.Endpoint([("data", 8)]), stream.Endpoint([("data", 8)])
        self._send(pads.tx, divisor)
        self._receive(pads.rx, divisor)

    def _send(self, line: Signal, divisor: int) -> None:
        sink, left, tick = self.sink, Signal(max=divisor), Signal()
        shift = Signal(10)          # what is still to be sent; the stop bit is the last one that is not zero
        self.comb += [sink.ready.eq(shift == 0), tick.eq(left == 0), line.eq(shift[0] | sink.ready)]
        self.sync += [
            left.eq(left - 1),
            If(tick, left.eq(divisor - 1), shift.eq(shift[1:])),
            If(sink.valid & sink.ready, left.eq(divisor - 1), shift.eq(Cat(0, sink.data, 1))),
        ]

    def _receive(self, line: Signal, divisor: int) -> None:
        source, left, busy, bit = self.source, Signal(max=divisor), Signal(), Signal()
        shift = Signal(9)           # ones, until the start bit arrives at the end
        ends = Signal()             # in the middle of the stop bit, or of a start bit that was none
        self.specials += MultiReg(line, bit, reset=1)
        self.comb += ends.eq(busy & (left == 0) & (~shift[0] | ((shift == ONES) & bit)))
        self.sync += [
            left.eq(left - 1),
            If(source.ready, source.valid.eq(0)),
            If(~busy, left.eq(divisor // 2), busy.eq(~bit), shift.eq(ONES)).Elif(
                left == 0, left.eq(divisor - 1), shift.eq(Cat(shift[1:], bit))),
            If(ends, busy.eq(0), If(~shift[0] & bit, source.valid.eq(1), source.data.eq(shift[1:]))),
        ]
