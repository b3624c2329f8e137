"""The ladder's rungs: what they report, and planted faults, each of which must be found and named."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from boards import BOARDS
from cosim.engine import build_simulator
from cosim.process import SimulationError
from flows.commands.verify import verify_model
from flows.run.store import Store
from flows.verify.engine import EngineRung, engine_rung
from flows.verify.images import ImageRung, Observed
from flows.verify.ladder import verify
from hw.emit.verilog import engine_verilog
from hw.spec.commands import COUNTERS, encode
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.image import HEADER_BYTES, pack_header, unpack_header
from hw.spec.presets import to_toml
from sw.compiler import compile_graph
from sw.golden import finish, run
from sw.golden.softmax import prepare_softmax
from sw.graph.graph import Graph, TensorType
from sw.graph.layer import Layer
from tests.support.layers import random_add, random_inputs, random_layer

DESIGN = DesignPoint(rows=2, cols=2, lanes=2, act_bytes=4096, weight_bytes=8192)
ADDS = replace(DESIGN, cols=4)      # the least that can add
BOARD = BOARDS["ulx3s-25"]
KEYS = ["model", "design", "board", "level", "inputs", "mismatches", "first_mismatch", "cycles", "engine_cycles",
        "predicted_cycles", "layers"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def graph():
    """One layer of each operator; none of them hides what the one before does wrong."""
    rng, layers = np.random.default_rng(5), []
    kind = start = TensorType(shape=(5, 6, 3), scale=0.05, zero_point=9)
    for op, options in (("conv", {"outputs": 5, "stride": (2, 1), "padding": (1, 1, 0, 1)}),
                        ("depthwise", {"padding": (1, 1, 1, 1)}), ("avgpool", {"kernel": (2, 2)}),
                        ("dense", {"outputs": 3})):
        layers.append(replace(random_layer(rng, op, kind, name=f"{op}_layer", **options), act_min=-128))
        kind = layers[-1].output
    return Graph(name="all", input=start, layers=tuple(layers)).check()


@pytest.fixture(scope="module")
def inputs(graph):
    return random_inputs(np.random.default_rng(3), graph, 5)


@pytest.fixture
def program(graph):
    return compile_graph(graph, DESIGN)


@pytest.fixture(scope="module")
def residual():
    """A sum, fused into the convolution before it, and a softmax, which the engine leaves out."""
    rng = np.random.default_rng(6)
    start = TensorType(shape=(3, 4, 5), scale=0.05, zero_point=-3)
    layers = [random_layer(rng, "conv", start, outputs=4, kernel=(1, 1), name="first")]
    layers.append(random_layer(rng, "conv", start, outputs=4, padding=(1, 1, 1, 1), name="second", inputs=(0,)))
    layers.append(random_add(rng, (1, 2), [layer.output for layer in layers], name="sum"))
    layers.append(random_layer(rng, "dense", layers[2].output, outputs=6, name="dense"))
    multiplier, shift = prepare_softmax(1.0, layers[3].output.scale)
    layers.append(Layer(name="answer", op="softmax", output=TensorType(shape=(1, 1, 6), scale=1 / 256, zero_point=-128),
                        weights=np.zeros(0, np.int8), bias=np.zeros(0, np.int32),
                        multiplier=np.array([multiplier], np.int32), shift=np.array([shift], np.int32)))
    return Graph(name="residual", input=start, layers=tuple(layers)).check()


class Plain(ImageRung):
    """A rung without hardware: the golden model, with the cycles that were predicted."""

    level = "engine"
    stops_anywhere = True

    def __init__(self, program, spoil=None):
        self.program, self.spoil = program, spoil or (lambda outputs, traffic: None)

    def run(self, image, inputs, *, cycle_limit, traffic=0):
        last = self.program.layers[unpack_header(image)["layers"] - 1]
        found = run(self.program.graph, inputs, DESIGN)[last.tensor].reshape(len(inputs), -1).copy()
        self.spoil(found, traffic)
        counters = np.array([[list(vars(plan.cycle_terms).values()) for plan in self.program.layers]] * len(inputs))
        return Observed(outputs=found, cycles=np.full(len(inputs), self.program.cycles),
                        engine_cycles=np.full(len(inputs), self.program.cycles),
                        layer_cycles=counters.sum(2), counters=counters)

    def waves(self, image, inputs, file):
        file.write_text(str(unpack_header(image)["layers"]))


def check(graph, inputs, store=None, design=DESIGN, **options):
    return verify(graph, design, **{"level": "engine", "inputs": inputs, "board": BOARD, "store": store, **options})


def swapped_weight(program, layer):
    """The program with two neighbouring weights of the layer's channel 1 exchanged, and its image mended."""
    image, plan = bytearray(program.image), program.layers[layer]
    sets = DESIGN.depthwise_rows if plan.command["depthwise"] else 1
    at = (plan.command["weight_base"] + sets * DESIGN.param_words) * DESIGN.weight_word_bits // 8 + DESIGN.lanes
    assert image[at] != image[at + 1]
    image[at], image[at + 1] = image[at + 1], image[at]
    body = bytes(image[HEADER_BYTES:])
    return replace(program, image=pack_header(unpack_header(program.image), body) + body)


