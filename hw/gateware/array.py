"""The systolic array: elements, the skew of its edges, and the word register of each row."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.element import ProcessingElement, Token, operands
from hw.spec.design import DesignPoint

__all__ = ["Step", "SystolicArray"]


class Step(data.Struct):
    """One step as the sequencer issues it: the token, and whether rows take a fresh word."""

    token: Token
    fresh: 1


class SystolicArray(wiring.Component):
    """``rows`` x ``cols`` output-stationary elements fed from one activation port and one weight port.

    A row's word of ``fetch_bytes`` serves it for up to ``rows`` steps of ``lanes`` bytes. Convolution: steps
    of a segment come in neighbouring cycles, the first one ``fresh``, and ``word`` carries row ``r``'s word
    ``r`` cycles after that fresh step: just when the step reaches the row. Depthwise: every step is fresh,
    all rows take their slice of the one word, ``depthwise_cols`` bytes each, row 0's lowest.

    Members
    -------
    depthwise : In(1)
        Constant while a layer runs.
    step : In(Step)
    weights : In
        ``cols`` slices of ``lanes`` weights, for the step of the same cycle.
    word : In
        ``fetch_bytes`` activations.
    totals : Out
        Element ``(r, c)`` at ``r * cols + c``; element ``(r, c)``'s sum is complete ``r + c +
        hw.spec.timing.ELEMENT_LATENCY`` cycles after its last step was on ``step`` and stays until the next one.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "depthwise": In(1),
            "step": In(Step),
            "weights": In(data.ArrayLayout(operands(design, design.weight_bits), design.cols)),
            "word": In(data.ArrayLayout(signed(design.act_bits), design.fetch_bytes)),
            "totals": Out(data.ArrayLayout(signed(design.acc_bits), design.rows * design.cols)),
        })

    def elaborate(self, platform):
        m = Module()
        rows, cols = self.design.rows, self.design.cols
        elements = [[ProcessingElement(self.design, r, c) for c in range(cols)] for r in range(rows)]
        step = self.step
        for r in range(rows):
            acts = self._row_operands(m, r, step)
            for c in range(cols):
                element = elements[r][c]
                m.submodules[f"element_{r}_{c}"] = element
                left = elements[r][c - 1]
                m.d.comb += [
                    element.depthwise.eq(self.depthwise),
                    element.token.eq(left.token_right if c else step.token),
                    element.acts.eq(left.acts_right if c else acts),
                    element.weights.eq(elements[r - 1][c].weights_down if r else self._delayed(m, self.weights[c], c)),
                    self.totals[r * cols + c].eq(element.total),
                ]
            following = Signal(Step, name=f"step{r + 1}")
            m.d.sync += following.eq(step)
            step = following
        return m

    def _row_operands(self, m, r, step):
        """The ``lanes`` activations that row ``r`` takes with ``step``."""
        design = self.design
        lanes_bits = design.lanes * design.act_bits
        word = self.word.as_value()
        if r < design.depthwise_rows:
            width = design.depthwise_cols * design.act_bits
            mine = self._delayed(m, word[r * width:(r + 1) * width], r)
            word = Cat(Mux(self.depthwise, mine, word[:width]), word[width:])
        current = Signal(design.fetch_bytes * design.act_bits, name=f"current{r}")
        rest = Signal(design.fetch_bytes * design.act_bits, name=f"rest{r}")
        m.d.comb += current.eq(Mux(step.fresh, word, rest))
        with m.If(step.token.valid):
            m.d.sync += rest.eq(current >> lanes_bits)
        return current[:lanes_bits]

    @staticmethod
    def _delayed(m, value, cycles):
        """``value`` some cycles later."""
        for _ in range(cycles):
            later = Signal(len(value.as_value() if isinstance(value, data.View) else value))
            m.d.sync += later.eq(value)
            value = later
        return value
