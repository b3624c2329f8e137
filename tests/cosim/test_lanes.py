"""Several inputs side by side give what each gives alone; what would make them differ is noticed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cosim import lanes
from cosim.engine import build_engine, build_simulator, run_engine, takes_lanes
from cosim.lanes import ONE, Lanes, lanes_here, widen
from cosim.process import SimulationError
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from tests.cosim.test_engine import INPUT_BYTES, STUB, image, inputs
from tests.support.engines import check_exact, check_outputs, random_programs

pytestmark = pytest.mark.sim

FOUR = Lanes(count=4)
DESIGN = DesignPoint(rows=2, cols=4, lanes=2, multiplier="trunc", act_bytes=4096, weight_bytes=16384)
ADDS_ONE = "acts[weights[4] + at] + (streams ? memory__data__payload[7:0] : 1)"
#: A byte by every operator that has a function of its own in lanes.
MIXED = """
    wire [7:0] x = acts[weights[4] + at];
    wire signed [7:0] s = x;
    wire signed [15:0] squared = s * s;
    wire [95:0] wide = {x, 24'h123456, ~x, 40'h0, squared};
    reg [7:0] table_of;
    always @* case (x[3:0])
        0: table_of = 17; 1: table_of = 34; 2: table_of = 201; 3: table_of = 4; 4: table_of = 99; 5: table_of = 77;
        6: table_of = 8; 7: table_of = 250; 8: table_of = 31; 9: table_of = 63; 10: table_of = 127;
        default: table_of = 5;
    endcase
    wire [31:0] right = 32'h89abcdef >> x[5:0];
    wire signed [15:0] kept = $signed({x, x}) >>> x[2:0];
    wire [63:0] left = {56'd1, x} << x[6:0];
    wire signed [39:0] long = $signed({x, 32'h0}) * s;
    wire [7:0] more = (s < $signed(at[7:0]) ? 8'd3 : 8'd0) + (x >= 100) + (long <= 40'sd5 ? left[15:8] : long[36:29]);
    wire [7:0] mixed = (s > -3 ? x ^ table_of : wide[70 +: 8]) + right[7:0] + kept[7:0] + more;
"""


def stub(folder, added="", value=ADDS_ONE, *, side_by_side=FOUR, **changes):
    verilog = STUB.replace("    integer n;\n", f"    integer n;\n{added}").replace(ADDS_ONE, value)
    for old, new in changes.items():
        assert old in verilog
        verilog = verilog.replace(old, new)
    return build_simulator(verilog, folder, lanes=side_by_side)


@pytest.fixture(scope="module")
def adds_one(tmp_path_factory):
    return stub(tmp_path_factory.mktemp("stub"))


@pytest.mark.parametrize("jobs", [1, 2, 40])
@pytest.mark.parametrize("count", [0, 1, 4, 11])
def test_each_input_has_its_output(adds_one, count, jobs):
    run = run_engine(adds_one, image(), inputs(count), jobs=jobs)
    assert np.array_equal(run.outputs, inputs(count) + np.int8(1))
    assert run.cycles.tolist() == [INPUT_BYTES] * count and run.counters.shape == (count, 2, 5)


def test_cycles_are_of_all_lanes(adds_one):
    """And there are fewer of them."""
    counts = [run_engine(adds_one, image(), inputs(count)).simulated_cycles for count in (1, 4, 8)]
    assert counts[1] < 4 * counts[0] and counts[2] < 2 * counts[1]


def test_what_steers_must_not_depend_on_data(tmp_path):
    """Of a run that takes as long as a byte says; the error names the first of the inputs that went together."""
    longer = "at + 1 == weights[5] + (acts[weights[4]] == 8'd77)"
    simulator = stub(tmp_path, **{"at + 1 == weights[5]": longer})
    given = inputs(8)
    given[:, 0] = 5
    assert run_engine(simulator, image(), given).cycles.tolist() == [INPUT_BYTES] * 8
    given[5, 0] = 77
    for jobs in (1, 2):
        with pytest.raises(SimulationError, match="input 4: what steers the engine differs between the inputs"):
            run_engine(simulator, image(), given, jobs=jobs)
    given[:, 0] = 77
    assert run_engine(simulator, image(), given).cycles.tolist() == [INPUT_BYTES + 1] * 8


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Every byte as input, and what the model that Verilator wrote makes of it."""
    given = np.arange(-128, 128).astype(np.int8).repeat(2)[:39 * INPUT_BYTES].reshape(39, INPUT_BYTES)
    alone = stub(tmp_path_factory.mktemp("mixed"), MIXED, "mixed", side_by_side=ONE)
    return given, run_engine(alone, image(), given).outputs


@pytest.mark.parametrize("planted", [False, True])
def test_operators(mixed, planted, tmp_path, monkeypatch):
    """With the values of choices by a signed comparison exchanged they differ."""
    whole, exchanged = lanes._choice, []

    def choice(tokens, at):
        condition, first, other = whole(tokens, at)
        if not any(token.startswith("VL_") for token in condition):
            return condition, first, other
        exchanged.append(condition)
        return condition, other, first

    if planted:
        monkeypatch.setattr(lanes, "_choice", choice)
    given, wanted = mixed
    got = run_engine(stub(tmp_path, MIXED, "mixed"), image(), given).outputs
    assert len(set(wanted.ravel().tolist())) > 100
    assert bool(exchanged) is planted
    assert np.array_equal(got, wanted) is not planted


def test_a_model_without_such_a_memory_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no memory of the model is named _acts\$"):
        widen(tmp_path, lanes.re.compile("_acts$"))


@pytest.mark.parametrize("flags, found", [
    ("fpu sse2", Lanes(count=4)),
    ("avx2 bmi1 bmi2 fma f16c movbe sse2", Lanes(count=8, target="x86-64-v3")),
    ("avx2 avx512f avx512bw avx512cd avx512dq avx512vl", Lanes(count=16, target="x86-64-v4"))])
def test_as_many_as_a_register_has_words(flags, found, monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: f"model\t: 1\nflags\t\t: {flags}\nbugs : none\n")
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    assert lanes_here() == found and found.options == ((f"-march={found.target}",) if found.target else ())


def test_where_the_processor_is_not_known(monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    assert lanes_here() == Lanes(count=4)


def test_which_engines_take_them():
    assert [name for name, design in PRESETS.items() if takes_lanes(design)] == ["ecp5-25", "ecp5-45", "ecp5-85"]


def test_every_bit_cycle_and_counter(tmp_path):
    """Of an engine, with traffic on its bus too."""
    simulator = build_engine(DESIGN, tmp_path, lanes=lanes_here())
    for program, given in random_programs(DESIGN, 12, seed=1, inputs=21):
        check_exact(simulator, program, given)
        check_outputs(simulator, program, given[:5], traffic=3)


@pytest.mark.slow
@pytest.mark.parametrize("design", [
    PRESETS["ecp5-25"], PRESETS["ecp5-85"], replace(DESIGN, weight_bits=4, act_bits=4, multiplier="lut"),
    replace(DESIGN, weight_bits=2, multiplier="lut", requantizers=2), replace(DESIGN, cols=8, multiplier="mac16"),
    replace(DESIGN, multiplier="packed", weight_bits=4), replace(DESIGN, table_unit=True)], ids=lambda one: one.label)
def test_other_engines(design, tmp_path):
    simulator = build_engine(design, tmp_path, lanes=lanes_here())
    for program, given in random_programs(design, 12, seed=2, inputs=18):
        check_exact(simulator, program, given)
