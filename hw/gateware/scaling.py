"""``round(value * multiplier / 2**31)``: the multiplication of a requantizer, in multiplier blocks, logic, or both."""

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec.requant import TOTAL_BITS

__all__ = ["BlockScaling", "LogicScaling", "MixedScaling", "Scaling", "SerialScaling", "Widths", "scaling"]


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Of a requantizer's operands, bits. The defaults are the arithmetic's; proofs take smaller ones."""

    total: int = TOTAL_BITS    # signed: accumulator and bias
    multiplier: int = 31       # unsigned, and the right shift that goes with it
    shift: int = 5             # unsigned: the right shift that follows
    block: int = 17            # unsigned operand of a multiplier block

    @property
    def digits(self) -> int:
        """Of the multiplier, each one of -1, 0, 1, 2."""
        return self.multiplier // 2 + 1


class Scaling(wiring.Component):
    """One multiplication; the kinds differ in size and in ``latency``.

    Members
    -------
    valid : In(1)
        High in cycle 0; once in ``cycles`` cycles at most.
    multiplier : In
        In cycle 0.
    total : In(signed)
        In cycle 1, and unchanged for ``cycles`` cycles.
    product : Out(signed)
        ``(total * multiplier + 2**30) >> 31`` in cycle ``latency``.
    """

    latency: int
    cycles = 1

    def __init__(self, widths: Widths):
        self.widths = widths
        super().__init__({"valid": In(1), "multiplier": In(widths.multiplier), "total": In(signed(widths.total)),
                          "product": Out(signed(widths.total))})


@dataclass(frozen=True)
class _Term:
    """A sum of ``digits`` neighbouring rows; ``owed`` is still to be added at its lowest bit."""

    value: Value
    owed: Value
    digits: int


def _codes(value: Value, digits: int) -> Value:
    """Radix-4 digits of ``value``, each one more than it is worth: 0 to 3 for -1 to 2."""
    return (value + sum(1 << 2 * n for n in range(digits)))[:2 * digits]


def _row(value: Value, code: Value) -> _Term:
    """``value`` times a digit: four inputs per bit, and a negative row owes the one of its two's complement."""
    wide = Cat(value, value[-1])
    return _Term(Mux(code[1], Mux(code[0], Cat(Const(0, 1), value), wide), Mux(code[0], 0, ~wide)).as_signed(),
                 code == 0, 1)


def _joined(m: Module, left: _Term, right: _Term, bits: int, name: str) -> _Term:
    """Their sum without what ``left`` owes. ``bits``: width of the value that the rows are multiples of.

    Every sum is a signal of its own, which Yosys keeps: it would otherwise make one sum of carry-save logic of them.
    """
    place, digits = 2 * left.digits, left.digits + right.digits
    total = Signal(signed(bits + 2 * digits - place + 1), name=name, attrs={"keep": 1})
    m.d.comb += total.eq(Cat(1, left.value[place:]).as_signed() + Cat(right.owed, right.value).as_signed())
    return _Term(Cat(left.value[:place], total[1:]).as_signed(), left.owed, digits)


def _level(m: Module, terms: list[_Term], bits: int, name: str) -> list[_Term]:
    """Neighbours joined, so that half as many are left."""
    return [_joined(m, terms[n], terms[n + 1], bits, f"{name}_{n // 2}") if n + 1 < len(terms) else terms[n]
            for n in range(0, len(terms), 2)]


def _later(m: Module, value: Value, cycles: int = 1) -> Value:
    for _ in range(cycles):
        following = Signal(value.shape(), reset_less=True)
        m.d.sync += following.eq(value)
        value = following
    return value


def _registered(m: Module, terms: list[_Term]) -> list[_Term]:
    return [_Term(_later(m, term.value), _later(m, term.owed), term.digits) for term in terms]


def _shifted_sum(m: Module, left: Value, right: Value, owed: Value, drop: int) -> Value:
    """``(left + right + owed) >> drop``."""
    total = Signal(signed(max(len(left), len(right)) + 2), name="total", attrs={"keep": 1})
    m.d.comb += total.eq(Cat(1, left).as_signed() + Cat(owed, right).as_signed())
    return total[1 + drop:].as_signed()


class BlockScaling(Scaling):
    """Pipelined, in four multiplier blocks."""

    latency = 4

    def elaborate(self, platform: object) -> Module:
        m = Module()
        block = self.widths.block
        multiplier = _later(m, self.multiplier)
        low, high = self.total[:block], self.total[block:].as_signed()
        factor_low, factor_high = multiplier[:block], multiplier[block:]
        bottom, top = _later(m, low * factor_low), _later(m, high * factor_high)
        cross = _later(m, _later(m, high * factor_low) + _later(m, low * factor_high))
        drop = self.widths.multiplier - block
        outer = _later(m, Cat(bottom[block:], top).as_signed() + (1 << drop - 1))
        m.d.comb += self.product.eq(_later(m, ((outer + cross) >> drop)[:self.widths.total].as_signed()))
        return m


