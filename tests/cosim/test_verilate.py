"""The shared Verilator build: it runs, traces, repeats itself bit for bit, and says what went wrong."""

import subprocess

import pytest

from cosim.verilate import verilate
from hw.tools import ToolError

pytestmark = pytest.mark.sim

COUNTER = """module counter(input clk, output reg [7:0] count);
    initial count = 3;
    always @(posedge clk) count <= count + 1;
endmodule
"""
MAIN = """
#include "Vtop.h"
#include <cstdio>
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif
int main() {
    Vtop top;
#if VM_TRACE
    Verilated::traceEverOn(true);
    VerilatedVcdC waves;
    top.trace(&waves, 9);
    waves.open("waves.vcd");
#endif
    for (int half = 0; half < 2 * STEPS; half++) {
        top.clk = half & 1;
        top.eval();
#if VM_TRACE
        waves.dump(half);
#endif
    }
    printf("%d", top.count);
}
"""


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "counter.v").write_text(COUNTER)
    (tmp_path / "main.cpp").write_text(MAIN)
    return {"sources": [tmp_path / "counter.v"],
            "top": "counter", "cpp": [tmp_path / "main.cpp"], "defines": ["STEPS=5"]}


def test_runs_and_repeats(sources, tmp_path):
    first, second = (verilate(**sources, out=tmp_path / name) for name in ("a", "b"))
    assert subprocess.check_output([first]) == b"8"
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["sim"]


def test_traces(sources, tmp_path):
    made = verilate(**sources, out=tmp_path / "a", trace=True)
    assert subprocess.check_output([made], cwd=tmp_path) == b"8"
    assert "count" in (tmp_path / "waves.vcd").read_text()


def test_wrong_verilog_is_one_line(sources, tmp_path):
    (tmp_path / "counter.v").write_text("module counter(input clk); assign clk = nothing; endmodule")
    with pytest.raises(ToolError, match=r"^verilator.*nothing") as caught:
        verilate(**sources, out=tmp_path / "a")
    assert "\n" not in str(caught.value)


def test_wrong_harness_is_one_line(sources, tmp_path):
    (tmp_path / "main.cpp").write_text("int main() { return missing; }")
    with pytest.raises(ToolError, match=r"^g\+\+.*missing"):
        verilate(**sources, out=tmp_path / "a")
