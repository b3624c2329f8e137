"""The systolic array: elements, the skew of its edges, and the word register of each row."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.element import Modes, Token, operands
from hw.gateware.parts import parts
from hw.spec.design import DesignPoint
from hw.spec.timing import MODE_LEAD_CYCLES

__all__ = ["Step", "SystolicArray", "totals_layout"]


class Step(data.Struct):
    """One step as the sequencer issues it: the token, and where its operands come from."""

    token: Token
    fresh: 1       # rows take a new word
    tail: 1        # the last step of a kernel row
    odd: 2         # number of the channel block, modulo 4
    residual: 1    # no step: the word is what the outputs of array row ``token.row`` are added to


class RowModes(data.Struct):
    """Constant while a layer runs; moves down with the steps."""

    elements: Modes
    single: 1
    distance: 5
    tail_lanes: 4


def totals_layout(design: DesignPoint) -> data.ArrayLayout:
    """The finished sums of all elements."""
    return data.ArrayLayout(parts(design).element.total_shape(design), design.rows * design.cols)


class SystolicArray(wiring.Component):
    """``rows`` x ``cols`` output-stationary elements fed from one activation port and one weight port.

    A row's word of ``fetch_bytes`` serves it for up to ``fetch_steps`` steps of ``lanes`` activations. By default
    the steps of a segment come in neighbouring cycles, the first one ``fresh``, and ``word`` carries row ``r``'s
    word ``r`` cycles after that fresh step: just when the step reaches the row. With ``single`` every step is
    fresh, and all rows take their part of the one word: row ``r``'s begins ``r * distance`` activations behind
    its first.

    Members
    -------
    modes, single, distance, tail_lanes : In
        Constant while a layer runs, and ``hw.spec.timing.MODE_LEAD_CYCLES`` before. ``distance`` is at most ``lanes``;
        ``tail_lanes`` (binary weights only) is the last lane of a tail step that counts.
    step : In(Step)
    split : In
        With the design's ``splits``: of the layer, constant as modes are.
    weights : In
        ``cols`` slices of ``lanes`` weights, for the step of the same cycle.
    word : In
        ``fetch_bytes`` activations.
    shift : In(1)
        Where the design's ``shifts_totals``: ``totals`` move down by one place, unless finished sums replace them.
    totals : Out
        Element ``(r, c)`` at ``r * cols + c``, as its kind has them; its sum is complete ``r + c // ways +
        hw.spec.timing.element_latency`` cycles after its last step was on ``step`` and stays until the next one.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "modes": In(Modes), "single": In(1), "distance": In(range(design.lanes + 1)), "tail_lanes": In(4),
            "step": In(Step), **({"split": In(2)} if design.splits else {}),
            "weights": In(data.ArrayLayout(operands(design, design.weight_bits), design.cols)),
            "word": In(data.ArrayLayout(signed(design.act_bits), design.fetch_bytes)),
            "shift": In(1),
            "totals": Out(totals_layout(design)),
        })

    def elaborate(self, platform):
        m = Module()
        rows, cols = self.design.rows, self.design.cols
        ways = self.design.ways
        element = parts(self.design).element
        elements = [[element(self.design, r, c) for c in range(0, cols, ways)] for r in range(rows)]
        step = self.step
        modes = Signal(RowModes, name="modes0")
        m.d.comb += [modes.elements.eq(self.modes), modes.single.eq(self.single), modes.distance.eq(self.distance),
                     modes.tail_lanes.eq(self.tail_lanes)]
        for r in range(rows):
            if r <= MODE_LEAD_CYCLES:      # rows further down look at the word before their own copy is there
                distance = modes.distance
            acts = self._row_operands(m, r, step, modes, distance)
            for place, element in enumerate(elements[r]):
                m.submodules[f"element_{r}_{place}"] = element
                left = elements[r][place - 1]
                above = elements[r - 1][place]
                m.d.comb += [
                    element.modes.eq(left.modes_right if place else modes.elements),
                    element.token.eq(left.token_right if place else step.token),
                    element.acts.eq(left.acts_right if place else acts), element.shift.eq(self.shift),
                ]
                for way in range(ways):
                    col = place * ways + way
                    m.d.comb += [
                        element.weights[way].eq(above.weights_down[way] if r else self._column(m, col, place)),
                        self.totals[r * cols + col].eq(element.totals[way]),
                    ]
            following = Signal(Step, name=f"step{r + 1}")
            following_modes = Signal(RowModes, name=f"modes{r + 1}")
            m.d.sync += [following.eq(step), following_modes.eq(modes)]
            step, modes = following, following_modes
        return m

    def _column(self, m, col, place):
        """The weights of a column as its first element wants them."""
        weights = self._delayed(m, self.weights[col].as_value(), place)
        if not self.design.splits:
            return weights
        coded = parts(self.design).element.coded
        return Cat(coded(m, weights.word_select(lane, 8), self.split, f"code{col}_{lane}").as_value()
                   for lane in range(self.design.lanes))

    def _row_operands(self, m, r, step, modes, distance):
        """The ``lanes`` activations that row ``r`` takes with ``step``, ``distance`` from those of the row above."""
        design = self.design
        bits = design.act_bits
        lanes_bits = design.lanes * bits
        word = self.word.as_value()
        if design.word_stays and design.fetch_steps == 2:
            return Mux(step.fresh, word[:lanes_bits], word[lanes_bits:])
        mine = word[:lanes_bits]
        if r:
            mine = Signal(lanes_bits, name=f"mine{r}")
            with m.Switch(distance):
                for apart in range(1, design.lanes + 1):
                    with m.Case(apart):
                        m.d.comb += mine.eq(word[r * apart * bits:][:lanes_bits])
            mine = self._delayed(m, mine, r)
        rest = Signal(design.fetch_bytes * bits, name=f"rest{r}")
        following = Mux(step.fresh, word, rest) >> lanes_bits
        with m.If(step.token.valid):
            m.d.sync += rest.eq(following)
        acts = Signal(lanes_bits, name=f"acts{r}")
        m.d.comb += acts.eq(Mux(modes.single, mine, Mux(step.fresh, word[:lanes_bits], rest[:lanes_bits])))
        if design.weight_bits == 1:      # no weight is 0, so an activation beyond the kernel row must be
            for lane in range(1, design.lanes):
                with m.If(step.tail & (modes.tail_lanes < lane)):
                    m.d.comb += acts.word_select(lane, bits).eq(0)
        return acts

    @staticmethod
    def _delayed(m, value, cycles):
        """``value`` some cycles later."""
        for _ in range(cycles):
            later = Signal(len(value))
            m.d.sync += later.eq(value)
            value = later
        return value