class MixedScaling(Scaling):
    """Pipelined: two multiplier blocks for the low bits of the value, rows of logic for the high ones."""

    latency = 6

    def elaborate(self, platform: object) -> Module:
        m = Module()
        block = self.widths.block
        multiplier = _later(m, self.multiplier)
        low, high = self.total[:block], self.total[block:].as_signed()
        bottom, top = _later(m, low * multiplier[:block]), _later(m, low * multiplier[block:])
        digits = (self.widths.total - block) // 2 + 1
        codes = _later(m, _codes(high, digits))
        factor = _later(m, Cat(multiplier, Const(0, 1)).as_signed())
        terms = [_row(factor, codes.word_select(n, 2)) for n in range(digits)]
        drop = self.widths.multiplier - block
        blocks = Cat(bottom[block:][:drop - 1], bottom[block:][drop - 1:] + 1) + top
        levels = 0
        while len(terms) > 1:
            terms = _registered(m, _level(m, terms, len(factor), f"sum{levels}"))
            levels += 1
        blocks = _later(m, blocks, levels)
        x = _shifted_sum(m, terms[0].value, Cat(blocks, Const(0, 1)).as_signed(), terms[0].owed, drop)
        m.d.comb += self.product.eq(_later(m, x[:self.widths.total].as_signed(), self.latency - 2 - levels))
        return m


class LogicScaling(Scaling):
    """Pipelined, without multiplier blocks."""

    latency = 6

    def elaborate(self, platform: object) -> Module:
        m = Module()
        widths = self.widths
        codes = _later(m, _codes(self.multiplier, widths.digits))
        terms = [_row(self.total, codes.word_select(n, 2)) for n in range(widths.digits)]
        levels = 0
        while len(terms) > 1:
            terms = _registered(m, _level(m, terms, widths.total, f"sum{levels}"))
            levels += 1
        total, half = terms[0].value, widths.multiplier - 1
        carry = total[half] | (total[:half].all() & terms[0].owed)
        x = (total[widths.multiplier:].as_signed() + carry)[:widths.total].as_signed()
        m.d.comb += self.product.eq(_later(m, x, self.latency - 1 - levels))
        return m


class SerialScaling(Scaling):
    """In ``cycles`` cycles, low bits of the multiplier first; ``product`` is not registered and lasts one cycle.

    With ``dsps`` two multiplier blocks form the product of a cycle, else rows of logic do.
    """

    def __init__(self, widths: Widths, *, cycles: int, dsps: int):
        super().__init__(widths)
        self.cycles, self.latency, self._dsps = cycles, cycles + 1, dsps

    def elaborate(self, platform: object) -> Module:
        m = Module()
        widths = self.widths
        chunk = 2 * widths.digits // self.cycles
        rest = Signal(2 * widths.digits, reset_less=True)
        started = Signal()
        m.d.sync += [started.eq(self.valid), rest.eq(rest >> chunk)]
        with m.If(self.valid):
            m.d.sync += rest.eq(self.multiplier if self._dsps else _codes(self.multiplier, widths.digits))
        part, owed = self._in_blocks(rest[:chunk]) if self._dsps else self._in_logic(m, rest[:chunk])
        part, owed = _later(m, part), _later(m, owed)

        # the sum so far, shifted to where the next part begins; it starts with one half of the result's last bit
        carried = Signal(signed(max(widths.total + 2, widths.multiplier + 1)), reset_less=True)
        total = _shifted_sum(m, part, carried, owed, 0)
        m.d.sync += carried.eq(total >> chunk)
        with m.If(started):
            m.d.sync += carried.eq(1 << widths.multiplier - 1)
        m.d.comb += self.product.eq(total >> widths.multiplier - chunk * (self.cycles - 1))
        return m

    def _in_blocks(self, factor: Value) -> tuple[Value, Value]:
        block = self.widths.block
        low, high = self.total[:block] * factor, self.total[block:].as_signed() * factor
        return Cat(low[:block], (Cat(low[block:], Const(0, 1)).as_signed() + high)).as_signed(), Const(0, 1)

    def _in_logic(self, m: Module, codes: Value) -> tuple[Value, Value]:
        terms = [_row(self.total, codes.word_select(n, 2)) for n in range(len(codes) // 2)]
        levels = 0
        while len(terms) > 1:
            terms = _level(m, terms, self.widths.total, f"sum{levels}")
            levels += 1
        return terms[0].value, terms[0].owed


def scaling(*, cycles: int, dsps: int, widths: Widths | None = None) -> Scaling:
    """The multiplication of a requantizer that takes a value every ``cycles`` cycles and has ``dsps`` blocks."""
    widths = widths or Widths()
    if cycles > 1:
        return SerialScaling(widths, cycles=cycles, dsps=dsps)
    return {4: BlockScaling, 2: MixedScaling, 0: LogicScaling}[dsps](widths)
