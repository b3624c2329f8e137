from collections import Counter
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest

from boards import find_board
from flows.estimate import kernels
from flows.estimate.memories import fit_memories
from flows.estimate.program import estimate_program
from flows.run.store import Store
from flows.search import fits as module
from flows.search.fits import Fitting, places_of
from flows.search.space import Hardware, Precision, Space, families
from hw.spec.errors import HeddleError
from hw.spec.presets import PRESETS
from sw.compiler import CompileError, compile_graph
from sw.graph.graph import Graph, TensorType
from tests.support.dense import even_dense
from tests.support.layers import random_kernel, random_layer
from tests.sw.golden.nets import kind, layer, small_net, weights_of

#: Arrays from one that is small to one that no board has the multipliers for; a weight of any width, and boards.
SPACE = Space(networks=families("small"), precision=Precision(weight_bits=(8, 4, 2)),
              hardware=Hardware(geometries=((1, 2, 4), (2, 4, 4), (1, 8, 4), (8, 8, 8)),
                                multipliers=("dsp", "lut", "scalable"), requantizers=(1, 2),
                                boards=("ulx3s-85", "ulx3s-12", "ulx3s-45")))


def wide_net(bits=8):
    """Two layers whose weights are most of what a board's memories hold."""
    rng = np.random.default_rng(0)
    taken = kind((4, 4, 64), rng)
    first, second = (layer(rng, "conv", weights_of(rng, (64, 3, 3, 64), bits), taken, bits=bits, padding=(1, 1, 1, 1))
                     for _ in range(2))
    return Graph(name="wide", inputs=(taken,), layers=(first, second)).check()


def fitting(folder, graph, bits=8, space=SPACE, **changes):
    path = folder / "model.npz"
    graph.save(path)
    choice = next(choice for choice in space.choices if choice.weight_bits == bits)
    options = space.options(choice)
    return Fitting(**{"model": path, "designs": tuple(option.design for option in options),
                      "boards": tuple(option.boards for option in options), "clock_mhz": 50.0, **changes})


@cache
def compiled(asked, number):
    """A design with the network on it, as one would without knowing better: on each board until it fits."""
    program = fit_memories(Graph.load(asked.model), asked.designs[number])
    for name in asked.boards[number]:
        board = find_board(name)
        made = replace(program, design=replace(program.design, board=name))
        estimate = estimate_program(made, board, asked.clock_mhz)
        over = [limit for limit in ("lut", "ff", "dsp", "bram") if getattr(estimate, limit) > board.budget[limit]]
        over += [] if estimate.timing_met else ["fmax_mhz"]
        if not over:
            break
    return made.design, estimate, over


def brute(asked):
    """The front as designs and estimates, and what excludes how many of the others."""
    good, excluded = [], Counter()
    for number in range(len(asked.designs)):
        try:
            design, estimate, over = compiled(asked, number)
        except CompileError:
            excluded["network"] += 1
            continue
        excluded.update(over)
        if not over:
            good.append((design, estimate))
    front = [one for place, one in enumerate(good) if not any(
        total(other[1]) <= total(one[1]) and other[1].lut <= one[1].lut
        and (earlier < place or (total(other[1]), other[1].lut) != (total(one[1]), one[1].lut))
        for earlier, other in enumerate(good) if earlier != place)]
    return sorted(front, key=lambda one: total(one[1])), dict(excluded)


def total(estimate):
    """Cycles of engine and CPU."""
    return estimate.cycles + estimate.cpu_cycles


def differs(asked, folder):
    """What is found and what is right, where they are not the same."""
    found = asked.value(Store(folder / "store"))
    front, excluded = brute(asked)
    pairs = [([(fit.design, fit.estimate) for fit in found.front], front), (found.excluded, excluded),
             (found.looked, len(asked.designs))]
    return [pair for pair in pairs if pair[0] != pair[1]]


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("made", [small_net, lambda seed, bits: wide_net(bits)], ids=["small", "wide"])
def test_the_front_is_that_of_all_designs_compiled(tmp_path, made, bits):
    asked = fitting(tmp_path, made(1, bits), bits)
    assert differs(asked, tmp_path) == []
    found = asked.value(Store(tmp_path / "store"))
    assert len(found.front) > 1 and found.excluded["dsp"] > 0 and found.closest is None and found.reason == ""
    assert all(fit.over == {} and fit.design.act_bytes < asked.designs[0].act_bytes for fit in found.front)
    for fit in found.front:
        assert compile_graph(Graph.load(asked.model), fit.design).cycles == fit.estimate.cycles


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return fitting(tmp_path_factory.mktemp("asked"), small_net(1))


