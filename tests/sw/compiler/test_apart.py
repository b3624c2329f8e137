from dataclasses import replace

import numpy as np
import pytest

from hw.spec.presets import PRESETS
from sw.compiler import CompileError, compile_graph
from sw.compiler.apart import schedule_apart
from sw.compiler.bands import fit_memory
from sw.compiler.errors import PlanError
from sw.compiler.proof import prove
from sw.compiler.schedule import schedule
from sw.golden import interpret, run
from sw.graph.graph import Graph, TensorType
from tests.support.branches import KINDS, random_branches
from tests.support.layers import made_kernel, random_add, random_inputs, random_layer, same_padding

DESIGNS = {name: replace(PRESETS[name], act_bytes=max(32768, PRESETS[name].act_bytes))
           for name in ("ecp5-25", "ecp5-85", "up5k")}
DESIGNS |= {"tables": replace(DESIGNS["ecp5-25"], table_unit=True),
            "weights in elements": replace(DESIGNS["ecp5-25"], dataflow="weight"),
            "binary": replace(DESIGNS["ecp5-25"], weight_bits=1, multiplier="lut", stream_bytes=0)}
KIND = TensorType(shape=(6, 5, 16), scale=0.1, zero_point=3)
DESIGN = DESIGNS["ecp5-25"]


def check(graph, design, seed, count=3):
    """Compiled and run from a memory full of rubbish on: equal to the graph's own answers; two inputs are extremes."""
    rng = np.random.default_rng(seed)
    program, inputs = compile_graph(graph, design), random_inputs(rng, graph, count)
    tensors = run(graph, [inputs], design)
    for index, values in enumerate(program.pack_inputs([inputs])):
        act = bytearray(rng.integers(0, 256, design.act_bytes).astype(np.uint8).tobytes())
        act[program.input.address:program.input.address + len(values)] = values.tobytes()
        interpret(design, program.image, act)
        packed = np.frombuffer(act, np.int8, program.output.size, program.output.address)
        for number, found in zip(graph.answers, program.unpack_outputs(packed[None]), strict=True):
            assert np.array_equal(found[0], tensors[number][index]), (seed, number)
    return program


def check_many(design, seeds):
    """How many tensors lie apart, how many operands the engine copies, and what the CPU still moves."""
    apart = copied = moved = 0
    for seed in seeds:
        for kind in KINDS:
            graph = random_branches(np.random.default_rng(seed), kind, even=design.memory == "spram",
                                    weight_bits=design.weight_bits)
            try:
                program = check(graph, design, seed)
            except CompileError:
                continue
            apart += sum(plan.output.pitch > 0 for plan in program.plans)
            copied += sum(plan.stage.joins is not None for plan in program.layers)
            moved += sum(plan.op in ("concat", "gather", "copy") for plan in program.kernels)
    return apart, copied, moved


@pytest.mark.parametrize("name", DESIGNS)
def test_random_branches(name):
    apart, copied, moved = check_many(DESIGNS[name], range(2))
    assert apart > 20 and copied and apart > 3 * moved


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_many_random_branches(name):
    apart, copied, moved = check_many(DESIGNS[name], range(100, 200))
    assert apart > 1000 and copied and apart > 3 * moved


def conv(source, taken, outputs, kernel=(1, 1), name="", op="conv"):
    """All of one scale and zero point."""
    layer = random_layer(np.random.default_rng(outputs), op, taken, outputs=outputs, kernel=kernel, inputs=(source,),
                         padding=same_padding(taken.shape, kernel, (1, 1)), name=name)
    return replace(layer, output=replace(layer.output, scale=0.1, zero_point=3), act_min=-128)


@pytest.mark.parametrize("other", ["conv", "slice"])
def test_what_an_add_reads_may_lie_apart(other):
    """The sum takes the place of the other operand; where that lies apart as well, of a copy of it."""
    layers = (part(0, 4, 8), conv(0, KIND, 8, (3, 3), name="conv") if other == "conv" else part(0, 8, 8),
              random_add(np.random.default_rng(0), (1, 2), [with_channels(8)] * 2),
              conv(0, KIND, 8, name="more"), joined(4, 1, channels=16), conv(5, KIND, 3, name="last"))
    graph = Graph(name="sums", inputs=(KIND,), layers=layers, outputs=(3, 6)).check()
    program = check(graph, DESIGN, 10)
    assert [plan.name for plan in program.plans][:5] == ["conv" if other == "conv" else "copy", "add", "more", "copy",
                                                         "last"]


