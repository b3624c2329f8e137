"""Processing element: a dot product that accumulates its outputs in place (output-stationary)."""

from amaranth import Cat, Module, Mux, ShapeLike, Signal, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.adders import balanced_sum
from hw.gateware.memories import LUT_RAM
from hw.gateware.multipliers import dot_product, products
from hw.spec.design import LOCAL_WORDS, DesignPoint

__all__ = ["Modes", "ProcessingElement", "RowElement", "Token", "operands"]


class Token(data.Struct):
    """What travels with the operands of one step."""

    valid: 1   # operands are to be accumulated
    first: 1   # the accumulator starts from nothing
    last: 1    # the accumulator is complete afterwards
    push: 1    # window: the activations become the newest column
    load: 1    # the weights are to be kept
    tap: 4     # window: kernel row; else place among the kept weights
    row: 4     # load, depthwise: array row that keeps them


class Modes(data.Struct):
    """Constant while a layer runs; it moves to the right with the operands, so that no wire crosses the array."""

    depthwise: 1   # lane 0 takes the activation of the element's own channel, the others nothing
    window: 1      # depthwise: lane n takes what lane 0 had n columns ago
    maximum: 1     # depthwise: the largest product instead of the sum
    local: 1       # weights come from the element's own memory


def operands(design: DesignPoint, bits: int) -> data.ArrayLayout:
    """``lanes`` signed values, lane 0 lowest."""
    return data.ArrayLayout(signed(bits), design.lanes)


class ProcessingElement(wiring.Component):
    """The elements at ``row`` of the ``ways`` columns from ``col`` on, which share their multipliers.

    Operands and token move to the right and downwards after one cycle. ``totals`` holds the finished sums from
    ``hw.spec.timing.element_latency`` cycles after the last token was at the inputs until the next finished
    sums replace them.

    In depthwise mode way ``w`` multiplies activation lane ``col + w`` by weight lane ``row``; an element beyond the
    design's depthwise rows or columns then gives nothing of use. ``shift`` is not looked at.
    """

    def __init__(self, design: DesignPoint, row: int, col: int):
        self.design, self.row, self.col = design, row, col
        self.ways = design.ways
        acts = operands(design, design.act_bits)
        weights = data.ArrayLayout(data.ArrayLayout(self.weight_shape(design), design.lanes), self.ways)
        super().__init__({
            "modes": In(Modes),
            "token": In(Token), "acts": In(acts), "weights": In(weights), "shift": In(1),
            "modes_right": Out(Modes), "token_right": Out(Token), "acts_right": Out(acts), "weights_down": Out(weights),
            "totals": Out(data.ArrayLayout(self.total_shape(design), self.ways)),
        })

    @staticmethod
    def weight_shape(design: DesignPoint) -> ShapeLike:
        """Of a weight as it comes to the element."""
        return signed(design.weight_bits)

    @staticmethod
    def total_shape(design: DesignPoint) -> ShapeLike:
        """Of a way's finished sum."""
        return signed(design.acc_bits)

    def elaborate(self, platform):
        m = Module()
        token, acts, weights = self._operands(m)
        self._compute(m, token, acts, weights)
        return m

    def _operands(self, m):
        """What is multiplied, and its token; the neighbours get it a cycle later."""
        m.d.sync += [self.modes_right.eq(self.modes), self.token_right.eq(self.token),
                     self.acts_right.eq(self.acts), self.weights_down.eq(self.weights)]
        token, acts, weights = self.token_right, self._acts(), self._weights()
        if self.design.has_local_memory:
            return self._from_memories(m, acts, weights)
        return token, acts, weights

    def _compute(self, m, token, acts, weights):
        design = self.design
        multiplied = Signal(Token)
        summed = Signal(Token)
        m.d.sync += [multiplied.eq(token), summed.eq(multiplied)]
        for way, row in enumerate(products(m, design.multiplier, acts, weights, "product")):
            if design.weight_bits == 1 and self._depthwise:
                row = self._own_channel(way, row)
            held = [Signal(value.shape(), name=f"held{way}_{lane}") for lane, value in enumerate(row)]
            dot = Signal(signed(design.product_bits), name=f"dot{way}")
            m.d.sync += [register.eq(value) for register, value in zip(held, row, strict=True)]
            m.d.sync += dot.eq(balanced_sum(m, held, f"sum{way}_"))
            self._accumulate(m, way, summed, dot)

    @property
    def _depthwise(self):
        """Whether this element takes part in a depthwise layer."""
        return self.row < self.design.depthwise_rows and self.col < self.design.depthwise_cols

    def _acts(self):
        """Activations of each lane; in depthwise mode lane ``w`` has way ``w``'s channel."""
        if not self._depthwise:
            return [self.acts_right[lane] for lane in range(self.design.lanes)]
        def one(lane):
            shared = self.acts_right[lane]
            own = self.acts_right[self.col + lane] if lane < self.ways else 0
            return Mux(self.modes_right.depthwise, own, shared).as_signed() if lane or self.col else shared
        return [one(lane) for lane in range(self.design.lanes)]

    def _own_channel(self, way, row):
        """Products of a way; in depthwise mode none with another way's channel, as no binary weight is 0."""
        return [Mux(self.modes_right.depthwise, 0, value) if lane < self.ways and lane != way else value
                for lane, value in enumerate(row)]

    def _weights(self):
        """Weights of each way and lane."""
        def one(way, lane):
            shared = self.weights_down[way][lane]
            if not self._depthwise or (self.ways == 1 and lane):
                return shared          # its activation is 0
            if lane != way and self.design.weight_bits == 1:
                return shared          # its product is left out
            if lane != way:
                return Mux(self.modes_right.depthwise, 0, shared).as_signed() if lane < self.ways else shared
            return Mux(self.modes_right.depthwise, self.weights_down[way][self.row], shared).as_signed()
        return [[one(way, lane) for lane in range(self.design.lanes)] for way in range(self.ways)]

    def _from_memories(self, m, acts, weights):
        """Operands a cycle later, taken from the element's own memories where the mode says so."""
        design, modes, arrived = self.design, self.modes_right, self.token_right
        token = Signal(Token, name="token_held")
        m.d.sync += token.eq(arrived)
        later_acts = [Signal(signed(design.act_bits), name=f"act{lane}") for lane in range(design.lanes)]
        later_weights = [[Signal(self.weight_shape(design), name=f"weight{way}_{lane}")
                          for lane in range(design.lanes)] for way in range(self.ways)]
        old = self._history(m, acts[0]) if design.depthwise_taps > 1 and self._depthwise else []
        kept = self._kept(m) if design.dataflow == "weight" or self._depthwise else None
        for lane, later in enumerate(later_acts):
            own = acts[lane]
            m.d.sync += later.eq(Mux(modes.window, old[lane - 1], own) if 0 < lane <= len(old) else own)
        for way, row in enumerate(later_weights):
            for lane, later in enumerate(row):
                own = weights[way][lane]
                m.d.sync += later.eq(own if kept is None else Mux(modes.local, kept[way][lane], own))
        return token, later_acts, later_weights

    def _history(self, m, newest):
        """What ``newest`` was in this kernel row one, two ... columns ago."""
        design, token = self.design, self.token_right
        older = design.depthwise_taps - 1
        m.submodules.history = storage = memory.Memory(
            shape=older * design.act_bits, depth=LOCAL_WORDS, init=[], attrs=LUT_RAM)
        writer, reader = storage.write_port(), storage.read_port(domain="comb")
        m.d.comb += [writer.addr.eq(token.tap), reader.addr.eq(token.tap), writer.en.eq(token.push),
                     writer.data.eq(Cat(newest, reader.data))]
        return [reader.data.word_select(n, design.act_bits).as_signed() for n in range(older)]

    def _kept(self, m):
        """The element's own weights at the token's place."""
        token = self.token_right
        m.submodules.kept = storage = memory.Memory(
            shape=self.weights_down.shape(), depth=LOCAL_WORDS, init=[], attrs=LUT_RAM)
        writer, reader = storage.write_port(), storage.read_port(domain="comb")
        m.d.comb += [writer.addr.eq(token.tap), reader.addr.eq(token.tap), writer.data.eq(self.weights_down),
                     writer.en.eq(token.load & (~self.modes_right.depthwise | (token.row == self.row)))]
        return reader.data

    def _accumulate(self, m, way, summed, dot):
        design = self.design
        acc = Signal(signed(design.acc_bits), name=f"acc{way}")
        following = Signal(signed(design.acc_bits), name=f"following{way}")
        sum_ = Mux(summed.first, 0, acc) + dot
        if self._depthwise:
            keep = Mux(summed.first | (dot > acc), dot, acc)
            m.d.comb += following.eq(Mux(self.modes_right.maximum, keep, sum_))
        else:
            m.d.comb += following.eq(sum_)
        with m.If(summed.valid):
            m.d.sync += acc.eq(following)
            with m.If(summed.last):
                m.d.sync += self.totals[way].eq(following)


