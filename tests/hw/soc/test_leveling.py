"""Read leveling in LiteX's own simulator, against bytes of a chip that come when they want to."""

from litex.soc.interconnect import wishbone
from migen import Array, Cat, If, Module, Signal

from hw.soc.leveling import BEATS, DELAYS, SETTINGS, SLIPS

FIRST = 0x9080000


class Chip(Module):
    """Two words behind reads that are right, and whole bursts seen, with some settings of each byte."""

    def __init__(self, controls, data_right, burst_seen):
        lanes = controls.lanes
        self.bus = bus = wishbone.Interface(data_width=8 * BEATS * lanes, address_width=32, addressing="word")
        self.setting = [Signal(max=SETTINGS) for _ in range(lanes)]
        words, word = Array(Signal(len(bus.dat_w)) for _ in range(2)), Signal(len(bus.dat_w))
        self.comb += word.eq(words[bus.adr[0]])
        self.sync += [bus.ack.eq(bus.cyc & bus.stb & ~bus.ack),
                      If(bus.cyc & bus.we & ~bus.ack, words[bus.adr[0]].eq(bus.dat_w))]
        given = []
        for lane, setting in enumerate(self.setting):
            delay, slip = Signal(max=DELAYS), Signal(max=SLIPS)
            right = Array(int(each in data_right[lane]) for each in range(SETTINGS))[setting]
            seen = Array(int(each in burst_seen[lane]) for each in range(SETTINGS))[setting]
            self.comb += setting.eq(Cat(delay, slip))
            self.sync += [
                If(controls.select[lane], If(controls.delay, delay.eq(delay + 1)),
                   If(controls.slip, slip.eq(slip + 1))),
                If(controls.clear, controls.seen[lane].eq(0)),
                If(bus.ack & ~bus.we & seen & ~controls.select[lane], controls.seen[lane].eq(1)),
            ]
            given.append((right & ~controls.select[lane], lane))
        out = Signal(len(bus.dat_w))
        for place in range(BEATS * lanes):
            right, lane = given[place % lanes]
            self.comb += out[8 * place:8 * place + 8].eq(word[8 * place:8 * place + 8] ^ ~(-right)[:8] if False else
                                                         word[8 * place:8 * place + 8])
            self.comb += If(~right, out[8 * place:8 * place + 8].eq(word[8 * place + 1:8 * place + 9]))
        self.comb += bus.dat_r.eq(out)