@pytest.mark.parametrize("name", ["ecp5-25", "up5k"])
def test_an_enlargement_is_copies_by_the_engine(name):
    """Each at other pixels, of the place in the concatenation."""
    low = random_layer(np.random.default_rng(0), "conv", with_channels(8), outputs=4, kernel=(1, 1), stride=(2, 1),
                       inputs=(2,), name="low")
    low = replace(low, output=replace(low.output, zero_point=3), act_min=-128)
    layers = (conv(0, KIND, 8, (3, 3), name="skip"), conv(1, with_channels(8), 8, (2, 1), op="maxpool", name="pool"),
              low, made_kernel("resize", replace(KIND, shape=(6, 5, 4)), inputs=(3,), parameters=(0, 0), name="large"),
              joined(1, 4, channels=12), conv(5, with_channels(12), 4, name="last"))
    graph = Graph(name="unet", inputs=(KIND,), layers=layers).check()
    program = check(graph, DESIGNS[name], 11)
    assert [plan.name for plan in program.plans] == ["skip", "pool", "low", "large", "large", "last"]
    large = [plan.command for plan in program.layers if plan.name == "large"]
    assert [command["out_group_bytes"] for command in large] == [12, 12]
    assert large[1]["out_base"] - large[0]["out_base"] == 5 * 12
    assert [plan.tensor for plan in program.plans if plan.name == "large"] == [None, 4]


def with_channels(count):
    return replace(KIND, shape=(*KIND.shape[:2], count))


def joined(*sources, channels, name="joined"):
    return made_kernel("concat", with_channels(channels), inputs=sources, parameters=(-1,), name=name)


def part(source, first, count, *, whole=16, name="part"):
    return made_kernel("gather", with_channels(count), inputs=(source,), name=name,
                       parameters=(first, whole * KIND.shape[1], whole, 1))


def fire():
    layers = (conv(0, KIND, 4, name="squeeze"), conv(1, with_channels(4), 8, name="one"),
              conv(1, with_channels(4), 12, (3, 3), name="three"), joined(2, 3, channels=20),
              conv(4, with_channels(20), 6, (3, 3), name="last"))
    return Graph(name="fire", inputs=(KIND,), layers=layers).check()


def test_what_is_put_together_is_made_there():
    program = check(fire(), DESIGN, 0)
    assert [plan.name for plan in program.plans] == ["squeeze", "one", "three", "last"]
    one, three = program.plans[1].output, program.plans[2].output
    assert (one.pitch, one.channels, one.within) == (20, 8, 0)
    assert (three.pitch, three.channels, three.within, three.address - one.address) == (20, 12, 8, 8)
    assert [layer.command["out_row_bytes"] for layer in program.layers] == [4, 20, 20, 6]


def test_what_is_smaller_than_a_pixel_of_what_it_lies_in():
    """Of one channel, and in all fewer bytes than the pixels have in which these lie. A fetch of 41 would hold more."""
    layers = (conv(0, KIND, 1, name="one"), conv(0, KIND, 40, name="forty"), joined(1, 2, channels=41),
              conv(3, with_channels(41), 3, name="inner"), joined(3, 4, channels=44),
              conv(5, with_channels(44), 2, name="last"))
    graph = Graph(name="nested", inputs=(KIND,), layers=layers).check()
    assert [plan.output.pitch for plan in check(graph, DESIGN, 9).plans] == [44, 44, 0, 44, 0]


@pytest.mark.parametrize("reader", [
    conv(1, with_channels(8), 5), conv(1, with_channels(8), 5, (3, 1)), conv(1, with_channels(8), 5, (3, 3)),
    conv(1, with_channels(8), 8, (3, 3), op="depthwise"), conv(1, with_channels(8), 8, (2, 2), op="maxpool")],
    ids=["1x1", "3x1", "3x3", "depthwise", "pool"])
def test_a_slice_is_read_where_it_is(reader):
    layers = (part(0, 4, 8), replace(reader, name="reader"))
    graph = Graph(name="slice", inputs=(KIND,), layers=layers).check()
    program = check(graph, DESIGN, 1)
    plan, = program.plans
    assert plan.name == "reader" and plan.command["in_row_bytes"] == 5 * 16 and plan.command["step_x_bytes"] % 16 == 0


