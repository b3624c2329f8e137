import json

import pytest

from boards import BOARDS
from flows.fpga.netlist import Netlist, Synthesis, count, synthesize
from flows.run import closure
from flows.run.store import Store
from hw.tools import VARIABLE, ToolError, find
from tests.support.native import BASE_PATH, SAYS, program
from tests.support.synth import COUNTER

BOARD = BOARDS["ulx3s-25"]
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
    return synthesize([folder / "counter.v"], "counter", folder / "synth", family="ecp5")


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


@pytest.fixture
def netlists(tmp_path, monkeypatch):
    """What a store gives for the same sources with the packaged Yosys and with native ones of versions."""
    (tmp_path / "counter.v").write_text(COUNTER)
    store = Store(tmp_path / "store")
    step = Synthesis(verilog=(tmp_path / "counter.v",), top="counter", family="ecp5")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{BASE_PATH}")

    def make(version):
        monkeypatch.setenv(VARIABLE, "native" if version else "packaged")
        if version:
            stat = json.dumps({"design": {"num_cells_by_type": {f"MADE_BY_{version}": 1}}})
            program(tmp_path / "bin", "yosys", f"""[ $1 = -s ] || exec echo '{SAYS["yosys"].format(version)}'
                echo '{{}}' > yosys.json; echo '{stat}' > stat.json""")
        return step.value(store).cells
    return make


@pytest.mark.synth
def test_results_of_different_tools_never_mix(netlists):
    assert netlists("9.1") == {"MADE_BY_9.1": 1}
    assert netlists(None)["TRELLIS_FF"] == 8
    assert netlists("9.1") == {"MADE_BY_9.1": 1}


@pytest.mark.synth
def test_a_key_without_which_it_was_would_mix_them(netlists, monkeypatch):
    """The fault that the test above is there for."""
    monkeypatch.setattr(closure, "_tool_version", lambda name: "0.70")
    assert netlists("0.70") == netlists(None) == {"MADE_BY_0.70": 1}


@pytest.mark.synth
def test_nor_do_those_of_two_versions(netlists):
    assert netlists("9.1") == {"MADE_BY_9.1": 1}
    find._look.cache_clear()        # a process asks once
    assert netlists("9.1+1") == {"MADE_BY_9.1+1": 1}
