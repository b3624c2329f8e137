"""The fast harness: what goes in and comes out, and every way in which a simulation can fail."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cosim.engine import _run_key, build_simulator, run_engine, simulated_design
from cosim.process import SimulationError
from hw.emit.verilog import engine_verilog
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.image import ENGINE, HEADER_BYTES, Call, pack_header, unpack_calls, unpack_header
from sw.compiler import compile_graph
from tests.support.images import run_image
from tests.support.ladder import DESIGN, several_runs

pytestmark = pytest.mark.sim

STUB = Path(__file__).with_name("stub_engine.v").read_text()
STREAMED = bytes(range(3, 3 + 2 * 13))          # 13 beats
INPUT_BYTES, INPUT_ADDRESS, OUTPUT_ADDRESS = 13, 6, 1021      # neither sizes nor addresses are whole words


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """A simulator of an engine that adds one."""
    return build_simulator(STUB, tmp_path_factory.mktemp("stub"), trace=True)


@pytest.fixture(scope="module")
def streaming(tmp_path_factory):
    """The same with a port to the memory outside, 2 bytes wide; its ID differs from the images' in bit 0."""
    return build_simulator(STUB.replace("32'hc0ffee", "32'hc0ffef"), tmp_path_factory.mktemp("streaming"),
                           stream_bytes=2, id_difference=1)


def image(body=bytes(40), **changes):
    header = {"fingerprint": 0xC0FFEE, "input_address": INPUT_ADDRESS, "input_bytes": INPUT_BYTES,
              "output_address": OUTPUT_ADDRESS, "output_bytes": INPUT_BYTES, "layers": 2}
    return run_image(body, **{**header, **changes})


def inputs(count=5):
    return np.random.default_rng(1).integers(-128, 128, (count, INPUT_BYTES)).astype(np.int8)


def test_outputs_cycles_and_layer_log(stub):
    run = run_engine(stub, image(), inputs())
    assert np.array_equal(run.outputs, inputs() + np.int8(1))
    assert run.outputs.dtype == np.int8
    assert run.cycles.tolist() == [INPUT_BYTES] * 5
    assert run.counters.tolist() == [[[INPUT_BYTES + 0x400 + 8 * layer + counter for counter in range(5)]
                                      for layer in range(2)]] * 5
    assert np.array_equal(run.layer_cycles, run.counters.sum(2))
    assert run.simulated_cycles > 5 * INPUT_BYTES
    assert run.inferences_per_s > 0 and run.cycles_per_s > 0


def test_waves_of_one_input(stub, tmp_path):
    run_engine(stub, image(), inputs(), trace=tmp_path / "waves.vcd", traced_input=3)
    waves = (tmp_path / "waves.vcd").read_text()
    assert "program_word" in waves
    assert np.array_equal(run_engine(stub, image(), inputs()).outputs, inputs() + np.int8(1))


@pytest.mark.parametrize("program, message", [
    (1, r"input 0: the run did not end: STATUS 0x00000001 \(busy 1, error NONE, layer 0\), PC 0x1234, DONE 0, "
        r"CYCLES \d+, limit 500 cycles"),
    (2, r"input 0: the engine stopped with an error: STATUS 0x00030200 \(busy 0, error BAD_OPCODE, layer 3\), "
        r"PC 0x1234"),
    (3, r"input 0: DONE is not the ticket"),
    (4, r"sim: exit status 1: .*Verilog \$stop"),
    (5, r"input 0: the bus did not answer: STATUS 0x00000000"),
])
def test_engine_failure_has_its_registers(stub, program, message):
    with pytest.raises(SimulationError, match=message):
        run_engine(stub, image(program=program), inputs(), cycle_limit=500)


def streamed_image(**changes):
    return image(bytes(40) + STREAMED, **{"program": 6, "stream_bytes": len(STREAMED), "stream_address": 0x20002,
                                          **changes})


