"""The memory cell, as simulators model it, beside its twin, which Amaranth's simulator and the prover see."""

import pytest
from amaranth import Module
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from cosim.verilate import verilate
from hw.gateware.ice40 import Cells
from hw.gateware.spram import SinglePort16k
from hw.tools import run

ACCESSES = 200_000
CPP = """
#include "Vtop.h"
#include <cstdio>
#include <random>
int main() {
    Vtop top;
    std::mt19937 random(1);
    unsigned reads = 0, different = 0;
    for (int n = 0; n < %d; n++) {
        top.address = random() %% 3 ? random() & 63 : random() & 16383;
        top.write = random() %% 2 ? random() & 3 : 0;
        top.data_in = random();
        top.clk = 0, top.eval(), top.clk = 1, top.eval();
        bool read = !top.write;
        reads += read, different += read && top.cell_out != top.twin_out;
    }
    std::printf("%%u reads, %%u differ\\n", reads, different);
    return different != 0;
}
""" % ACCESSES


class One(wiring.Component):
    """A memory as a module, since a top module may not be a bare instance."""

    def __init__(self):
        super().__init__({"address": In(14), "write": In(2), "data_in": In(16), "data_out": Out(16)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = unit = SinglePort16k()
        m.d.comb += [unit.address.eq(self.address), unit.write.eq(self.write), unit.data_in.eq(self.data_in),
                     self.data_out.eq(unit.data_out)]
        return m


@pytest.mark.sim
def test_cell_and_twin_read_the_same(tmp_path):
    texts = [verilog.convert(One(), name=name, platform=platform, emit_src=False)
             for name, platform in (("cell_one", Cells()), ("twin_one", None))]
    assert "SB_SPRAM256KA" in texts[0] and "SB_SPRAM256KA" not in texts[1]
    ports = "input clk, input [13:0] address, input [1:0] write, input [15:0] data_in"
    inner = ".clk(clk), .rst(1'b0), .address(address), .write(write), .data_in(data_in)"
    texts.append(f"module both({ports}, output [15:0] cell_out, output [15:0] twin_out);\n"
                 f"cell_one a({inner}, .data_out(cell_out));\ntwin_one b({inner}, .data_out(twin_out));\nendmodule\n")
    (tmp_path / "both.v").write_text("\n".join(texts))
    (tmp_path / "main.cpp").write_text(CPP)
    program = verilate([tmp_path / "both.v"], "both", [tmp_path / "main.cpp"], tmp_path / "sim")
    done = run([program], cwd=tmp_path, timeout_s=60, log=tmp_path / "log")
    reads, differ = (int(word) for word in done.text().split() if word.isdigit())
    assert reads > ACCESSES // 2 and differ == 0
