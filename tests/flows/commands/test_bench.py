"""The benchmark tables: their keys, what does not fit, what is wrong, and networks that are not there."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import flows.commands.bench as bench
from boards import BOARDS
from cosim.engine import EngineRun
from cosim.lanes import Lanes
from cosim.process import SimulationError
from flows.cli import main
from flows.commands.bench import ENGINES, NETWORKS, find_networks, run_sections
from flows.estimate.resources import estimate_resources
from flows.fpga.fabric import FabricReport
from flows.report.tables import show_bench
from flows.report.terminal import Display
from flows.run.store import Store
from flows.verify.engine_simulator import MANY
from flows.verify.images import ImageRung, Observed
from hw.spec.commands import COUNTERS
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.image import unpack_header
from hw.spec.presets import PRESETS
from hw.tools import ToolError
from sw.compiler import compile_graph
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.dense import STREAMING, wide_dense
from tests.support.layers import random_inputs, random_layer
from tests.support.mlperf import MLPERF, needs_mlperf
from tests.support.readme import README

DESIGN = DesignPoint(rows=2, cols=2, lanes=2, act_bytes=4096, weight_bytes=8192)
SMALL = replace(DESIGN, weight_bytes=1024)


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(5)
    start = TensorType(shape=(5, 6, 3), scale=0.05, zero_point=9)
    conv = random_layer(rng, "conv", start, outputs=9, padding=(1, 1, 1, 1), name="conv")
    return Graph(name="net", inputs=(start,), layers=(
        conv, random_layer(rng, "dense", conv.output, outputs=3, name="dense"))).check()


@pytest.fixture
def small(graph, monkeypatch, tmp_path):
    """Two networks of one graph, on a design that it fits and on one that it does not; a folder with their files."""
    def design(name):
        designs = {"ecp5-25": DESIGN, "ecp5-45": SMALL}
        if name not in designs:
            raise SpecError(f"design {name!r}: unknown")
        return designs[name]

    for name in ("kws", "ic"):
        (tmp_path / f"{name}.tflite").touch()
    monkeypatch.setattr(bench, "NETWORKS", {name: NETWORKS[name] for name in ("kws", "ic")})
    monkeypatch.setattr(bench, "ENGINES", ("ecp5-25", "ecp5-45", "up5k"))
    monkeypatch.setattr(bench, "SIMULATED", ("kws", "ecp5-25"))
    monkeypatch.setattr(bench, "load_design", design)
    monkeypatch.setattr(bench, "load_tflite", lambda path: graph)
    monkeypatch.setattr(bench, "open_store", lambda: Store(tmp_path / "store"))
    return tmp_path


class Answered(ImageRung):
    """What the engine would give, without an engine; ``changes`` are made to it."""

    level = "engine"
    stops_anywhere = True

    def __init__(self, graph, design=DESIGN, **changes):
        self.graph, self.design, self.changes = graph, design, changes
        self.program = compile_graph(graph, design)

    def run(self, image, inputs, *, cycle_limit, traffic=0):
        tensor = self.program.layers[unpack_header(image)["layers"] - 1].tensor
        data = inputs.reshape(-1, *self.graph.input.shape)
        outputs = run(self.graph, data, self.design)[tensor].reshape(len(inputs), -1)
        counters = np.array([[[vars(plan.cycle_terms)[name] for name in COUNTERS] for plan in self.program.layers]]
                            * len(inputs))
        cycles = np.full(len(inputs), self.program.cycles)
        return Observed(**{"outputs": outputs, "cycles": cycles, "engine_cycles": cycles, "counters": counters,
                           "layer_cycles": counters.sum(2)}
                        | {name: change(outputs) for name, change in self.changes.items()})

    def waves(self, image, inputs, file):
        raise AssertionError("no waves were asked for")


def answering(monkeypatch, graph, seconds=(0.5, 0.5, 0.5), **changes):
    """Instead of simulators; ``seconds`` are what those that are timed take."""
    left = iter(seconds)
    monkeypatch.setattr(bench, "run_engine", lambda *arguments, **options: EngineRun(
        outputs=np.zeros((60, 3), np.int8), cycles=np.zeros(60), counters=np.zeros(0), simulated_cycles=9000,
        cpu_s=next(left)))
    monkeypatch.setattr(bench.Bench, "rung", lambda self, design: Answered(graph, design, **changes))
    monkeypatch.setattr(bench, "simulator_for", lambda design, inputs: Built(inputs))


@dataclass(frozen=True)
class Built:
    """In place of a simulator's step."""

    inputs: int

    @property
    def lanes(self):
        return Lanes(count=1 if self.inputs < 100 else 4)

    def value(self, store):
        return Path("the simulator")