def test_weights_stream_in_stated_time(streaming):
    run = run_engine(streaming, streamed_image(), inputs())
    assert np.array_equal(run.outputs, inputs() + np.frombuffer(STREAMED, np.int8)[::2])
    assert run.cycles.tolist() == [16 + INPUT_BYTES] * 5


def test_a_memory_with_pauses_changes_no_bit(streaming):
    run = run_engine(streaming, streamed_image(), inputs(40), stalls=3)
    assert np.array_equal(run.outputs, inputs(40) + np.frombuffer(STREAMED, np.int8)[::2])
    assert run.cycles.min() >= 16 + INPUT_BYTES
    assert len(set(run.cycles.tolist())) > 10
    assert np.array_equal(run.cycles, run_engine(streaming, streamed_image(), inputs(40), stalls=3).cycles)


@pytest.mark.parametrize("changes, at", [
    ({"calls": [Call(runner=ENGINE, words=(7, 2, 22))]}, "0x20018"),
    ({"calls": [Call(runner=ENGINE, words=(6, 2, 24))]}, "0x2001a")])
def test_weights_beyond_the_stream_are_an_error(streaming, changes, at):
    message = (rf"input 0: the engine asked for weights outside the image's stream, at {at}: STATUS 0x00000001 .*"
               r"PC 0x1234")
    with pytest.raises(SimulationError, match=message):
        run_engine(streaming, streamed_image(**changes), inputs())


def test_a_stream_without_memory_outside_goes_to_the_activations(stub):
    run = run_engine(stub, image(bytes(40) + bytes(INPUT_BYTES * [7]), stream_bytes=INPUT_BYTES,
                                 stream_address=OUTPUT_ADDRESS, output_address=3000), inputs(1)[:, ::-1].copy())
    assert np.array_equal(run.outputs, inputs(1)[:, ::-1] + np.int8(1))
    kept = image(bytes(40) + bytes(INPUT_BYTES * [7]), stream_bytes=INPUT_BYTES, stream_address=INPUT_ADDRESS - 1)
    assert run_engine(stub, kept, inputs(1)).outputs.shape == (1, INPUT_BYTES)


def test_an_exact_kind_is_simulated_as_a_product_of_the_same_engine():
    design = DesignPoint(rows=2, cols=2, lanes=2, multiplier="lut", act_bytes=1024, weight_bytes=1024)
    twin = simulated_design(design)
    assert (twin.multiplier, twin.fingerprint != design.fingerprint) == ("dsp", True)
    assert len(engine_verilog(twin)) < len(engine_verilog(design))
    kept = DesignPoint(multiplier="trunc")
    assert simulated_design(kept) is kept


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
    assert run.outputs.shape == (0, INPUT_BYTES) and run.cycles.shape == (0,) and run.counters.shape == (0, 2, 5)


def test_a_run_is_known_by_what_it_depends_on():
    """The same in an image and its beginnings; another one with other weights, memory or layers."""
    program = compile_graph(several_runs(), DESIGN)
    call, later = (call for call in unpack_calls(program.image, unpack_header(program.image)) if call.runner == ENGINE)
    given, wanted, data = slice(0, 8), slice(0, 64), np.arange(8).astype(np.int8).reshape(1, 8)

    def key(image=program.image, call=call, data=data):
        return _run_key(image, call, given, data, wanted)

    layers = len(program.plans)
    beginnings = [program.prefix(count).image for count in range(2, layers + 1)]
    assert {key(image) for image in beginnings} == {key()}
    assert key(data=data + 1) != key() != key(call=later)
    assert key(program.prefix(1).image, replace(call, words=(call.words[0], 0, call.words[2]))) != key()
    changed = bytearray(program.image)
    changed[program.layers[0].command["weight_base"] * DESIGN.weight_word_bits // 8] ^= 1
    assert key(pack_header({**unpack_header(program.image)}, bytes(changed[HEADER_BYTES:]))
               + bytes(changed[HEADER_BYTES:])) != key()
