import gzip
import json
from pathlib import Path

import pytest

from boards import BOARDS
from cosim.netlist import simulable
from flows.fpga.bitstream import pack
from flows.fpga.netlist import count, synthesize
from flows.fpga.routing import Clock, Routed, route
from hw.tools import ToolError
from tests.support.synth import COUNTER, MULTIPLIERS

BOARD = BOARDS["ulx3s-25"]


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counter")
    (folder / "counter.v").write_text(COUNTER)
    return synthesize([folder / "counter.v"], "counter", folder / "synth")


def pins_of(board, folder):
    """A counter on the board's clock, UART and LED."""
    folder.mkdir(parents=True, exist_ok=True)
    path, places = folder / "pins", {"clk": board.clock_pin, "up": board.serial_rx_pin, "q": board.led_pins[0]}
    if board.family == "ice40":
        path.write_text("".join(f"set_io {port} {pin}\n" for port, pin in places.items()))
    else:
        path.write_text("".join(f'LOCATE COMP "{port}" SITE "{pin}";\n' for port, pin in places.items())
                        + f'FREQUENCY PORT "clk" {board.clock_in_mhz:g} MHZ;\n')
    return path


@pytest.mark.synth
@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.family == "ecp5"],
                         ids=lambda board: board.name)
def test_routes_and_packs_for_every_board(counter, tmp_path, board):
    routed = route(counter, board, tmp_path, freq_mhz=50, pins=pins_of(board, tmp_path / "given"))
    assert routed.timing_met
    assert routed.fmax_mhz > 50
    assert routed.resources["ff"] == 8
    assert Routed.load(tmp_path) == routed
    assert simulable(routed.netlist).cells["TRELLIS_FF"] == 8
    assert b'"src": "/' not in gzip.GzipFile(routed.netlist).read() and not (tmp_path / "written.json").exists()
    available = json.loads((tmp_path / "report.json").read_text())["utilization"]
    assert board.budget == {"lut": available["TRELLIS_COMB"]["available"], "ff": available["TRELLIS_FF"]["available"],
                            "dsp": available["MULT18X18D"]["available"], "bram": available["DP16KD"]["available"],
                            "spram": 0}
    bits = pack(routed.textcfg, tmp_path / "top.bit").read_bytes()
    assert board.device.encode() in bits[:200]
    assert sorted(path.name for path in tmp_path.glob("top.bit*")) == ["top.bit", "top.bit.log"]


@pytest.mark.synth
@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.family == "ice40"],
                         ids=lambda board: board.name)
def test_routes_and_packs_for_every_ice40(tmp_path, board):
    """The flash stays awake, which a bit of the command 9 says (Project IceStorm's description of the format)."""
    (tmp_path / "counter.v").write_text(COUNTER)
    netlist = synthesize([tmp_path / "counter.v"], "counter", tmp_path / "synth", family=board.family)
    routed = route(netlist, board, tmp_path / "route", freq_mhz=24, pins=pins_of(board, tmp_path / "given"))
    assert routed.timing_met and not routed.out_of_context
    bits = pack(routed.textcfg, tmp_path / "top.bin", family=board.family).read_bytes()
    assert bits[:2] == b"\xff\x00" and 100_000 < len(bits) < 131_072
    assert bits[bits.index(b"\x92\x00") + 2] & 1


@pytest.mark.synth
def test_an_up5k_is_routed_without_constraints(tmp_path):
    board = BOARDS["icebreaker"]
    (tmp_path / "counter.v").write_text(COUNTER)
    netlist = synthesize([tmp_path / "counter.v"], "counter", tmp_path / "synth", family=board.family)
    routed = route(netlist, board, tmp_path / "route", freq_mhz=24)
    assert routed.timing_met and routed.out_of_context
    assert routed.resources == count(netlist, board, tmp_path / "count") == {
        "lut": routed.resources["lut"], "ff": 8, "dsp": 0, "bram": 0, "spram": 0}
    assert 8 <= routed.resources["lut"] <= 16
    cells = {"lut": "LC", "ff": "LC", "dsp": "DSP", "bram": "RAM", "spram": "SPRAM"}
    available = json.loads((tmp_path / "route/report.json").read_text())["utilization"]
    assert board.budget == {name: available[f"ICESTORM_{cell}"]["available"] for name, cell in cells.items()}


@pytest.mark.synth
def test_missed_timing_is_a_result(counter, tmp_path):
    routed = route(counter, BOARD, tmp_path, freq_mhz=5000, seed=3)
    assert not routed.timing_met
    assert 100 < routed.fmax_mhz < 5000
    assert (routed.seed, routed.out_of_context) == (3, True)
    assert not routed.textcfg.exists()


@pytest.mark.synth
def test_another_router_is_asked_for(counter, tmp_path):
    route(counter, BOARD, tmp_path, freq_mhz=50, router="router2")
    assert "Running router2" in (tmp_path / "nextpnr.log").read_text()
    with pytest.raises(ToolError, match="router3"):
        route(counter, BOARD, tmp_path / "none", freq_mhz=50, router="router3")


@pytest.mark.synth
def test_what_does_not_fit_is_one_line(tmp_path):
    (tmp_path / "big.v").write_text(MULTIPLIERS)
    netlist = synthesize([tmp_path / "big.v"], "big", tmp_path / "synth")
    assert netlist.cells["MULT18X18D"] == 40
    with pytest.raises(ToolError, match=r"^nextpnr-ecp5: exit status \d+: ERROR: .*MULT18X18D") as caught:
        route(netlist, BOARD, tmp_path / "route", freq_mhz=50)
    assert caught.value.repeats


@pytest.mark.synth
def test_a_hanging_router_is_ended(counter, tmp_path):
    with pytest.raises(ToolError, match=r"^nextpnr-ecp5: timed out after 0.01 s"):
        route(counter, BOARD, tmp_path, freq_mhz=50, timeout_s=0.01)


def test_worst_clock_gives_the_frequency():
    slow, fast = Clock(achieved_mhz=60, wanted_mhz=50), Clock(achieved_mhz=100, wanted_mhz=125)
    routed = Routed(folder=Path(), seed=1, clocks={"a": slow, "b": fast}, resources={})
    assert routed.fmax_mhz == 100
    assert not routed.timing_met