def test_every_figure_of_the_engine(small, graph, monkeypatch):
    answering(monkeypatch, graph)
    document = run_sections(["engine"], data=small)
    program = compile_graph(graph, DESIGN)
    row = document["engine"][0]
    assert list(document) == ["engine"]
    assert list(row) == ["preset", "network", "cycles", "predicted_cycles", "macs", "utilization", "layers"]
    assert (row["preset"], row["network"], row["cycles"], row["macs"]) == ("ecp5-25", "kws", program.cycles,
                                                                           program.macs)
    assert row["utilization"] == pytest.approx(program.utilization)
    layer = row["layers"][0]
    assert list(layer) == ["name", "op", "macs", "cycles", "predicted_cycles", "utilization", "limit", "counters",
                           "predicted_counters"]
    assert layer["counters"] == layer["predicted_counters"] == vars(program.layers[0].cycle_terms)
    assert sum(layer["counters"].values()) == layer["cycles"] == layer["predicted_cycles"]
    assert layer["limit"].startswith("compute 9") and layer["limit"].endswith("% of the multipliers in use")
    assert json.loads(json.dumps(document)) == document


def test_a_network_that_does_not_fit_has_no_figures(small, graph, monkeypatch):
    answering(monkeypatch, graph)
    rows = run_sections(["engine"], data=small)["engine"]
    assert [(row["preset"], row["network"]) for row in rows] == [
        (preset, network) for preset in ("ecp5-25", "ecp5-45", "up5k") for network in ("kws", "ic")]
    assert "weight_bytes=1024; raise weight_bytes" in rows[2]["error"]
    assert rows[4]["error"] == "design 'up5k': unknown"
    assert all(rows[2][name] is None for name in ("cycles", "predicted_cycles", "macs", "utilization", "layers"))


@pytest.mark.parametrize("change, says", [
    ({"outputs": lambda outputs: outputs ^ np.eye(*outputs.shape, dtype=np.int8)},
     "3 outputs are wrong: input 0, layer conv, channel 0, position (0, 0): value "),
    ({"engine_cycles": lambda outputs: np.arange(len(outputs))}, "input 0, layer END: cycles 0, expected "),
])
def test_a_wrong_run_has_no_figures(small, graph, monkeypatch, change, says):
    answering(monkeypatch, graph, **change)
    row = run_sections(["engine"], data=small)["engine"][0]
    assert row["error"].startswith(says) and row["cycles"] is None


def test_vectors_beside_a_network_say_what_is_right(small, graph, monkeypatch):
    answering(monkeypatch, graph)
    inputs = random_inputs(np.random.default_rng(1), graph, 2)
    outputs = run(graph, inputs, DESIGN)[-1].reshape(2, 3)
    np.savez(small / "kws_vectors.npz", inputs=inputs, outputs=outputs)
    np.savez(small / "ic_vectors.npz", inputs=inputs, outputs=outputs + np.int8(1))
    rows = run_sections(["engine"], data=small)["engine"]
    assert "error" not in rows[0] and rows[1]["error"].startswith("6 outputs are wrong")


@pytest.mark.parametrize("error, ends", [(SimulationError("engine simulation", "input 0", repeats=True), False),
                                         (ToolError("verilator_bin", "not found", repeats=False), True)])
def test_a_missing_tool_ends_it_and_a_failed_run_does_not(small, graph, monkeypatch, error, ends):
    class Failing(Answered):
        def run(self, *arguments, **options):
            raise error
    monkeypatch.setattr(bench.Bench, "rung", lambda self, design: Failing(graph, design))
    if ends:
        with pytest.raises(ToolError, match="verilator_bin: not found"):
            run_sections(["engine"], data=small)
    else:
        assert run_sections(["engine"], data=small)["engine"][0]["error"] == "engine simulation: input 0"


