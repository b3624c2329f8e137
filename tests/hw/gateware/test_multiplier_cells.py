"""What Yosys makes of the multiplier kinds: blocks and LUTs of four lanes of every way."""

import json

import pytest

from cosim.conformance import Case, requests, simulate, wrong
from flows.estimate.wide import engine_dsp
from hw.emit.verilog import array_verilog, products_verilog
from hw.gateware.scalable import BlockElement
from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from hw.tools import run

pytestmark = pytest.mark.synth
LANES = 4
SYNTH = {"ecp5": "synth_ecp5", "ice40": "synth_ice40 -device u"}


def yosys(out, text, *script):
    (out / "in.v").write_text(text)
    (out / "run.ys").write_text("\n".join(["read_verilog -sv in.v", *script, ""]))
    run(["yosys", "run.ys"], cwd=out, timeout_s=300, log=out / "yosys.log")


def cells(out, family, kind, weight_bits, act_bits):
    """(multiplier blocks, LUTs): a CCU2C is a carry chain's two LUTs."""
    text = products_verilog(kind, weight_bits=weight_bits, act_bits=act_bits, lanes=LANES)
    synth = f"{SYNTH[family]} -top heddle_products"
    yosys(out, text, f"{synth} -run begin:map_luts", "clean -purge", f"{synth} -run map_luts:",
          "tee -q -o stat.json stat -json")
    used = json.loads((out / "stat.json").read_text())["design"]["num_cells_by_type"]
    return (used.get("MULT18X18D", 0) + used.get("SB_MAC16", 0),
            used.get("LUT4", 0) + 2 * used.get("CCU2C", 0) + used.get("SB_LUT4", 0))


@pytest.mark.parametrize("kind, weight_bits, family", [
    ("dsp", 8, "ecp5"), ("packed", 4, "ecp5"), ("packed", 2, "ecp5"), ("packed", 1, "ecp5"),
    ("scalable-dsp", 8, "ecp5"), ("scalable-dsp", 4, "ecp5"), ("mac16", 8, "ice40"), ("mac16", 1, "ice40")])
def test_blocks_are_shared_as_promised(kind, weight_bits, family, tmp_path):
    spec = MULTIPLIERS[kind]
    blocks, luts = cells(tmp_path, family, kind, weight_bits, 8)
    assert blocks == LANES // spec.pairs
    # a packed pair: the sum of its weights, and what the low product borrows from the high one
    assert luts <= LANES * {"packed": 2 * weight_bits + 8 + 4, "scalable-dsp": 3 * 8 + 4}.get(kind, 0)


def _apart(act, code):
    return act * code.low + (act * code.high << 13)


@pytest.mark.parametrize("fields, blocks, product", [
    ({"rows": 1, "cols": 2, "lanes": 4}, 8, BlockElement._product),
    pytest.param({"rows": 4, "cols": 2, "lanes": 1}, 8, BlockElement._product, marks=pytest.mark.slow),
    pytest.param({"rows": 1, "cols": 2, "lanes": 4}, 16, _apart, marks=pytest.mark.slow)])
def test_a_lane_of_an_array_has_one_block_for_both_digits(fields, blocks, product, tmp_path, monkeypatch):
    """Two where each digit is multiplied apart."""
    monkeypatch.setattr(BlockElement, "_product", staticmethod(product))
    design = DesignPoint(multiplier="scalable-dsp", requantizer_dsps=0, **fields)
    yosys(tmp_path, array_verilog(design), "synth_ecp5 -top heddle_array", "tee -q -o stat.json stat -json")
    used = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    assert used["MULT18X18D"] == blocks
    assert (product is _apart) == (blocks != engine_dsp(design))


@pytest.mark.parametrize("smaller, larger", [
    (("lut", 4, 4), ("lut", 4, 8)), (("lut", 2, 8), ("lut", 4, 8)), (("lut", 1, 8), ("lut", 2, 8)),
    (("ternary", 2, 8), ("lut", 2, 8)), (("trunc", 8, 8), ("lut", 8, 8)),
    (("broken", 8, 8), ("trunc", 8, 8)), (("broken", 4, 8), ("trunc", 4, 8))])
def test_less_to_multiply_takes_less_logic(smaller, larger, tmp_path):
    (no_blocks, few), (none_either, many) = (cells(tmp_path, "ecp5", *case) for case in (smaller, larger))
    assert no_blocks == none_either == 0
    assert 0 < few < many


def test_the_cell_is_set_up_as_yosys_knows_it(tmp_path):
    """The instance with Yosys's own model of the cell, which knows all of its modes."""
    case = Case(kind=MULTIPLIERS["mac16"], weight_bits=8, act_bits=8)
    yosys(tmp_path, case.verilog("case0"), "read_verilog -defer +/ice40/cells_sim.v", "hierarchy -top case0", "proc",
          "flatten", "clean", "write_verilog -noattr flat.v")
    flat = (tmp_path / "flat.v").read_text()
    assert "SB_MAC16 #(" not in flat and "*" in flat
    rows = requests()
    assert wrong(case, rows, simulate([(case, flat)], rows, tmp_path)[0]) == []
