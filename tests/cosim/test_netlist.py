"""Netlists as nextpnr writes them: what they become, and what is refused."""

import gzip
import json

import numpy as np
import pytest

from cosim.netlist import NetlistError, memory_file, simulable, simulable_of


def cell(type, params=None, nets=None, outputs=(), **attributes):
    """``nets`` by pin, those of ``outputs`` driven."""
    return {"type": type, "parameters": params or {}, "attributes": attributes,
            "connections": {pin: [net] if net else [] for pin, net in (nets or {}).items()},
            "port_directions": {pin: "output" if pin in outputs else "input" for pin in nets or {}}}


def ports(**nets):
    """An input each; ``q`` is the output."""
    return {name: {"direction": "output" if name == "q" else "input", "bits": [net]} for name, net in nets.items()}


def one(type, params=None, nets=None, outputs=()):
    """A module with a cell of all inputs from net 2."""
    return {"ports": ports(a=2), "cells": {"it": cell(type, params, nets, outputs)}}


FF = {"SD": "1 ", "CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET", "GSR": "DISABLED"}
EBR = {"DATA_WIDTH_A": f"{9:032b}", "DATA_WIDTH_B": f"{9:032b}", "REGMODE_A": "NOREG", "REGMODE_B": "NOREG"}


@pytest.mark.parametrize(("module", "message"), [
    (one("ALU54B"), "cell it: ALU54B has no model, so what was routed cannot be simulated; verify at level soc"),
    (one("TRELLIS_IO", {"DIR": "BIDIR"}), "cell it: TRELLIS_IO BIDIR has no model"),
    (one("SB_IO", {"PIN_TYPE": f"{5:032b}"}), "cell it: SB_IO 5 has no model"),
    (one("DP16KD", {**EBR, "REGMODE_B": "OUTREG"}), "cell it: DP16KD with REGMODE_B=OUTREG has no model"),
    (one("DP16KD", {**EBR, "DATA_WIDTH_A": f"{3:032b}"}), "cell it: DP16KD with DATA_WIDTH_A=3 has no model"),
    (one("DP16KD", {**EBR, "CSDECODE_A": "0b001"}), "cell it: DP16KD with CSDECODE_A=0b001 has no model"),
    (one("DP16KD", {**EBR, "SPEED": "FAST"}), "cell it: DP16KD with SPEED=FAST has no model"),
    (one("DP16KD", {**EBR, "INITVAL_00": "0 "}), "cell it: DP16KD with a content '0' has no model"),
    (one("DP16KD", EBR, {"RSTA": 2}), "cell it: DP16KD.RSTA has no model"),
    (one("DP16KD", {**EBR, "CSA0MUX": "CSA0"}, {"CSA0": None}), "cell it: DP16KD.CSA0 has no model"),
    (one("MULT18X18D", {"REG_OUTPUT_CLK": "CLK0"}), "cell it: MULT18X18D with REG_OUTPUT_CLK=CLK0 has no model"),
    (one("MULT18X18D", nets={"SOURCEA": 2}), "cell it: MULT18X18D.SOURCEA has no model"),
    (one("TRELLIS_FF", {**FF, "LSRMODE": "PRLD"}), "cell it: TRELLIS_FF with LSRMODE=PRLD has no model"),
    (one("TRELLIS_FF", {**FF, "CLKMUX": "CE"}, {"CLK": 2}), "cell it: TRELLIS_FF with CLKMUX=CE has no model"),
    (one("ICESTORM_LC", {"NEG_CLK": "1"}), "cell it: ICESTORM_LC with NEG_CLK=1 has no model"),
    (one("ICESTORM_DSP", {"C_REG": "1"}), "cell it: ICESTORM_DSP with C_REG=1 has no model"),
    (one("ICESTORM_DSP", nets={"AHOLD": 2}), "cell it: ICESTORM_DSP.AHOLD has no model"),
    (one("DCCA", nets={"CLKI": 7}), "cell it reads net n7, which nothing with a model drives"),
    (one("ICESTORM_LC", nets={"LO": 8, "I0": 8}, outputs=("LO",)), "cell it reads net n8, which nothing"),
    ({"ports": ports(q=9), "cells": {}}, "port q reads net n9, which nothing with a model drives"),
    ({"ports": {"dq": {"direction": "inout", "bits": [2]}}, "cells": {}}, "port dq: has no model, since it goes both "),
    ({"ports": {}, "cells": {"gb": cell("SB_GB", nets={"GLOBAL_BUFFER_OUTPUT": 3}, FOR_PAD_IN="1")}},
     "cell gb: a global buffer at a pad has no model but behind the one PLL"),
])
def test_what_has_no_model_is_refused(module, message):
    with pytest.raises(NetlistError) as error:
        simulable_of("top", module)
    assert str(error.value).startswith(message)