@pytest.mark.parametrize("fault", ["", "cycles", "cpu_cycles", "image_bytes", "lut"])
def test_a_planted_fault_is_caught(asked, tmp_path, monkeypatch, fault):
    """A design of the front that seems slower, or larger, than it is."""
    first = asked.value(Store(tmp_path / "right")).front[0]
    costs, resources = module.network_costs, module._resources

    def wrong(graph, designs):
        found = costs(graph, designs)
        if fault in ("cycles", "cpu_cycles", "image_bytes"):
            getattr(found, fault)[first.number] += 1 << 19
        return found

    monkeypatch.setattr(module, "network_costs", wrong)
    if fault == "lut":
        monkeypatch.setattr(module, "_resources", lambda design, board, streams: replace(
            resources(design, board, streams),
            lut=resources(design, board, streams).lut + 99999 * (design.cols == first.design.cols)))
    assert (differs(asked, tmp_path) != []) == bool(fault)


def test_a_clock_excludes_what_is_too_slow_for_it(asked, tmp_path):
    fastest = max(compiled(asked, number)[1].fmax_mhz for number in range(len(asked.designs)))
    for clock_mhz, some in ((fastest, True), (fastest + 0.01, False)):
        at = replace(asked, clock_mhz=clock_mhz)
        found = at.value(Store(tmp_path / "store"))
        assert differs(at, tmp_path) == [] and bool(found.front) == some
        assert all(fit.estimate.timing_met and fit.estimate.clock_mhz == clock_mhz for fit in found.front)
    assert found.excluded["fmax_mhz"] == found.looked and "fmax_mhz by 0%" in found.line


def test_each_design_is_on_the_smallest_board_that_takes_it(tmp_path):
    space = replace(SPACE, hardware=replace(SPACE.hardware, geometries=((1, 2, 4), (4, 8, 4))))
    found = fitting(tmp_path, wide_net(4), 4, space=space).value(Store(tmp_path / "store"))
    boards = [fit.design.board for fit in found.front]
    assert len(set(boards)) > 1
    for fit in found.front:
        smaller = ("ulx3s-12", "ulx3s-45", "ulx3s-85")
        for name in smaller[:smaller.index(fit.design.board)]:
            assert [limit for limit in ("lut", "ff", "dsp", "bram")
                    if getattr(fit.estimate, limit) > find_board(name).budget[limit]] != []


def test_where_nothing_fits_the_line_says_what_excludes_and_what_is_nearest(tmp_path):
    space = replace(SPACE, hardware=replace(SPACE.hardware, geometries=((8, 8, 8), (4, 8, 8)), boards=("ulx3s-12",)))
    asked = fitting(tmp_path, small_net(1), space=space)
    found = asked.value(Store(tmp_path / "store"))
    assert found.front == () and differs(asked, tmp_path) == []
    counts = ", ".join(f"{name} excludes {count}" for name, count in found.excluded.items())
    nearest = found.closest
    assert found.line == (
        f"none of {len(asked.designs)} designs fits: {counts}; the nearest, {nearest.design.label} on ulx3s-12, "
        f"exceeds {', '.join(f'{name} by {share:.0%}' for name, share in nearest.over.items())}; board ulx3s-85 would "
        f"hold it; else take a smaller array or network, or fewer bits")
    assert not find_board("ulx3s-85").shortfalls(asdict(nearest.estimate))
    overs = [sum(getattr(compiled(asked, number)[1], name) / find_board("ulx3s-12").budget[name] - 1
                 for name in compiled(asked, number)[2] if name != "fmax_mhz") for number in range(len(asked.designs))]
    assert min(overs) <= sum(share for name, share in nearest.over.items() if name != "fmax_mhz") <= np.median(overs)


def test_a_network_that_no_design_runs_has_the_compilers_line(tmp_path):
    graph = small_net(1)
    first = replace(graph.layers[4], weights=np.ones((4, 256 * 256 * 4), np.int8))
    huge = replace(graph, inputs=(replace(graph.input, shape=(256, 256, 4)),), layers=(first,))
    found = fitting(tmp_path, huge).value(Store(tmp_path / "store"))
    assert (found.front, found.closest, found.excluded) == ((), None, {"network": found.looked})
    assert "input and output take 262144 and 4 bytes" in found.line and found.line == found.reason


def test_a_given_design_keeps_its_memories(tmp_path):
    design = replace(SPACE.options(SPACE.choices[0])[0].design, act_bytes=8192, weight_bytes=4096)
    asked = fitting(tmp_path, small_net(1), designs=(design,), boards=(("ulx3s-12", "ulx3s-85"),), given=True)
    fit, = asked.value(Store(tmp_path / "store")).front
    assert fit.design == replace(design, board="ulx3s-12")
    assert fit.estimate.cycles == compile_graph(small_net(1), design).cycles
    (tmp_path / "wide").mkdir()
    wide = fitting(tmp_path / "wide", wide_net(), designs=(design,), boards=asked.boards, given=True)
    found = wide.value(Store(tmp_path / "store"))
    assert (found.front, found.excluded) == ((), {"network": 1}) and "weight_bytes" in found.line