def test_a_wide_kernel_takes_a_segment_a_tap_or_all_channels(monkeypatch):
    """A fetch of this design has 8 bytes; so 12 channels are no segment."""
    seen = set()
    rng = np.random.default_rng(0)
    monkeypatch.setattr("sw.compiler.compile._preference", lambda design, variant: rng.random())
    for count in (4, 8, 12):
        for _ in range(6):
            graph = Graph(name="wide", inputs=(KIND,), layers=(
                part(0, 4, count), conv(1, with_channels(count), 5, (3, 3), name="reader"))).check()
            plan = check(graph, DESIGN, 2).plans[-1]
            seen.add(plan.command["segment_bytes"])
    assert seen >= {16, DESIGN.fetch_bytes}


def test_what_costs_more_than_a_copy_is_copied():
    """Four channels of a hundred take a fetch for each tap: more than a fetch for each row of the kernel."""
    wide = TensorType(shape=(8, 8, 200), scale=0.1, zero_point=3)
    sliced = made_kernel("gather", replace(wide, shape=(8, 8, 40)), inputs=(0,), parameters=(8, 1600, 200, 1))
    readers = [conv(1, sliced.output, 16, (5, 5), name=f"reader{number}") for number in range(2)]
    graph = Graph(name="dear", inputs=(wide,), layers=(sliced, *readers), outputs=(2, 3)).check()
    assert [plan.op for plan in check(graph, DESIGN, 3).kernels] == ["gather"]
    small = [conv(1, sliced.output, 16, (5, 1), name=f"reader{number}") for number in range(2)]
    assert not check(replace(graph, layers=(sliced, *small)).check(), DESIGN, 3).kernels


def test_what_has_no_place_is_copied_by_the_engine():
    """What the CPU makes, and the network's input, each twice."""
    kind = replace(KIND, scale=1 / 256, zero_point=-128)
    whole = replace(kind, shape=(6, 5, 64))
    graph = Graph(name="copies", inputs=(kind,), layers=(
        made_kernel("softmax", kind, [(1 << 30, 20)], inputs=(0,)),
        made_kernel("concat", whole, inputs=(1, 0, 1, 0), parameters=(-1,)), conv(2, whole, 4, name="last"))).check()
    program = check(graph, DESIGN, 4)
    assert [plan.stage.joins for plan in program.layers] == [(1, 0), (1, 1), (1, 2), (1, 3), None]
    assert [plan.op for plan in program.kernels] == ["softmax"]


def test_what_the_cpu_would_copy_part_by_part_it_puts_together_at_once():
    """No memory of single ports holds pixels of 15 channels."""
    odd = TensorType(shape=(6, 5, 5), scale=0.1, zero_point=3)
    graph = Graph(name="odd", inputs=(odd,), layers=(
        made_kernel("table", odd, inputs=(0,), weights=np.arange(-128, 128).astype(np.int8)),
        made_kernel("concat", replace(odd, shape=(6, 5, 10)), inputs=(0, 1), parameters=(-1,)),
        conv(2, replace(odd, shape=(6, 5, 10)), 4, name="last"))).check()
    assert [plan.op for plan in check(graph, DESIGNS["up5k"], 4).plans] == ["table", "concat", "conv"]


def test_an_odd_place_is_none_where_the_memory_has_even_ones():
    layers = (conv(0, KIND, 6, name="six"), conv(0, KIND, 4, name="four"), joined(1, 2, channels=10),
              conv(3, with_channels(10), 2, name="last"))
    graph = Graph(name="even", inputs=(KIND,), layers=layers).check()
    assert [plan.stage.joins for plan in check(graph, DESIGN, 5).plans] == [None] * 3
    program = check(graph, DESIGNS["up5k"], 5)
    assert [(plan.name, plan.stage.joins) for plan in program.plans] == [
        ("six", None), ("four", None), ("copy", (2, 1)), ("last", None)]


def test_where_whole_tensors_do_not_fit_with_places_they_may_without():
    """The place of a skip holds room for what comes much later."""
    skip, taken = conv(0, KIND, 16, (3, 3), name="skip"), with_channels(16)
    layers = [skip, *(conv(number, taken, 16, (3, 3), name=f"inner{number}") for number in range(1, 4))]
    layers += [joined(1, 4, channels=32), conv(5, with_channels(32), 2, name="last")]
    graph = Graph(name="skip", inputs=(KIND,), layers=tuple(layers)).check()
    roomy, exact = (compile_graph(graph, replace(DESIGN, act_bytes=size)) for size in (8192, 2048))
    assert not roomy.kernels and len(roomy.layers) == len(exact.layers)
    check(graph, replace(DESIGN, act_bytes=2048), 6)