def slower(program, layer, counter="compute", by=1):
    """The program whose prediction lacks a cycle of the layer."""
    plans = list(program.layers)
    terms = plans[layer].cycle_terms
    plans[layer] = replace(plans[layer], cycle_terms=replace(terms, **{counter: getattr(terms, counter) - by}))
    return replace(program, layers=tuple(plans))


@pytest.mark.sim
def test_engine_agrees(graph, inputs, store, program):
    report = check(graph, inputs, store)
    assert report.ok and report.mismatches == 0
    document = report.document()
    assert list(document) == KEYS
    assert document | {"layers": None} == {
        "model": "all", "design": DESIGN.label, "board": "ulx3s-25", "level": "engine", "inputs": 5, "mismatches": 0,
        "first_mismatch": None, "cycles": (program.cycles,) * 5, "engine_cycles": (program.cycles,) * 5,
        "predicted_cycles": program.cycles, "layers": None}
    counters = vars(program.layers[0].cycle_terms)
    assert list(counters) == list(COUNTERS)
    assert document["layers"][0] == {"name": "conv_layer", "op": "conv", "macs": graph.macs(0),
                                     "cycles": program.layers[0].cycles, "predicted_cycles": program.layers[0].cycles,
                                     "counters": counters, "predicted_counters": counters}


@pytest.mark.sim
def test_the_cpu_finishes_what_the_engine_leaves(residual, store):
    inputs = random_inputs(np.random.default_rng(4), residual, 4)
    answers = run(residual, inputs, ADDS)[-1]
    report = check(residual, inputs, store, ADDS, outputs=answers.reshape(4, -1))
    assert report.ok and [layer.name for layer in report.layers] == ["first", "second+sum", "dense"]
    wrong = answers.copy()
    wrong[2, 0, 0, 5] ^= 1
    report = check(residual, inputs, store, ADDS, outputs=wrong)
    assert (report.mismatches, report.first_mismatch.layer, report.first_mismatch.input) == (1, "answer", 2)


def test_a_fault_before_the_softmax_is_found(residual):
    program = compile_graph(residual, ADDS)
    inputs = random_inputs(np.random.default_rng(4), residual, 4)

    def spoil(outputs, traffic):
        if outputs.shape[1] == 6:
            outputs[:, 0] = np.where(outputs[:, 0] > -100, -128, 127)
    report = check(residual, inputs, design=ADDS, rung=Plain(program, spoil))
    assert report.first_mismatch.layer == "dense"

    def spoil_inner(outputs, traffic):
        if outputs.shape[1] == 48:
            outputs[1, 7] ^= 1
    report = check(residual, inputs, design=ADDS, rung=Plain(program, spoil_inner))
    assert (report.first_mismatch.layer, report.first_mismatch.input, report.mismatches) == ("first", 1, 2)
    assert np.array_equal(finish(residual, run(residual, inputs)[-2]), run(residual, inputs)[-1])


@pytest.mark.sim
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


@pytest.mark.sim
@pytest.mark.parametrize("layer", [0, 1, 3])
def test_a_swapped_weight_is_found(graph, inputs, store, program, layer):
    report = check(graph, inputs, store, program=swapped_weight(program, layer))
    assert not report.ok and report.mismatches > 0
    assert report.first_mismatch.layer == graph.layers[layer].name
    assert report.first_mismatch.what == "value"
    channel = report.first_mismatch.channel
    assert channel == 1 or graph.layers[layer].op == "depthwise" and channel % DESIGN.depthwise_channels in (1, 3)


