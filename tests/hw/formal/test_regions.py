"""The sequencer fetches nothing outside its input tensor; planted faults are found.

Proved by k-induction, for some lengths of the tensor's rows and every other field of the command.
"""

import pytest
from amaranth import Module

from hw.formal import ProofError, prove
from hw.formal.regions import FetchContract, PixelContract, TapContract
from hw.gateware.walker import Taps, WindowWalker

pytestmark = pytest.mark.formal
ROWS = 4
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
    assert prove(*pixels(WindowWalker(ROWS), row_bytes), tmp_path, depth=2).assertions == 2


@pytest.mark.parametrize("row_bytes", ROW_BYTES)
def test_taps_have_the_address_of_their_place(row_bytes, tmp_path):
    assert prove(*taps(Taps(), row_bytes), tmp_path, depth=2).assertions == 5


@pytest.mark.parametrize("row_bytes", ROW_BYTES)
def test_so_every_fetch_lies_in_the_input(row_bytes, tmp_path):
    m = Module()
    m.submodules.contract = contract = FetchContract(row_bytes=row_bytes, size=65536)
    inputs = [contract.height, contract.tensor, contract.pixel.as_value(), contract.tap_address, contract.tap_x,
              contract.tap_y, contract.place]
    assert prove(m, inputs, tmp_path, depth=1).assertions == 2


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
        prove(*pixels(fault(ROWS), 16), tmp_path, depth=4)


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
        m.d.comb += self.outer.total.eq(self.command.kernel_rows + 1)
        return m


@pytest.mark.parametrize("fault, message", [
    (KeptPlace, "a tap's address is not that of its place|where a loop began was lost"),
    (OneMore, "lost count of kernel rows"),
])
def test_a_tap_elsewhere_is_found(fault, message, tmp_path):
    with pytest.raises(ProofError, match=f"top.contract: ({message}); trace in"):
        prove(*taps(fault(), 16), tmp_path, depth=4)