def placed():
    """The fire module with much room between, so that planted faults meet nothing else."""
    graph = fire()
    plan = fit_memory(graph, capacity=4096, design=DESIGN, channels=True)
    assert [place.pitch for place in plan.placements.values()] == [0, 0, 20, 20, 0, 0]
    far = {0: 1000, 1: 2000, 2: 0, 3: 8, 4: 0, 5: 3000}
    return graph, plan.stages, {number: replace(place, address=far[number])
                                for number, place in plan.placements.items()}


@pytest.mark.parametrize("tensor, fields, text", [
    (2, {"pitch": 21, "size": 8 + 29 * 21}, "reads tensor 4, but 2[0-9][0-9] of its bytes are not there"),
    (3, {"address": 7, "within": 7}, "reads tensor 4, but 390 of its bytes are not there"),      # over a channel
    (3, {"address": 9, "within": 8}, "reads tensor 4, but 389 of its bytes are not there"),
    (2, {"pitch": 0, "channels": 0, "size": 240}, "reads tensor 4, but"),
    (3, {"pitch": 24, "size": 12 + 29 * 24}, "reads tensor 4, but"),
    (2, {"pitch": 4}, r"layer 1 one \(conv\): tensor 2 has 8 channels from 0 on in pixels of 4"),
    (2, {"within": 13}, r"layer 1 one \(conv\): tensor 2 has 8 channels from 13 on in pixels of 20"),
    (2, {"size": 587}, "rows of tensor 2 take bytes 0 to 587, its place has 587"),
    (5, {"pitch": 7, "channels": 6, "size": 6 + 29 * 7}, "end: tensor 5 has other channels between its pixels"),
    (1, {"address": 592}, r"stage 2, layer 2 three \(conv\): writes tensor 3 to 8..599 over tensor 1, which it reads"),
])
def test_a_wrong_place_is_found(tensor, fields, text):
    graph, stages, places = placed()
    prove(stages, places, graph)
    with pytest.raises(PlanError, match=text):
        prove(stages, {**places, tensor: replace(places[tensor], **fields)}, graph)


@pytest.mark.parametrize("name, wrong", [
    ("taken_pitch", lambda geometry: geometry.shape[2]), ("taken_row", lambda geometry: geometry.shape[1] * 8),
    ("first_x", lambda geometry: -geometry.left * geometry.taken_pitch),
    ("pixel_pitch", lambda geometry: geometry.out_shape[2])])
def test_a_command_that_goes_elsewhere_gives_other_answers(name, wrong, monkeypatch):
    layers = (part(0, 4, 8), conv(1, with_channels(8), 8, (3, 3), name="one"),
              conv(1, with_channels(8), 8, (3, 3), name="other", op="depthwise"), joined(2, 3, channels=16),
              conv(4, KIND, 6, name="last"))
    graph = Graph(name="elsewhere", inputs=(KIND,), layers=layers).check()
    assert [plan.name for plan in check(graph, DESIGN, 8).plans] == ["one", "other", "last"]
    monkeypatch.setattr("sw.compiler.operator.Geometry." + name, property(wrong))
    with pytest.raises(AssertionError):
        check(graph, DESIGN, 8)


@pytest.mark.parametrize("op", ["dense", "table"])
def test_what_takes_one_piece_does_not_read_what_lies_apart(op):
    last = (random_layer(np.random.default_rng(0), "dense", with_channels(8), outputs=3, inputs=(1,)) if op == "dense"
            else made_kernel("table", with_channels(8), inputs=(1,), weights=np.zeros(256, np.int8)))
    graph = Graph(name="piece", inputs=(KIND,), layers=(part(0, 4, 8), last)).check()
    assert [plan.op for plan in check(graph, DESIGN, 7).plans] == ["gather", op]
    plan = schedule(graph, channels=True, design=DESIGN)
    places = fit_memory(graph, capacity=4096, design=DESIGN).placements
    apart = replace(places[0], address=places[0].address + 4, size=29 * 16 + 8, pitch=16, channels=8, within=4)
    with pytest.raises(PlanError, match="tensor 1 has other channels between its pixels, and what runs there"):
        prove(plan.stages, {**places, 1: apart}, graph)


def test_the_schedule_without_places_is_the_other_one():
    graph = fire()
    plain = schedule(graph, design=DESIGN)
    assert [stage.layer for stage in plain.stages] == [0, 1, 2, 3, 4]
    found = schedule_apart(lambda **options: schedule(graph, design=DESIGN, **options), graph, DESIGN)
    assert [stage.layer for stage in found.stages] == [0, 1, 2, 4]
