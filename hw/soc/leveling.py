"""Read leveling of a chip of DDR3: finds when the device must take what each byte of the chip gives, without a CPU."""

from dataclasses import dataclass, field
from random import Random

from litex.gen import LiteXModule
from litex.soc.interconnect import wishbone
from migen import FSM, Cat, If, NextState, NextValue, Replicate, Signal

__all__ = ["DELAYS", "PATTERN_SEED", "SETTINGS", "Leveling", "ReadControls", "pattern"]

DELAYS, SLIPS = 8, 4          # of ECP5DDRPHY
SETTINGS = DELAYS * SLIPS     # by number: delays of the slip 0, then of 1; one step of the delay leads to the next
READS = 8                     # of each setting
SETTLE_CYCLES = 16            # around each change
BEATS = 8                     # of a burst
PATTERN_SEED = 3


@dataclass(kw_only=True)
class ReadControls:
    """What a PHY lets one do about reads, one bit for each byte of the chip where nothing else is said.

    Attributes
    ----------
    select : Signal
        Its reads pause, and the next two are for it.
    delay : Signal(1)
        When the strobe is looked for: one step later; behind the last follows the first.
    slip : Signal(1)
        From which half bit on data is taken: one step later, as above.
    clear : Signal(1)
        No whole burst was seen.
    seen : Signal
        One was seen since.
    """

    lanes: int
    select: Signal = field(init=False)
    delay: Signal = field(init=False)
    slip: Signal = field(init=False)
    clear: Signal = field(init=False)
    seen: Signal = field(init=False)

    def __post_init__(self) -> None:
        self.select, self.seen = Signal(self.lanes), Signal(self.lanes)
        self.delay, self.slip, self.clear = Signal(), Signal(), Signal()


def pattern(lanes: int) -> int:
    """A word of the memory, in which no bit's eight beats are those of a setting beside it."""
    return Random(PATTERN_SEED).getrandbits(8 * BEATS * lanes)


class Leveling(LiteXModule):
    """Writes two words, one the other's complement, reads them with every setting, and leaves each byte of the chip in
    the middle of the longest run of delays with which all reads were right. Where there is none it goes on all the
    same: what is in the memory has a checksum.

    Parameters
    ----------
    controls : ReadControls
        In setting 0.
    first : int
        Address of two words of the memory on ``bus``, in such words.

    Attributes
    ----------
    bus : wishbone.Interface
        A whole word of the memory, ``BEATS`` beats of all bytes.
    start, done : Signal
        ``start`` stays high, and so does ``done``.
    chosen : list of Signal(5)
        The setting of each byte, once ``done``.
    """

    def __init__(self, controls: ReadControls, first: int) -> None:
        lanes = controls.lanes
        self.start, self.done = Signal(), Signal()
        self.bus = bus = wishbone.Interface(data_width=8 * BEATS * lanes, address_width=32, addressing="word")
        setting = Signal(max=SETTINGS)
        self.chosen = chosen = [Signal(max=SETTINGS, name=f"chosen_{lane}") for lane in range(lanes)]
        applying = Signal()
        number = Signal(max=READS)
        cycles = Signal(max=SETTLE_CYCLES)
        right = Signal(lanes)
        good = Signal(lanes)
        wanted = Signal(len(bus.dat_w))
        self.comb += [
            wanted.eq(pattern(lanes) ^ Replicate(number[0], len(wanted))),
            bus.dat_w.eq(wanted), bus.sel.eq(~0), bus.adr.eq(first + number[0]), bus.stb.eq(bus.cyc),
        ]
        moves = Cat(*(~applying | (setting < lane) for lane in chosen))
        self.fsm = fsm = FSM(reset_state="WAIT")

        def settled(*then: object) -> list[object]:
            return [NextValue(cycles, cycles + 1), If(cycles == SETTLE_CYCLES - 1, *then)]

        fsm.act("WAIT", If(self.start, *settled(NextState("WRITE"))))
        fsm.act("WRITE", bus.cyc.eq(1), bus.we.eq(1), If(
            bus.ack, If(number[0], NextValue(number, 0), NextValue(good, ~0), NextState("CLEAR"))
            .Else(NextValue(number, 1))))
        fsm.act("CLEAR", controls.clear.eq(1), NextState("READ"))
        fsm.act("READ", bus.cyc.eq(1), If(
            bus.ack, NextState("CHECK"),
            NextValue(right, Cat(*(_lane(bus.dat_r, lane, lanes) == _lane(wanted, lane, lanes)
                                   for lane in range(lanes))))))
        fsm.act("CHECK", *settled(
            NextValue(good, good & right & controls.seen), NextValue(number, number + 1),
            If(number == READS - 1, NextState("JUDGE")).Else(NextState("CLEAR"))))
        fsm.act("JUDGE", NextState("SELECT"))
        for lane in range(lanes):
            self._judge(lane, fsm.ongoing("JUDGE"), good[lane], setting)
        fsm.act("SELECT", controls.select.eq(moves), *settled(NextState("STEP")))
        fsm.act("STEP", controls.select.eq(moves), controls.delay.eq(1),
                controls.slip.eq(setting[:DELAYS.bit_length() - 1] == DELAYS - 1), NextState("HOLD"))
        fsm.act("HOLD", controls.select.eq(moves), *settled(NextState("SETTLE")))
        fsm.act("SETTLE", *settled(
            NextValue(setting, setting + 1), NextValue(good, ~0), NextState("CLEAR"),
            If(applying, NextState("SELECT")),
            If(setting == SETTINGS - 1, NextValue(applying, 1), NextState("SELECT"), If(applying, NextState("DONE")))))
        fsm.act("DONE", self.done.eq(1))

    def _judge(self, lane: int, now: Signal, good: Signal, setting: Signal) -> None:
        """The middle of the longest run of good delays so far; a run is of one slip."""
        run, longer, longest = (Signal(max=DELAYS + 1, name=f"{name}_{lane}") for name in ("run", "longer", "longest"))
        self.comb += longer.eq(run + 1)
        self.sync += If(
            now, run.eq(0),
            If(good, If(setting[:DELAYS.bit_length() - 1] != DELAYS - 1, run.eq(longer)),
               If(longer > longest, longest.eq(longer), self.chosen[lane].eq(setting - longer[1:]))))


def _lane(word: Signal, lane: int, lanes: int) -> Cat:
    """A byte of the chip, in all beats of a word."""
    return Cat(*(word[8 * (beat * lanes + lane):8 * (beat * lanes + lane + 1)] for beat in range(BEATS)))
