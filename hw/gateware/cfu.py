"""The custom-function unit: hw.spec.cfu's instructions behind the CPU's CFU port."""

from functools import reduce
from operator import or_

from amaranth import Cat, ClockDomain, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.spec.cfu import CFU_INSTRUCTIONS, CFU_OFFSET

__all__ = ["CFU_CAPACITY", "CFU_LATENCY", "CFU_LAYOUT", "Cfu", "CfuUnit", "telling_bit"]

CFU_CAPACITY = 2  # commands in flight: one per pipeline stage
CFU_LATENCY = 2   # cycles from a command to its response
CFU_LAYOUT = data.StructLayout({"function_id": 10, "in0": 32, "in1": 32})


class CfuUnit(wiring.Component):
    """Every instruction of ``hw.spec.cfu`` in one pipeline; responses come in the order of the commands.

    Latency is ``CFU_LATENCY`` cycles and throughput one command per cycle while ``rsp.ready`` is high; a stalled
    response stalls the commands behind it. An unassigned function answers 0. Four 17x17-bit multipliers serve the
    dot products and the four partial products of ``SCALE`` alike.

    Members
    -------
    cmd : In(stream)
        Function and operands; they are taken in the cycle of the transfer and need not be held before it.
    rsp : Out(stream)
        The answer. After reset ``valid`` is low.
    in_flight : Out
        Commands taken and not yet answered.
    """

    cmd: In(stream.Signature(CFU_LAYOUT))
    rsp: Out(stream.Signature(32))
    in_flight: Out(range(CFU_CAPACITY + 1))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal()
        advance = Signal()
        m.d.comb += advance.eq(self.rsp.ready | ~self.rsp.valid)
        m.d.comb += self.in_flight.eq(held + self.rsp.valid)
        m.d.comb += self.cmd.ready.eq(advance | ~held)
        with m.If(self.cmd.ready):
            m.d.sync += held.eq(self.cmd.valid)
        with m.If(advance):
            m.d.sync += self.rsp.valid.eq(held)

        function = self.cmd.payload.function_id
        products = self._products(m)
        shifted, round_up = self._shift(m)
        answers = {
            ("DOT4", "DOT4_OFFSET"): sum(product[:18].as_signed() for product in products),
            ("SCALE",): _scaled(products),
            ("ROUND_SHIFT",): shifted + round_up,
        }
        words = []
        for names, answer in answers.items():
            chosen = Signal(name="is_" + names[0].lower())
            with m.If(self.cmd.ready):
                m.d.sync += chosen.eq(Cat(function == CFU_INSTRUCTIONS[name].function_id for name in names).any())
            word = Signal(signed(32), name="answer_" + names[0].lower())
            m.d.comb += word.eq(Mux(chosen, answer, 0))
            words.append(word)
        with m.If(advance):
            m.d.sync += self.rsp.payload.eq(reduce(or_, words))
        return m

    def _products(self, m: Module) -> list[Signal]:
        """First stage: four registered products, of the lanes or of the operands' halves.

        Which of them, one bit of the function tells, since comparing all of them is on the way to the multipliers.
        """
        function = self.cmd.payload.function_id
        scale = function[telling_bit("SCALE", "DOT4", "DOT4_OFFSET")]
        offset = Signal(9)
        m.d.comb += offset.eq(Mux(function[telling_bit("DOT4_OFFSET", "DOT4")], CFU_OFFSET, 0))
        value, multiplier = self.cmd.payload.in0, self.cmd.payload.in1
        low, high = Cat(value[:16], 0).as_signed(), value[16:].as_signed()
        low_by, high_by = Cat(multiplier[:16], 0).as_signed(), Cat(multiplier[16:31], 0).as_signed()
        products = []
        for n, halves in enumerate(((low, low_by), (low, high_by), (high, low_by), (high, high_by))):
            lane = slice(8 * n, 8 * n + 8)
            a, b = Signal(signed(17), name=f"a{n}"), Signal(signed(17), name=f"b{n}")
            product = Signal(signed(34), name=f"product{n}")
            m.d.comb += a.eq(Mux(scale, halves[0], value[lane].as_signed() + offset))
            m.d.comb += b.eq(Mux(scale, halves[1], multiplier[lane].as_signed()))
            with m.If(self.cmd.ready):
                m.d.sync += product.eq(a * b)
            products.append(product)
        return products

    def _shift(self, m: Module) -> tuple[Signal, Signal]:
        """First stage: the registered floor of the quotient, and whether it must be rounded up."""
        value, count = self.cmd.payload.in0.as_signed(), self.cmd.payload.in1[:5]
        shifted = Signal(signed(32))
        round_up = Signal()
        quotient = Signal(signed(33))
        half = Signal()
        m.d.comb += quotient.eq(Cat(0, value).as_signed() >> count)
        m.d.comb += half.eq(quotient[0])
        rest = Cat(value[n] & (count > n + 1) for n in range(30))  # what falls off below the half
        with m.If(self.cmd.ready):
            m.d.sync += shifted.eq(quotient[1:])
            m.d.sync += round_up.eq(half & ((value >= 0) | rest.any()))
        return shifted, round_up


def telling_bit(name: str, *others: str) -> int:
    """A bit that is set in the function of one instruction and in none of the others'. Raises ValueError if there is
    none.
    """
    rest = reduce(or_, (CFU_INSTRUCTIONS[other].function_id for other in others))
    mine = CFU_INSTRUCTIONS[name].function_id & ~rest
    if not mine:
        raise ValueError(f"{name}: no bit of its function is clear in {' and '.join(others)}; give it another funct3")
    return (mine & -mine).bit_length() - 1


def _scaled(products: list[Signal]) -> Value:
    """The four partial products added up, rounded and divided by 2**31."""
    low, middle_a, middle_b, high = products
    middle = middle_a + middle_b + (1 << 30 - 16)
    return (Cat(low[:32], high).as_signed() + (middle << 16))[31:63].as_signed()


class Cfu(wiring.Component):
    """:class:`CfuUnit` with the port names that the SoC's CPU instantiates.

    ``cmd_payload_function_id`` is ``funct7 << 3 | funct3``; the other ports are the two streams of ``CfuUnit``, its
    clock and a synchronous reset.
    """

    clk: In(1)
    reset: In(1)
    cmd_valid: In(1)
    cmd_ready: Out(1)
    cmd_payload_function_id: In(10)
    cmd_payload_inputs_0: In(32)
    cmd_payload_inputs_1: In(32)
    rsp_valid: Out(1)
    rsp_ready: In(1)
    rsp_payload_outputs_0: Out(32)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = sync = ClockDomain(local=True)
        m.submodules.unit = unit = CfuUnit()
        m.d.comb += [
            sync.clk.eq(self.clk), sync.rst.eq(self.reset),
            unit.cmd.valid.eq(self.cmd_valid), self.cmd_ready.eq(unit.cmd.ready),
            unit.cmd.payload.function_id.eq(self.cmd_payload_function_id),
            unit.cmd.payload.in0.eq(self.cmd_payload_inputs_0),
            unit.cmd.payload.in1.eq(self.cmd_payload_inputs_1),
            self.rsp_valid.eq(unit.rsp.valid), unit.rsp.ready.eq(self.rsp_ready),
            self.rsp_payload_outputs_0.eq(unit.rsp.payload),
        ]
        return m
