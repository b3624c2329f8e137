import pytest

from boards import BOARDS
from flows.fpga.fit import DoesNotFitError, check_fit
from flows.fpga.netlist import synthesize
from hw.tools import ToolError
from tests.support.synth import COUNTER, MULTIPLIERS


@pytest.mark.synth
def test_what_is_too_large_is_said_in_numbers(tmp_path):
    (tmp_path / "big.v").write_text(MULTIPLIERS)
    netlist = synthesize([tmp_path / "big.v"], "big", tmp_path / "synth")
    with pytest.raises(DoesNotFitError, match=(
            r"^forty does not fit ULX3S with the LFE5U-25F: dsp 40 of 28 \(in all lut \d+ of 24288, ff \d+ of 24288, "
            r"dsp 40 of 28, bram 0 of 56\)$")):
        check_fit(netlist, BOARDS["ulx3s-25"], "forty")
    check_fit(netlist, BOARDS["ulx3s-45"], "forty")


@pytest.mark.synth
def test_what_fits_passes(tmp_path):
    (tmp_path / "counter.v").write_text(COUNTER)
    check_fit(synthesize([tmp_path / "counter.v"], "counter", tmp_path / "synth"), BOARDS["ulx3s-25"], "small")


REGISTERED_PIN = """module pin(input clk, input d, output q);
    OFS1P3BX register(.D(d), .SP(1'b1), .SCLK(clk), .PD(1'b0), .Q(q));
endmodule
"""


@pytest.mark.synth
def test_a_register_at_a_pin_is_counted_where_the_pin_is_known(tmp_path):
    """As those of an SDRAM are: nextpnr packs them at places only."""
    (tmp_path / "pin.v").write_text(REGISTERED_PIN)
    (tmp_path / "pins").write_text("".join(f'LOCATE COMP "{port}" SITE "{site}";\n'
                                           for port, site in (("clk", "G2"), ("d", "B2"), ("q", "C2"))))
    netlist = synthesize([tmp_path / "pin.v"], "pin", tmp_path / "synth")
    check_fit(netlist, BOARDS["ulx3s-25"], "pin", pins=tmp_path / "pins")
    with pytest.raises(ToolError, match="Packing design failed"):
        check_fit(netlist, BOARDS["ulx3s-25"], "pin")