def line_of(type, params=None, nets=None, outputs=()):
    made = simulable_of("top", one(type, params, nets, outputs))
    return next(line for line in made.verilog.splitlines() if "\\it " in line)


def test_open_and_tied_pins_have_the_level_of_the_bitstream():
    assert ".A(1'b1), .B(n2), .C(1'b1), .D(1'b1), .M(1'b0)" in line_of("TRELLIS_COMB", {}, {"B": 2, "A": None})
    assert ".CEN(1'b1), .SR(1'b0)" in line_of("ICESTORM_LC", {}, {"CEN": None, "SR": None})
    assert ".WCLKE(1'b1), .WE(1'b0)" in line_of("ICESTORM_RAM", {}, {})
    flip_flop = line_of("TRELLIS_FF", FF, {"CLK": 2, "LSR": None, "DI": 2})
    assert ".CLK(n2), .LSR(1'b0), .CE(1'b1), .DI(n2)" in flip_flop
    assert ".CLK(~n2)" in line_of("TRELLIS_FF", {**FF, "CLKMUX": "INV"}, {"CLK": 2})
    ties = {"CEAMUX": "CEA", "CEBMUX": "INV", "WEAMUX": "INV", "WEBMUX": "WEB", "RSTAMUX": "INV", "ADA13MUX": "1 ",
            "ADA12MUX": "0 "}
    memory = line_of("DP16KD", {**EBR, **ties}, dict.fromkeys(name.removesuffix("MUX") for name in ties))
    assert ".CEA(1'b1), .WEA(1'b0), .ADA({1'b1, 1'b0, 1'b0" in memory
    assert ".CEB(1'b0), .WEB(1'b1)" in memory


def test_cells_that_drive_a_level_are_levels():
    ground = cell("TRELLIS_COMB", {"INITVAL": "0"}, {"F": 5}, outputs=("F",))
    times = cell("MULT18X18D", {}, {"SOURCEA": 5, "SIGNEDA": 5, "A3": 2, "P0": 7}, outputs=("P0",))
    made = simulable_of("top", {"ports": ports(a=2, q=7), "cells": {"$PACKER_GND": ground, "it": times}})
    assert ".SIGNEDA(1'b0)" in made.verilog and "n5" not in made.verilog
    assert dict(made.cells) == {"MULT18X18D": 1}


def test_the_clock_goes_through_pad_pll_and_buffer():
    """Of an iCE40, whose links between them are no nets."""
    cells = {
        "pad": cell("SB_IO", {"PIN_TYPE": f"{1:032b}"}, {"PACKAGE_PIN": 2}, NEXTPNR_BEL="X12/Y31/io1"),
        "pll": cell("ICESTORM_PLL", {}, {"REFERENCECLK": None, "LOCK": 4}, outputs=("LOCK",),
                    BEL_PAD_INPUT="X12/Y31/io1"),
        "gb": cell("SB_GB", {}, {"GLOBAL_BUFFER_OUTPUT": 3}, outputs=("GLOBAL_BUFFER_OUTPUT",), FOR_PAD_IN="1")}
    text = simulable_of("top", {"ports": ports(clk=2, q=3), "cells": cells}).verilog
    assert ".REFERENCECLK(n2), .PLLOUT_A(n_of_3)" in text
    assert ".USER_SIGNAL_TO_GLOBAL_BUFFER(n_of_3), .GLOBAL_BUFFER_OUTPUT(n3)" in text


def test_a_file_of_nextpnr_is_read_with_the_contents_of_its_memories(tmp_path):
    inits = {f"INITVAL_{part:02X}": f"{part << 20 | 0x155 << 9 | 1:0320b}" for part in range(64)}
    document = {"creator": "nextpnr", "modules": {"soc": one("DP16KD", {**EBR, **inits})}}
    with gzip.open(tmp_path / "netlist.json.gz", "wt", encoding="utf-8") as file:
        json.dump(document, file)
    made = simulable(tmp_path / "netlist.json.gz")
    words, = made.memories.values()
    assert made.top == "soc" and words.dtype == np.uint16 and words.shape == (2048,)
    assert words[:4].tolist() == [1, 0x155, 0, 0] and words[63 * 32:63 * 32 + 3].tolist() == [1, 0x155, 63]
    assert memory_file(words).splitlines()[:3] == [b"1", b"155", b"0"]
