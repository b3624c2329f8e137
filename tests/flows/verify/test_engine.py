"""The engine's RTL against the golden model, and planted faults, each of which must be found and named."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from cosim.engine import build_simulator
from cosim.lanes import Lanes
from cosim.process import SimulationError
from flows.verify.engine import EngineRung, engine_rung
from flows.verify.engine_simulator import MANY
from hw.emit.verilog import engine_verilog
from hw.spec.commands import COUNTERS, encode
from hw.spec.design import DesignPoint
from hw.spec.image import HEADER_BYTES, pack_header, unpack_header
from sw.data import load_dataset
from sw.golden import run
from sw.graph.layer import WEIGHTED
from sw.quant import TrainConfig
from sw.quant.recipe import Quantize, Recipe
from sw.quant.training import train
from tests.support.ladder import ADDS, DESIGN, check, slower, swapped_weight
from tests.support.layers import random_inputs
from tests.support.states import stateful

pytestmark = pytest.mark.sim
KEYS = ["model", "design", "board", "level", "inputs", "mismatches", "first_mismatch", "cycles", "engine_cycles",
        "predicted_cycles", "layers", "kernels", "build"]


def test_engine_agrees(graph, inputs, store, program):
    report = check(graph, inputs, store)
    assert report.ok and report.mismatches == 0
    document = report.document()
    assert list(document) == KEYS
    assert document | {"layers": None} == {
        "model": "all", "design": DESIGN.label, "board": "ulx3s-25", "level": "engine", "inputs": 5, "mismatches": 0,
        "build": None, "first_mismatch": None, "cycles": (program.cycles,) * 5, "engine_cycles": (program.cycles,) * 5,
        "predicted_cycles": program.cycles, "layers": None, "kernels": ()}
    counters = vars(program.layers[0].cycle_terms)
    assert list(counters) == list(COUNTERS)
    assert document["layers"][0] == {"name": "conv_layer", "op": "conv", "macs": graph.macs(0),
                                     "cycles": program.layers[0].cycles, "predicted_cycles": program.layers[0].cycles,
                                     "counters": counters, "predicted_counters": counters}


def test_the_cpu_finishes_what_the_engine_leaves(residual, store):
    inputs = random_inputs(np.random.default_rng(4), residual, 4)
    answers = run(residual, inputs, ADDS)[-1]
    report = check(residual, inputs, store, ADDS, outputs=answers.reshape(4, -1))
    assert report.ok and [layer.name for layer in report.layers] == ["first", "second+sum", "dense"]
    wrong = answers.copy()
    wrong[2, 0, 0, 5] ^= 1
    report = check(residual, inputs, store, ADDS, outputs=wrong)
    assert (report.mismatches, report.first_mismatch.layer, report.first_mismatch.input) == (1, "answer", 2)


def test_a_flipped_bit_in_the_rounding_is_found_and_traced(graph, inputs, tmp_path):
    verilog = engine_verilog(DESIGN)
    half = "shifted4[30:1], 1'h1"       # what makes the last shift round
    assert verilog.count(half) == 1
    wrong = verilog.replace(half, "shifted4[30:1], 1'h0")
    rung = EngineRung(cache(lambda trace: build_simulator(wrong, tmp_path / str(trace), trace=trace)))
    report = check(graph, inputs, rung=rung, trace=tmp_path / "waves.vcd")
    assert not report.ok and report.mismatches > 0
    first = report.first_mismatch
    assert first.layer == "conv_layer"
    wanted = run(graph, inputs, DESIGN)[1]
    assert first.expected == wanted[first.input, *first.position, first.channel]
    assert first.got == first.expected - 1
    assert f"layer conv_layer, channel {first.channel}, position {first.position}: value {first.got}" in str(first)
    assert "requantizer" in (tmp_path / "waves.vcd").read_text()


@pytest.mark.slow
def test_a_flipped_bit_is_found_among_many(graph, tmp_path, monkeypatch):
    """By a simulator that takes several inputs side by side; two of them work at the same time."""
    monkeypatch.setattr("flows.verify.engine_simulator.os.sched_getaffinity", lambda process: {0, 1})
    verilog, given = engine_verilog(DESIGN), random_inputs(np.random.default_rng(2), graph, MANY)
    simulators = [build_simulator(text, tmp_path / name, lanes=Lanes(count=4)) for name, text in (
        ("right", verilog), ("wrong", verilog.replace("shifted4[30:1], 1'h1", "shifted4[30:1], 1'h0")))]
    rungs = [EngineRung(lambda trace: simulators[0], partial(simulators.__getitem__, one)) for one in (0, 1)]
    right, wrong = (check(graph, given, rung=rung) for rung in rungs)
    assert right.ok and right.engine_cycles == (right.predicted_cycles,) * MANY
    assert not wrong.ok and wrong.first_mismatch.got == wrong.first_mismatch.expected - 1


@pytest.mark.parametrize("layer", [0, 1, 3])
def test_a_swapped_weight_is_found(graph, inputs, store, program, layer):
    report = check(graph, inputs, store, program=swapped_weight(program, layer))
    assert not report.ok and report.mismatches > 0
    assert report.first_mismatch.layer == graph.layers[layer].name
    assert report.first_mismatch.what == "value"
    channel = report.first_mismatch.channel
    assert channel == 1 or graph.layers[layer].op == "depthwise" and channel % DESIGN.depthwise_channels in (1, 3)


@pytest.mark.parametrize("layer", [0, 2])
def test_a_missing_cycle_in_the_model_is_found(graph, inputs, store, program, layer):
    wrong = slower(program, layer)
    report = check(graph, inputs, store, program=wrong)
    assert not report.ok and report.mismatches == 0
    name, cycles = graph.layers[layer].name, program.layers[layer].cycle_terms.compute
    assert str(report.first_mismatch) == f"input 0, layer {name}: compute cycles {cycles}, expected {cycles - 1}"
    assert report.layers[layer].cycles == report.layers[layer].predicted_cycles + 1
    assert report.engine_cycles[0] == report.predicted_cycles + 1


def test_a_stopped_program_gives_each_tensor(graph, inputs, program, store):
    for layers, tensor in enumerate(run(graph, inputs, DESIGN)[1:], 1):
        got = engine_rung(store, DESIGN).run(program.prefix(layers).image, inputs, cycle_limit=10**5).outputs
        assert np.array_equal(got, tensor.reshape(len(inputs), -1))


def test_a_hang_is_an_error_that_names_the_layer(graph, inputs, store, program):
    image, third = bytearray(program.image), HEADER_BYTES + 2 * 64
    endless = encode({**program.layers[2].command, "groups": 60000})
    image[third:third + 64] = endless.to_bytes(64, "little")
    body = bytes(image[HEADER_BYTES:])
    hanging = replace(program, image=pack_header(unpack_header(program.image), body) + body)
    with pytest.raises(SimulationError, match=r"input 0: the run did not end: STATUS 0x0002.*layer 2\), PC 0x"):
        check(graph, inputs, store, program=hanging)


def test_a_corrupted_program_is_an_error_that_names_code_layer_and_place(graph, inputs, store, program):
    image = bytearray(program.image)
    image[HEADER_BYTES + 2 * 64 + 40] ^= 4
    body = bytes(image[HEADER_BYTES:])
    damaged = replace(program, image=pack_header(unpack_header(program.image), body) + body)
    with pytest.raises(SimulationError, match=r"the engine stopped with an error: STATUS .*error BAD_CHECKSUM, "
                                              r"layer 2\), PC 0x") as caught:
        check(graph, inputs, store, program=damaged)
    assert "\n" not in str(caught.value)


def test_states_and_several_outputs_are_followed(store):
    graph = stateful(np.random.default_rng(5))
    inputs = np.random.default_rng(6).integers(-128, 128, (4, *graph.input.shape)).astype(np.int8)
    tensors = run(graph, inputs)
    right = [tensors[number] for number in graph.answers]
    assert len({values.tobytes() for values in right[0]}) == 4      # no state, no difference
    assert check(graph, inputs, store, outputs=right).ok
    wrong = [values.copy() for values in right]
    wrong[1][3, 0, 0, 2] ^= 1
    report = check(graph, inputs, store, outputs=wrong)
    assert (report.mismatches, report.first_mismatch.layer, report.first_mismatch.input) == (1, "end2", 3)


@pytest.mark.slow
@pytest.mark.parametrize("weight_bits, act_bits, layers, left", [
    (1, 8, {}, []), (2, 4, {}, []), (1, 4, {}, []), (4, 8, {"1.1": 8, "3.*": 2}, ["1.1"]),
    (2, 8, {"*classifier": 8, "2.*": 1}, ["5.classifier"])])
def test_trained_networks_of_any_width_are_the_engines(weight_bits, act_bits, layers, left, store):
    """Layers with wider weights than the design's are the CPU's, those with narrower ones the engine's."""
    data = load_dataset("digits")
    recipe = Recipe(passes=2, quantize=Quantize(method="aware", act_bits=act_bits, layers=layers))
    graph = train(TrainConfig(width=0.5, weight_bits=weight_bits, recipe=recipe), data).graph
    design = DesignPoint(cols=4, lanes=8, weight_bits=weight_bits, act_bits=act_bits, multiplier="lut")
    report = check(graph, data.quantized("test", graph.input)[:8], store, design)
    assert report.ok and report.mismatches == 0
    assert [kernel.name for kernel in report.kernels if kernel.op in WEIGHTED] == left
