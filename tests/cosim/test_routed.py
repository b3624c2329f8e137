"""What was placed and routed gives what its Verilog gives, cycle by cycle; where it was altered, it does not."""

import copy
import gzip
import json

import numpy as np
import pytest

from boards import BOARDS
from cosim.cells import MODELS
from cosim.netlist import memory_file, simulable_of
from cosim.process import exchange
from cosim.verilate import verilate
from flows.fpga.netlist import synthesize
from flows.fpga.routing import route
from tests.support import cells

CYCLES = 2000
WORDS = 3
#: A block RAM with two ports, one in lookup tables, carries, a multiplier, enables, resets, both initial values.
DESIGN = """
module mixed(input clk, input up, output q);
    reg [15:0] in = 16'h1234;
    reg [8:0] at = 5, total = 9'h1FF;
    reg [17:0] words [0:511], word = 0, product = 0;
    reg [3:0] few [0:15], some = 0;
    reg [11:0] sum = 0;
    integer n;
    initial begin
        for (n = 0; n < 512; n = n + 1) words[n] = 18'h2A1F3 * n ^ n << 5;
        for (n = 0; n < 16; n = n + 1) few[n] = 7 * n;
    end
    always @(posedge clk) begin
        in <= {in, up ^ in[15]};
        at <= at + in[3:0];
        if (in[0]) words[at] <= {in, at[1:0]};
        word <= words[at ^ 9'h011];
        if (in[5]) few[in[9:6]] <= in[3:0];
        some <= few[at[3:0]];
        product <= $signed(in[8:0]) * $signed(word[8:0]);
        sum <= in[7] ? 12'h80F : sum + product[17:9] + some;
        if (in[2]) total <= in[11] ? 9'h155 : total ^ word[17:9] ^ sum[11:3];
    end
    assign q = ^{word, some, product, sum, total};
endmodule
"""
#: With ports of the bench for single cells.
BENCH = """
module bench(input clk, input [95:0] in, output [95:0] out);
    mixed it(.clk(clk), .up(in[0]), .q(out[0]));
endmodule
"""


@pytest.fixture(scope="module", params=["ecp5", "ice40"])
def made(request, tmp_path_factory):
    """Its family, its ports and cells as nextpnr wrote them."""
    folder, board = tmp_path_factory.mktemp("routed"), BOARDS["ulx3s-25" if request.param == "ecp5" else "icebreaker"]
    (folder / "design.v").write_text(DESIGN, encoding="utf-8")
    netlist = synthesize([folder / "design.v"], "mixed", folder / "synth", family=board.family)
    places = {"clk": board.clock_pin, "up": board.serial_rx_pin, "q": board.led_pins[0]}
    line = "set_io {} {}\n" if board.family == "ice40" else 'LOCATE COMP "{}" SITE "{}";\n'
    (folder / "pins").write_text("".join(line.format(*place) for place in places.items()), encoding="utf-8")
    routed = route(netlist, board, folder / "route", freq_mhz=12, pins=folder / "pins")
    with gzip.GzipFile(routed.netlist) as file:
        (module,) = json.load(file)["modules"].values()
    return board.family, module


def simulated(folder, *sources, memories=None):
    """``q`` in each cycle."""
    folder.mkdir()
    for file, words in (memories or {}).items():
        (folder / file).write_bytes(memory_file(words))
    paths = [folder / f"source{number}.v" for number in range(len(sources))]
    for path, text in zip(paths, sources, strict=True):
        path.write_text(text, encoding="utf-8")
    verilate(paths, "bench", [cells.HARNESS], folder, defines=[f"IN_WORDS={WORDS}", f"OUT_WORDS={WORDS}"], optimize=1)
    given = np.zeros((CYCLES, WORDS), "<u4")
    given[:, 0] = np.random.default_rng(1).integers(0, 2, CYCLES)
    answer = exchange(folder / "sim", given.tobytes(), limit_s=60, arguments=[folder.resolve()])
    return np.frombuffer(answer, "<u4").reshape(CYCLES, WORDS)[:, 0] & 1


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("right") / "sim", DESIGN, BENCH)


def of_netlist(folder, family, module):
    made = simulable_of("mixed", module)
    return simulated(folder, made.verilog, BENCH, MODELS[family].read_text(encoding="utf-8"), memories=made.memories)


@pytest.mark.synth
def test_what_was_routed_does_what_the_verilog_says(made, right, tmp_path):
    family, module = made
    kinds = {cell["type"] for cell in module["cells"].values()}
    assert kinds >= ({"TRELLIS_COMB", "TRELLIS_RAMW", "TRELLIS_FF", "DP16KD", "MULT18X18D", "TRELLIS_IO", "DCCA"}
                     if family == "ecp5" else {"ICESTORM_LC", "ICESTORM_RAM", "SB_IO", "SB_GB"})
    assert 0.4 < right.mean() < 0.6
    assert np.array_equal(of_netlist(tmp_path / "sim", family, module), right)


def altered(module, what):
    """One table with another content, or two flip-flops whose outputs are exchanged."""
    module = copy.deepcopy(module)
    cells = [(name, cell) for name, cell in sorted(module["cells"].items()) if name.startswith(("sum_", "product_"))]
    if what == "table":
        params = next(cell["parameters"] for _, cell in cells if cell["type"] in ("TRELLIS_COMB", "ICESTORM_LC"))
        table = params.keys() & {"INITVAL", "LUT_INIT"}
        params |= {name: params[name].translate(str.maketrans("01", "10")) for name in table}
    else:
        held = [(name, cell["connections"]) for name, cell in cells
                if cell["type"] == "TRELLIS_FF" or cell["parameters"].get("DFF_ENABLE") == "1"]
        first, second = (next(pins for name, pins in held if name.startswith(start)) for start in ("sum_", "product_"))
        pin = "Q" if "Q" in first else "O"
        first[pin], second[pin] = second[pin], first[pin]
    return module


@pytest.mark.slow
@pytest.mark.parametrize("what", ["table", "nets"])
def test_what_was_altered_does_not(made, right, tmp_path, what):
    family, module = made
    assert not np.array_equal(of_netlist(tmp_path / "sim", family, altered(module, what)), right)
