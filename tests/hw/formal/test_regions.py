"""The sequencer fetches nothing outside its input tensor; planted faults are found.

Proved by k-induction, for some lengths of the tensor's rows and every other field of the command. The whole sequencer
is bounded: the first cycles of one layer, whatever pauses there are; ``test_sequencer`` simulates others.
"""

import numpy as np
import pytest
from amaranth import Module

from hw.formal import ProofError, prove, prove_bounded
from hw.formal.regions import FetchContract, PixelContract, RunContract, TapContract
from hw.gateware.sequencer import Sequencer
from hw.gateware.walker import Taps, WindowWalker
from hw.spec.design import DesignPoint
from sw.compiler import compile_graph
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_layer

pytestmark = pytest.mark.formal
ROWS, CYCLES = 4, 16
SMALL = DesignPoint(rows=2, cols=8, lanes=8, requantizers=8, act_bytes=1024, weight_bytes=4096)   # a command in a word
ROW_BYTES = [16, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 128))]


def pixels(unit, row_bytes):
    m = Module()
    m.submodules.unit = unit
    m.submodules.contract = contract = PixelContract(unit, row_bytes=row_bytes)
    return m, [contract.command.as_value(), contract.tensor, unit.block_address, unit.block_x, unit.begin,
               unit.advance]


def taps(unit, row_bytes):
    m = Module()
    m.submodules.unit = unit
    m.submodules.contract = contract = TapContract(unit, row_bytes=row_bytes)
    return m, [contract.command.as_value(), unit.begin, unit.advance, unit.ends_band, unit.first_tile]


@pytest.mark.parametrize("row_bytes", ROW_BYTES)
def test_pixels_have_the_address_of_their_place(row_bytes, tmp_path):
    assert prove(*pixels(WindowWalker(), row_bytes), tmp_path, depth=2).assertions == 2


@pytest.mark.parametrize("row_bytes", ROW_BYTES)
def test_taps_have_the_address_of_their_place(row_bytes, tmp_path):
    assert prove(*taps(Taps(), row_bytes), tmp_path, depth=2).assertions == 7


def fetches(row_bytes, *, size):
    m = Module()
    m.submodules.contract = contract = FetchContract(row_bytes=row_bytes, size=size)
    return m, [contract.height, contract.tensor, contract.pixel.as_value(), contract.tap_address, contract.tap_x,
               contract.tap_y, contract.place]


@pytest.mark.parametrize("row_bytes", ROW_BYTES)
def test_so_every_fetch_lies_in_the_input(row_bytes, tmp_path):
    assert prove(*fetches(row_bytes, size=65536), tmp_path, depth=1).assertions == 2


def test_a_scratchpad_beyond_the_addresses_is_found(tmp_path):
    with pytest.raises(ProofError, match="top.contract: a fetch outside the input; trace in"):
        prove(*fetches(16, size=1 << 25), tmp_path, depth=1)


def one_layer(**changes):
    """The sequencer with the program of one layer; regions as they are, or changed."""
    kind = TensorType(shape=(2, 3, 3), scale=0.05, zero_point=3)
    layer = random_layer(np.random.default_rng(0), "conv", kind, kernel=(2, 2), padding=(0, 0, 1, 1), outputs=9)
    program = compile_graph(Graph(name="one", inputs=(kind,), layers=(layer,)).check(), SMALL)
    plan, source = program.layers[0], program.input
    m = Module()
    m.submodules.dut = dut = Sequencer(SMALL)
    regions = {"source": range(source.address, source.address + source.size),
               "output": range(plan.output.address, plan.output.address + plan.output.size),
               "words": plan.weight_words} | changes
    m.submodules.contract = RunContract(dut, plan.command, **regions)
    return m, [dut.start, dut.pause, dut.drained]


@pytest.mark.slow
def test_the_first_tile_of_a_layer_reads_its_regions(tmp_path):
    """Parameters are read from cycle 10 on, activations and weights from cycle 12 on."""
    proof = prove_bounded(*one_layer(), tmp_path, cycles=CYCLES)
    assert (proof.assertions, proof.cycles) == (SMALL.fetch_bytes + 2, CYCLES)


@pytest.mark.slow
@pytest.mark.parametrize("changes, message", [
    ({"source": range(1, 18)}, "a fetch outside the input"), ({"words": 1}, "a word outside the layer's weights")])
def test_a_read_outside_a_region_is_found(changes, message, tmp_path):
    with pytest.raises(ProofError, match=f"top.contract: {message}; trace in"):
        prove_bounded(*one_layer(**changes), tmp_path, cycles=CYCLES)


class StraySteps(WindowWalker):
    """At the end of a row the pixel moves on, the row's address does not."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        with m.If(self.advance & ~self.begin & (self.pixel.address[0])):
            m.d.sync += self.row_address.eq(self.row_address)
        return m


class ForgottenRow(WindowWalker):
    """The pixel's row does not count on."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        with m.If(self.advance & ~self.begin):
            m.d.sync += self.pixel.y.eq(self.pixel.y)
        return m


@pytest.mark.parametrize("fault", [StraySteps, ForgottenRow])
def test_a_pixel_elsewhere_is_found(fault, tmp_path):
    with pytest.raises(ProofError, match="top.contract: a (pixel|row)'s address is not that of its (place|row); trace"):
        prove(*pixels(fault(), 16), tmp_path, depth=4)


class KeptPlace(Taps):
    """The next kernel row begins where the last one ended."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        with m.If(self.advance & self.inner.last & ~self.begin):
            m.d.sync += self.x.eq(self.x)
        return m


class OneMore(Taps):
    """A kernel row too many."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += [self.outer.total.eq(self.command.kernel_rows + 1), self.outer_single.eq(0)]
        return m


class SingleSegment(Taps):
    """A row of one segment ends at once, whatever the inner loop is."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.sync += self.inner_single.eq(self.command.segments == 1)
        return m


@pytest.mark.parametrize("fault, message", [
    (KeptPlace, "a tap's address is not that of its place|where a loop began was lost"),
    (OneMore, "lost count of kernel rows"), (SingleSegment, "a loop of one pass was missed, or seen elsewhere"),
])
def test_a_tap_elsewhere_is_found(fault, message, tmp_path):
    with pytest.raises(ProofError, match=f"top.contract: ({message}); trace in"):
        prove(*taps(fault(), 16), tmp_path, depth=4)