def test_simulation_is_the_median(small, graph, monkeypatch):
    """Of few inputs and of many, by the processor and by the clock."""
    answering(monkeypatch, graph, seconds=(2.0, 1.0, 8.0, 0.5, 0.25, 2.0))
    clock = iter((0, 3, 10, 12, 20, 29, 30, 31, 40, 46, 50, 52))
    monkeypatch.setattr(bench, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(bench, "jobs_for", lambda inputs: inputs // 120 + 1)
    monkeypatch.setattr(bench, "SIMULATED_INPUTS", (60, 120))
    common = {"preset": "ecp5-25", "network": "kws"}
    assert run_sections(["simulation"], data=small) == {"simulation": [
        {**common, "inputs": 60, "side_by_side": 1, "jobs": 1, "inferences_per_s": 30.0, "cycles_per_s": 4500,
         "all_jobs_inferences_per_s": 20.0},
        {**common, "inputs": 120, "side_by_side": 4, "jobs": 2, "inferences_per_s": 120.0, "cycles_per_s": 18000,
         "all_jobs_inferences_per_s": 60.0}]}


def test_fabric_needs_no_networks(small, monkeypatch, capsys):
    report = FabricReport(preset="p", device="d", lut=1, ff=2, dsp=3, bram=4, spram=5, fmax_mhz=(80.0, 90.0),
                          macs_per_cycle=16, floorplan=False)
    failed = dict.fromkeys(report.row) | {"preset": "q", "device": "d", "error": "q, seed 1: nextpnr: exit status 1"}
    monkeypatch.setattr(bench, "fabric_rows", lambda store: [report.row, failed])
    found = run_sections(["fabric"], data=small / "none")
    assert found == {"fabric": [report.row, failed]}
    show_bench(found, Display())
    shown = " ".join(capsys.readouterr().err.split())
    assert "85" in shown and "q on d: q, seed 1: nextpnr: exit status 1" in shown


@pytest.fixture
def boards(small, monkeypatch, graph):
    """Rows of two boards, one of which is not routed; ``ic`` streams on both."""
    routed = {"board": "ulx3s-25", "device": "LFE5U-25F", "preset": "ecp5-25", "clock_mhz": 50.0, "timing_met": True,
              "resources": {"lut": {"used": 19740, "available": 24288}}, "fmax_mhz": [69.3, 64.0],
              "fmax_median_mhz": 66.65, "floorplan": False, "tools": {}}
    failed = {**routed, "board": "orangecrab-25", "timing_met": None, "resources": None, "fmax_mhz": None,
              "error": "nextpnr: exit status 1"}
    monkeypatch.setattr(bench, "soc_rows", lambda store, plans: [routed, failed])
    programs = {"kws": compile_graph(graph, DESIGN), "ic": compile_graph(wide_dense(), STREAMING)}
    monkeypatch.setattr(bench.Bench, "program", lambda self, name, design: programs[name])
    return programs["kws"], routed, failed


def test_boards_have_every_network(boards, small, capsys):
    program, routed, failed = boards
    first, second = run_sections(["boards"], data=small)["boards"]
    assert first == routed | {"networks": first["networks"], "estimated": first["estimated"]}
    assert first["estimated"]["lut"] == estimate_resources(PRESETS["ecp5-25"], BOARDS["ulx3s-25"]).lut
    assert second["error"] == failed["error"]
    kws, ic = first["networks"].values()
    assert (kws["cycles"], kws["cpu_cycles"], kws["streams"]) == (program.cycles, 0, False)
    assert kws["latency_ms"] == program.cycles / 50e3 and kws["energy_uj"] > 0
    assert ic["streams"] and "error" not in ic
    unknown, streaming = second["networks"].values()
    assert (unknown["cycles"], unknown["latency_ms"], unknown["energy_uj"]) == (program.cycles, None, None)
    assert streaming["cycles"] and streaming["streams"]
    show_bench({"boards": [first, second]}, Display())
    shown = " ".join(capsys.readouterr().err.split())
    assert "69.3, 64.0" in shown and "19,740 of 24,288 lut" in shown and "streams: not in this SoC" in shown
    assert "ecp5-25 on orangecrab-25: nextpnr: exit status 1" in shown


def test_a_network_that_streams_says_why_a_board_without_a_memory_cannot_have_it(boards, small, monkeypatch):
    monkeypatch.setattr(bench, "find_board", lambda name: replace(BOARDS[name], sdram=None))
    for row in run_sections(["boards"], data=small)["boards"]:
        kws, ic = row["networks"].values()
        assert kws["cycles"] and ic["cycles"] is None and row["board"] in ic["error"]


def test_for_people(small, graph, monkeypatch, capsys):
    answering(monkeypatch, graph, seconds=(0.5,) * 6)
    show_bench(run_sections(["engine", "simulation"], data=small), Display())
    out, err = capsys.readouterr()
    assert out == "" and "kws on ecp5-45: net: program and weights take" in " ".join(err.split())
    assert "kws on ecp5-25" in err and "█" in err and "18,000" in err


def test_a_missing_network_says_where_it_is_from(tmp_path, monkeypatch):
    (tmp_path / "kws.tflite").touch()
    message = (r"ic.tflite: no such file; get benchmark/training/image_classification/.*quant.tflite from "
               r"https://github.com/mlcommons/tiny, put it there .* --data or HEDDLE_MLPERF_TINY")
    with pytest.raises(HeddleError, match=message):
        find_networks(tmp_path)
    monkeypatch.setenv("HEDDLE_MLPERF_TINY", str(tmp_path))
    with pytest.raises(HeddleError, match=message):
        find_networks(None)
    for name in NETWORKS:
        (tmp_path / f"{name}.tflite").touch()
    assert find_networks(None) == find_networks(tmp_path) == tmp_path


@needs_mlperf
def test_networks_beside_the_checkout_are_found(monkeypatch):
    monkeypatch.delenv("HEDDLE_MLPERF_TINY", raising=False)
    assert find_networks(None).samefile(MLPERF)


@pytest.mark.sim
def test_on_a_real_simulator(small, monkeypatch):
    monkeypatch.setattr(bench, "SIMULATED_INPUTS", (5, MANY))
    document = run_sections(["engine", "simulation"], data=small)
    assert document["engine"][0]["cycles"] == document["engine"][0]["predicted_cycles"] > 0
    assert document["engine"][1]["layers"][1]["counters"]["weight_load"] > 0
    assert [row["inferences_per_s"] > 0 for row in document["simulation"]] == [True, True]


def asked(capsys, *arguments):
    """What ``heddle bench --json`` gives."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments, "--json"])
    assert not ended.value.code
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
@needs_mlperf
def test_the_readme_has_what_the_engines_do(capsys):
    """Its table of the four networks on the four presets, cycle for cycle."""
    rows = asked(capsys, "--section", "engine", "--data", str(MLPERF))["engine"]
    cells = {(row["preset"], row["network"]): f"{row['cycles']:,} ({row['utilization']:.0%})" if row["cycles"]
             else "does not fit" for row in rows}
    macs = {row["network"]: row["macs"] for row in rows if row["macs"]}
    presets = sorted({row["preset"] for row in rows}, key=ENGINES.index)
    table = [line for line in README.read_text(encoding="utf-8").splitlines()
             if line.startswith(("| keyword", "| image c", "| visual", "| anomaly"))]
    assert [line.split(" | ", 1)[1] for line in table] == [
        f"{macs[network]:,} | " + " | ".join(cells[preset, network] for preset in presets) + " |"
        for network in NETWORKS]


@pytest.mark.slow
@needs_mlperf
def test_the_speed_of_the_simulation(capsys, monkeypatch):
    monkeypatch.setenv("HEDDLE_MLPERF_TINY", str(MLPERF))
    few, many = asked(capsys, "--section", "simulation")["simulation"]
    assert few["network"] == "kws" and 1 < few["inferences_per_s"] < 1000
    assert many["inferences_per_s"] > many["side_by_side"] / 4 * few["inferences_per_s"]


@pytest.mark.parametrize("section, compared", [("codesign", "compare_flows"), ("samplers", "compare_samplers")])
def test_ways_are_compared_on_each_task_and_missing_data_are_said(monkeypatch, tmp_path, section, compared):
    asked = []

    def compare(task, data, store, *, seeds, jobs):
        asked.append((task.name, data.partition(",")[0], seeds))
        yield {"task": task.name, "flow": "joint", "sampler": "grid", "seed": seeds[0], "curve": [[1.0, 0.5]],
               "hypervolume": 0.5, "cpu_s": 1.0, "reference": [0.9, 1.0, 9], "latency_lut_at_equal_accuracy": 1.0}

    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / "store"))
    monkeypatch.setattr(bench, "near", lambda folder: tmp_path / folder if (tmp_path / folder).is_dir() else None)
    monkeypatch.setattr(bench, compared, compare)
    rows = run_sections([section], page=tmp_path / "page.html")[section]
    assert "beside the checkout" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert asked == [("digits", "digits", (1, 2, 3)), ("mnist", f"mnist:{tmp_path}/mnist", (1, 2, 3))]
    assert [(row["task"], "error" in row) for row in rows] == [("digits", False), ("spoken", True), ("mnist", False)]
    assert "spoken_digits/recordings: no such folder of data beside the checkout" in rows[1]["error"]
    show_bench({section: rows}, Display())


def test_a_page_that_would_show_nothing_or_has_no_folder_is_refused_at_once(capsys, tmp_path):
    for words, said in ((["--section", "fabric", "--page", "a.html"], "add --section codesign"),
                        (["--section", "codesign", "--page", str(tmp_path / "no" / "a.html")], "make it first")):
        with pytest.raises(SystemExit) as ended:
            main(["bench", *words])
        assert ended.value.code and said in capsys.readouterr().err