class RowElement(ProcessingElement):
    """The elements of a whole row in one, without neighbours.

    Operands, products and their sums are registered, inside of the multiplier blocks that can. Way ``w``'s weights
    serve a depthwise layer as they are, zero but for lane ``w``, and ``shift`` moves the finished sums one way down.
    """

    def elaborate(self, platform):
        m = Module()
        tokens = [self.token]
        for stage in range(4):
            tokens.append(Signal(Token, name=f"token{stage + 1}"))
            m.d.sync += tokens[-1].eq(tokens[-2])
        token, finished = tokens[3], tokens[4]
        acts, totals = [self.acts[lane] for lane in range(self.design.lanes)], []
        whole = self.design.maximum_bits
        for way in range(self.ways):
            weights = [self.weights[way][lane] for lane in range(len(acts))]
            dot = Signal(signed(self.design.product_bits), name=f"dot{way}")
            acc = Signal(signed(self.design.acc_bits), name=f"acc{way}")
            m.d.comb += dot.eq(dot_product(m, self.design.multiplier, acts, weights, f"product{way}"))
            above = token.first | (dot[whole].as_signed() > acc[whole].as_signed())
            with m.If(token.valid & (~self.modes.maximum | above)):
                m.d.sync += acc.eq(Mux(token.first | self.modes.maximum, dot, acc + dot))
            totals.append(acc)
        for way, acc in enumerate(totals):
            with m.If(finished.valid & finished.last):
                m.d.sync += self.totals[way].eq(acc)
            with m.Elif(self.shift):
                m.d.sync += self.totals[way].eq(self.totals[(way + 1) % self.ways])
        return m
