import json
from dataclasses import replace

import pytest

import flows.fpga.placing as placing
from boards import BOARDS
from flows.fpga.netlist import Netlist, synthesize
from flows.fpga.placing import Placed, Placing, crowded, fix, wire_length
from flows.run.store import Store
from hw.tools import ToolError

BOARD = BOARDS["ulx3s-25"]
MEMORIES = 44       # of 56
BANKS = f"""
module bank(input clk, input [9:0] a, input [17:0] d, output reg [17:0] q);
  reg [17:0] mem [1023:0];
  always @(posedge clk) begin mem[a] <= d; q <= mem[a]; end
endmodule
module top(input clk, input [9:0] a, output q);
  wire [17:0] d [{MEMORIES}:0];
  assign d[0] = {{a, a[9:2]}};
  assign q = ^d[{MEMORIES}];
  genvar i;
  generate for (i = 0; i < {MEMORIES}; i = i + 1) begin : acts
    bank bank(.clk(clk), .a(a ^ i), .d(d[i]), .q(d[i + 1]));
  end endgenerate
endmodule
"""


@pytest.fixture(scope="module")
def banks(tmp_path_factory):
    """Block RAMs in a chain."""
    folder = tmp_path_factory.mktemp("banks")
    (folder / "banks.v").write_text(BANKS)
    return synthesize([folder / "banks.v"], "top", folder / "synth")


@pytest.fixture
def drawn(tmp_path):
    """A netlist as synthesis leaves it, of nothing but block RAMs."""
    cells = {f"acts.bank{number}.0.0": {"type": "DP16KD", "attributes": {}} for number in range(MEMORIES)}
    netlist = Netlist(folder=tmp_path, top="top", cells={"DP16KD": MEMORIES})
    netlist.json.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    return netlist


def bels(netlist):
    cells = json.loads(netlist.json.read_text())["modules"][netlist.top]["cells"]
    return [cell["attributes"]["BEL"] for cell in cells.values() if "BEL" in cell["attributes"]]


@pytest.mark.synth
def test_a_small_design_is_placed_with_and_without(banks, tmp_path):
    assert banks.cells["DP16KD"] == MEMORIES
    placed = Placing(netlist=banks, board=BOARD, freq_mhz=50.0).value(Store(tmp_path))
    assert min(placed.free, placed.fixed) > 100 and placed.tried
    assert placed.used == (len(bels(placed.netlist)) == MEMORIES)
    store = Store(tmp_path)
    assert Placing(netlist=banks, board=BOARD, freq_mhz=50.0).value(store) == placed and store.made == 0


@pytest.mark.synth
def test_nextpnr_takes_no_site_twice_and_none_outside(banks, tmp_path):
    fixed = fix(banks, BOARD, ("DP16KD",), tmp_path / "fixed")
    right = bels(fixed)
    assert len(set(right)) == MEMORIES
    for name, wrong in (("twice", right[1]), ("outside", right[0].replace("/Y", "/Y9"))):
        planted = replace(fixed, folder=tmp_path / name)
        planted.folder.mkdir()
        planted.json.write_text(fixed.json.read_text().replace(f'"{right[0]}"', f'"{wrong}"'))
        assert wire_length(planted, BOARD, tmp_path / f"{name} placed", freq_mhz=50) is None


@pytest.mark.parametrize("free, fixed, used", [
    (100, 90, True), (100, 99, False), (100, 120, False), (None, 90, True), (100, None, False), (None, None, False)])
def test_the_shorter_wire_is_taken(drawn, tmp_path, monkeypatch, free, fixed, used):
    def measured(netlist, board, out, **options):
        out.mkdir()
        return fixed if bels(netlist) else free

    monkeypatch.setattr(placing, "wire_length", measured)
    step = Placing(netlist=drawn, board=BOARD, freq_mhz=50.0)
    placed = step.value(Store(tmp_path / "store"))
    assert (placed.free, placed.fixed, placed.used) == (free, fixed, used)
    assert placed.router == ("router2" if used else None)
    assert placed.record == {"used": used, "wire_length": {"free": free, "fixed": fixed}}
    assert len(bels(placed.netlist)) == (MEMORIES if used else 0)
    assert used or placed.netlist is drawn
    stored, = (tmp_path / "store").glob("v1/entries/placing/*/*")
    assert {path.name for path in stored.glob("[!.]*")} == {"placed.json"} | ({"netlist.json"} if used else set())


def test_nothing_is_tried_where_nothing_is_scarce(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(placing, "run", lambda *arguments, **options: pytest.fail("placed"))
    full = {"LUT4": 8000, "CCU2C": 2000, "TRELLIS_DPR16X4": 500}      # 14,000 of 24,288 lookup tables
    for board, cells in ((BOARDS["ulx3s-85"], drawn.cells), (BOARD, {"DP16KD": 42, "MULT18X18D": 21}),
                         (BOARD, {**drawn.cells, **full}),
                         (BOARDS["icebreaker"], {"SB_RAM40_4K": 30})):
        netlist = replace(drawn, cells=cells)
        assert crowded(netlist, board) == ()
        placed = Placing(netlist=netlist, board=board, freq_mhz=50.0).value(Store(tmp_path / board.name))
        assert placed == Placed(netlist=netlist) and not placed.tried and not placed.used


def test_scarce_kinds_are_fixed_and_no_others(drawn):
    assert crowded(drawn, BOARD) == ("DP16KD",)
    assert crowded(replace(drawn, cells={"DP16KD": 42, "MULT18X18D": 22}), BOARD) == ("MULT18X18D",)
    sparse = {"LUT4": 8000, "CCU2C": 2000, "TRELLIS_DPR16X4": 400}
    assert crowded(replace(drawn, cells={**drawn.cells, **sparse}), BOARD) == ("DP16KD",)


def test_what_does_not_fit_keeps_its_netlist(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(placing, "run", lambda *arguments, **options: pytest.fail("placed"))
    cells = {f"acts.bank{number}": {"type": "DP16KD", "attributes": {}} for number in range(57)}
    drawn.json.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    netlist = replace(drawn, cells={"DP16KD": 57})
    assert Placing(netlist=netlist, board=BOARD, freq_mhz=50.0).value(Store(tmp_path)) == Placed(netlist=netlist)


def test_a_placer_that_is_ended_is_an_error(drawn, tmp_path, monkeypatch):
    def ended(*arguments, **options):
        raise ToolError("nextpnr", "timed out after 1 s", repeats=False)

    monkeypatch.setattr(placing, "run", ended)
    with pytest.raises(ToolError, match="timed out"):
        wire_length(drawn, BOARD, tmp_path / "placed", freq_mhz=50)