def test_values_of_the_weights_do_not_matter_and_their_number_does(tmp_path):
    (tmp_path / "other").mkdir()
    store, graph = Store(tmp_path / "store"), small_net(1)
    other = replace(graph, layers=tuple(replace(each, weights=-each.weights) for each in graph.layers))
    one, two = (fitting(folder, net).value(store) for folder, net in ((tmp_path, graph), (tmp_path / "other", other)))
    assert replace(one, cpu_seconds=0) == replace(two, cpu_seconds=0) and one.cpu_seconds > 0
    assert fitting(tmp_path, small_net(1, 2), 2).value(store).front != one.front


def test_places_are_those_of_all_that_fit(asked):
    found, right = places_of(asked), {}
    for number in range(len(asked.designs)):
        _, estimate, over = compiled(asked, number)
        if not over:
            right[number] = total(estimate), estimate.lut
    assert found == right and len(right) > 10


def test_nothing_is_asked_twice(asked, tmp_path):
    store = Store(tmp_path / "store")
    assert asked.value(store) == asked.value(store) and (store.made, store.reused) == (1, 1)
    assert len({asked.digest, replace(asked, clock_mhz=40.0).digest, replace(asked, designs=asked.designs[:3],
                                                                             boards=asked.boards[:3]).digest}) == 3


def test_what_cannot_be_built_is_no_fit(asked, tmp_path, monkeypatch):
    def refuse(program, board):
        raise HeddleError("cannot be built")

    monkeypatch.setattr(module, "check_buildable", refuse)
    found = asked.value(Store(tmp_path / "store"))
    assert (found.front, found.closest, found.excluded) == ((), None, {"network": found.looked})
    assert found.line.endswith(": cannot be built")


@pytest.fixture
def long(tmp_path):
    """A dense layer that elements of scalable precision leave to the CPU, and a softmax, which all do."""
    taken = TensorType(shape=(1, 1, 2048), scale=0.05, zero_point=3)
    dense = random_layer(np.random.default_rng(3), "dense", taken)
    dense = replace(dense, weights=np.full_like(dense.weights, 2), bias=np.zeros_like(dense.bias))
    last = random_kernel(np.random.default_rng(4), "softmax", dense.output)
    return fitting(tmp_path, Graph(name="long", inputs=(taken,), layers=(dense, last)).check())


def test_a_layer_that_digits_move_to_the_cpu_makes_no_design_look_fast(long, tmp_path):
    found = long.value(Store(tmp_path / "store"))
    assert differs(long, tmp_path) == [] and found.excluded.get("network", 0) == 0
    assert {fit.design.multiplier for fit in found.front if fit.cycles < 40_000} <= {"dsp", "lut"}
    places = places_of(long)
    scalable = [number for number, design in enumerate(long.designs) if design.multiplier == "scalable"]
    assert min(places[number][0] for number in scalable if number in places) > 100_000
    for fit in found.front:
        assert fit.estimate.cpu_cycles > 1000 and fit.cycles == fit.estimate.cycles + fit.estimate.cpu_cycles
        assert fit.estimate.latency_s == fit.cycles / 50e6


def test_engine_cycles_alone_would_be_another_front(long, tmp_path, monkeypatch):
    costs = module.network_costs
    monkeypatch.setattr(module, "network_costs", lambda graph, designs: replace(
        costs(graph, designs), cpu_cycles=np.zeros(len(designs), int)))
    monkeypatch.setattr(module.Fit, "cycles", property(lambda fit: fit.estimate.cycles))
    assert differs(long, tmp_path) != []


def test_a_cpu_that_nobody_has_counted_is_no_fit_where_it_runs_something(long, asked, tmp_path, monkeypatch):
    line = ("nobody has counted what layers of the CPU take on 'vexriscv'; set cpu = 'other', or take a network that "
            "the engine runs alone")
    monkeypatch.setattr(kernels, "CALIBRATED_CPU", "other")
    for given in (False, True):
        found = replace(long, given=given).value(Store(tmp_path / f"{given}"))
        assert found.front == () and found.excluded == {"network": found.looked}
        assert found.line == f"{long.designs[0].label}: {line}"
    assert asked.value(Store(tmp_path / "alone")).front != ()


@pytest.mark.parametrize("change, excluded", [({}, {}), ({"table_unit": True}, {"bram": 1}),
                                              ({"multiplier": "lut"}, {"lut": 1})])
def test_networks_fit_the_soc_of_a_up5k_or_are_excluded_by_what_it_lacks(tmp_path, change, excluded):
    even_dense().save(path := tmp_path / "model.npz")
    asked = Fitting(model=path, designs=(replace(PRESETS["up5k"], **change),), boards=(("icebreaker",),),
                    clock_mhz=24.0, given=True)
    found = asked.value(Store(tmp_path / "store"))
    assert found.excluded == excluded and len(found.front) == (not excluded)
    assert all(fit.estimate.lut <= 5280 and fit.estimate.spram == 4 for fit in found.front)