@pytest.mark.sim
@pytest.mark.parametrize("layer", [0, 2])
def test_a_missing_cycle_in_the_model_is_found(graph, inputs, store, program, layer):
    wrong = slower(program, layer)
    report = check(graph, inputs, store, program=wrong)
    assert not report.ok and report.mismatches == 0
    name, cycles = graph.layers[layer].name, program.layers[layer].cycle_terms.compute
    assert str(report.first_mismatch) == f"input 0, layer {name}: compute cycles {cycles}, expected {cycles - 1}"
    assert report.layers[layer].cycles == report.layers[layer].predicted_cycles + 1
    assert report.engine_cycles[0] == report.predicted_cycles + 1


def test_a_cycle_in_the_wrong_counter_is_found(graph, inputs, program):
    wrong = slower(slower(program, 1, "drain"), 1, "weight_load", by=-1)
    assert wrong.cycles == program.cycles
    report = check(graph, inputs, rung=Plain(program), program=wrong)
    cycles = program.layers[1].cycle_terms.weight_load
    assert str(report.first_mismatch) == (f"input 0, layer depthwise_layer: weight_load cycles {cycles}, expected "
                                          f"{cycles + 1}")


def test_a_level_without_counters_compares_layers(graph, inputs, program):
    rung = Plain(program)

    class Total(ImageRung):
        level = "soc"
        stops_anywhere = False

        def waves(self, image, inputs, file):
            raise AssertionError("no waves were asked for")

        def run(self, *arguments, **options):
            return replace(rung.run(*arguments, **options), counters=None)
    assert check(graph, inputs, level="soc", rung=Total()).ok
    report = check(graph, inputs, level="soc", rung=Total(), program=slower(program, 2))
    cycles = program.layers[2].cycles
    assert str(report.first_mismatch) == f"input 0, layer avgpool_layer: cycles {cycles}, expected {cycles - 1}"
    assert report.layers[0].counters is None and report.layers[0].predicted_counters["compute"] > 0


@pytest.mark.sim
def test_array_agrees_and_finds_a_swapped_weight(graph, inputs, store, program):
    report = check(graph, inputs[2:4], store, level="array")
    assert report.ok and report.document()["layers"][0]["cycles"] is None
    assert report.cycles == report.engine_cycles == () and report.predicted_cycles == program.cycles
    report = check(graph, inputs[2:4], store, level="array", program=swapped_weight(program, 0))
    assert (report.first_mismatch.layer, report.first_mismatch.channel) == ("conv_layer", 1)
    assert report.first_mismatch.what == "accumulator"


@pytest.mark.soc
def test_soc_agrees_and_finds_a_swapped_weight(graph, inputs, store, program):
    report = check(graph, inputs, store, level="soc")
    assert report.ok and report.level == "soc"
    assert report.engine_cycles == (program.cycles,) * 5
    assert min(report.cycles) > program.cycles
    report = check(graph, inputs, store, level="soc", program=swapped_weight(program, 1))
    assert not report.ok and report.first_mismatch.layer == "depthwise_layer"


@pytest.mark.sim
def test_from_a_folder_with_vectors(graph, inputs, store, tmp_path):
    graph.save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(DESIGN))
    wanted = run(graph, inputs, DESIGN)[-1].reshape(5, -1)
    wrong = wanted.copy()
    wrong[3, 2] ^= 1
    arguments = {"model": str(tmp_path), "design": str(tmp_path / "design.toml"), "store": store}
    assert verify_model(**arguments, inputs=7)["inputs"] == 7
    np.savez(tmp_path / "model_vectors.npz", inputs=inputs, outputs=wanted)
    good = verify_model(**arguments)
    assert (good["inputs"], good["mismatches"], good["first_mismatch"]) == (5, 0, None)
    np.savez(tmp_path / "wrong.npz", inputs=inputs.reshape(5, -1), outputs=wrong)
    bad = verify_model(**arguments, inputs_from=tmp_path / "wrong.npz")
    assert (bad["inputs"], bad["mismatches"]) == (5, 1)
    assert bad["first_mismatch"] == {"input": 3, "layer": "dense_layer", "what": "value", "channel": 2,
                                     "position": (0, 0), "expected": int(wrong[3, 2]), "got": int(wanted[3, 2])}
    assert verify_model(**arguments, inputs_from=tmp_path / "wrong.npz", inputs=3)["mismatches"] == 0


