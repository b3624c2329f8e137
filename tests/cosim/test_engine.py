"""The fast harness: what goes in and comes out, and every way in which a simulation can fail."""

from pathlib import Path

import numpy as np
import pytest

from cosim.engine import build_simulator, run_engine
from cosim.process import SimulationError, exchange
from hw.spec.errors import SpecError
from hw.spec.image import pack_header

pytestmark = pytest.mark.sim

INPUT_BYTES, INPUT_ADDRESS, OUTPUT_ADDRESS = 13, 6, 1021      # neither sizes nor addresses are whole words


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """A simulator of an engine that adds one."""
    verilog = Path(__file__).with_name("stub_engine.v").read_text()
    return build_simulator(verilog, tmp_path_factory.mktemp("stub"), trace=True)


def image(**changes):
    body = bytes(40)
    header = {"fingerprint": 0xC0FFEE, "program": 0, "input_address": INPUT_ADDRESS, "input_bytes": INPUT_BYTES,
              "output_address": OUTPUT_ADDRESS, "output_bytes": INPUT_BYTES, "layers": 2}
    return pack_header({**header, **changes}, body) + body


def inputs(count=5):
    return np.random.default_rng(1).integers(-128, 128, (count, INPUT_BYTES)).astype(np.int8)


def test_outputs_cycles_and_layer_log(stub):
    run = run_engine(stub, image(), inputs())
    assert np.array_equal(run.outputs, inputs() + np.int8(1))
    assert run.outputs.dtype == np.int8
    assert run.cycles.tolist() == [INPUT_BYTES] * 5
    assert run.layer_cycles.tolist() == [[INPUT_BYTES + 64, INPUT_BYTES + 65]] * 5
    assert run.simulated_cycles > 5 * INPUT_BYTES
    assert run.inferences_per_s > 0 and run.cycles_per_s > 0


def test_waves_of_one_input(stub, tmp_path):
    run_engine(stub, image(), inputs(), trace=tmp_path / "waves.vcd", traced_input=3)
    waves = (tmp_path / "waves.vcd").read_text()
    assert "program_word" in waves
    assert np.array_equal(run_engine(stub, image(), inputs()).outputs, inputs() + np.int8(1))


@pytest.mark.parametrize("program, message", [
    (1, r"input 0: the run did not end: STATUS 0x00000001 \(busy 1, error NONE, layer 0\), DONE 0, CYCLES \d+, "
        r"limit 500 cycles"),
    (2, r"input 0: the engine stopped with an error: STATUS 0x00030200 \(busy 0, error BAD_OPCODE, layer 3\)"),
    (3, r"input 0: DONE is not the ticket"),
    (4, r"sim: exit status 1: .*Verilog \$stop"),
    (5, r"input 0: the bus did not answer: STATUS 0x00000000"),
])
def test_engine_failure_has_its_registers(stub, program, message):
    with pytest.raises(SimulationError, match=message):
        run_engine(stub, image(program=program), inputs(), cycle_limit=500)


def test_a_run_without_end_is_stopped_by_the_clock_on_the_wall(stub):
    with pytest.raises(SimulationError, match=r"sim: timed out after 0.5 s"):
        run_engine(stub, image(program=1), inputs(), cycle_limit=2**32 - 1, limit_s=0.5)


def test_another_engine_is_refused(stub):
    with pytest.raises(SimulationError, match="ID is not the fingerprint in the image"):
        run_engine(stub, image(fingerprint=1), inputs())


def test_wrong_inputs_are_refused(stub):
    with pytest.raises(ValueError, match="inputs are int8 of 12 elements; the model image takes int8 of 13"):
        run_engine(stub, image(), np.zeros((1, 12), np.int8))


def test_damaged_image_is_refused(stub):
    with pytest.raises(SpecError, match="damaged"):
        run_engine(stub, image()[:-1] + b"x", inputs())


def test_no_inputs_is_an_empty_run(stub):
    run = run_engine(stub, image(), inputs(0))
    assert run.outputs.shape == (0, INPUT_BYTES) and run.cycles.shape == (0,) and run.layer_cycles.shape == (0, 2)


def test_missing_simulator_is_one_line(tmp_path):
    with pytest.raises(SimulationError, match="sim: not found"):
        exchange(tmp_path / "sim", b"", limit_s=1)