@pytest.mark.sim
def test_a_stopped_program_gives_each_tensor(graph, inputs, program, store):
    for layers, tensor in enumerate(run(graph, inputs, DESIGN)[1:], 1):
        got = engine_rung(store, DESIGN).run(program.prefix(layers).image, inputs, cycle_limit=10**5).outputs
        assert np.array_equal(got, tensor.reshape(len(inputs), -1))


def test_a_fault_under_bus_traffic_is_found(graph, inputs, program, tmp_path):
    def spoil(outputs, traffic):
        if traffic and outputs.shape[1] == 3:
            outputs[-1, 1] ^= 4
    report = check(graph, inputs, rung=Plain(program, spoil), trace=tmp_path / "waves")
    assert report.mismatches == 1
    assert (report.first_mismatch.layer, report.first_mismatch.input) == ("dense_layer", 4)
    assert report.first_mismatch.what == "value under bus traffic"
    assert (tmp_path / "waves").read_text() == "4"


@pytest.mark.sim
def test_a_hang_is_an_error_that_names_the_layer(graph, inputs, store, program):
    image, third = bytearray(program.image), HEADER_BYTES + 2 * 64
    endless = encode({**program.layers[2].command, "groups": 60000})
    image[third:third + 64] = endless.to_bytes(64, "little")
    body = bytes(image[HEADER_BYTES:])
    hanging = replace(program, image=pack_header(unpack_header(program.image), body) + body)
    with pytest.raises(SimulationError, match=r"input 0: the run did not end: STATUS 0x0002.*layer 2\), PC 0x"):
        check(graph, inputs, store, program=hanging)


@pytest.mark.sim
def test_a_corrupted_program_is_an_error_that_names_code_layer_and_place(graph, inputs, store, program):
    image = bytearray(program.image)
    image[HEADER_BYTES + 2 * 64 + 40] ^= 4
    body = bytes(image[HEADER_BYTES:])
    damaged = replace(program, image=pack_header(unpack_header(program.image), body) + body)
    with pytest.raises(SimulationError, match=r"the engine stopped with an error: STATUS .*error BAD_CHECKSUM, "
                                              r"layer 2\), PC 0x") as caught:
        check(graph, inputs, store, program=damaged)
    assert "\n" not in str(caught.value)


def test_a_fault_that_the_last_layer_hides_is_found(graph, inputs, program):
    def spoil(outputs, traffic):
        if outputs.shape[1] == program.layers[2].output.size:
            outputs[2, 7] ^= 1
    report = check(graph, inputs, rung=Plain(program, spoil))
    assert report.mismatches == 1
    first = report.first_mismatch
    assert (first.input, first.layer, first.position, first.channel) == (2, "avgpool_layer", (0, 1), 2)


def test_waves_without_a_mismatch_are_of_the_first_input(graph, inputs, program, tmp_path):
    assert check(graph, inputs, rung=Plain(program), trace=tmp_path / "new" / "waves").ok
    assert (tmp_path / "new" / "waves").read_text() == "4"


@pytest.mark.parametrize("level, kind, message", [
    ("netlist", HeddleError, "level 'netlist': not available yet; choose array, engine, soc"),
    ("board", HeddleError, "level 'board': not available yet"),
    ("chip", SpecError, "level 'chip': choose array, engine, soc"),
])
def test_levels_that_are_not_there(graph, inputs, level, kind, message):
    with pytest.raises(kind, match=message):
        check(graph, inputs, level=level)


def test_no_inputs(graph, inputs):
    with pytest.raises(SpecError, match="inputs: none; give at least one"):
        check(graph, inputs[:0])


def test_array_writes_no_waves(graph, inputs, tmp_path):
    with pytest.raises(HeddleError, match="level 'array': writes no waves; trace the level engine"):
        check(graph, inputs, level="array", trace=tmp_path / "x")


@pytest.mark.sim
def test_a_simulator_is_built_once(store):
    first, made = engine_rung(store, DESIGN).simulator(False), store.made
    board = replace(DESIGN, board="ulx3s-85")      # another board, the same hardware
    assert engine_rung(store, board).simulator(False) == first and store.made == made
