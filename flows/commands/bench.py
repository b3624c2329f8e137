"""``heddle bench``: what engines do on the MLPerf Tiny networks, what they take of a device, how fast they simulate,
and what designing networks and hardware together gives.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from boards import Board, find_board
from cosim.engine import run_engine
from cosim.process import SimulationError
from flows.estimate.energy import energy_j
from flows.estimate.kernels import cpu_cycles
from flows.estimate.resources import estimate_resources, uncalibrated
from flows.fpga.buildable import check_buildable
from flows.fpga.fabric import fabric_rows
from flows.fpga.socs import plans, soc_rows
from flows.report.compared import write_comparison
from flows.run.progress import advance, tell, work
from flows.run.queue import keeping
from flows.run.store import Store, open_store
from flows.search.codesign import TASKS, compare_flows, compare_samplers
from flows.verify.compare import LayerReport
from flows.verify.engine import EngineRung, engine_rung
from flows.verify.engine_simulator import MANY, jobs_for, simulator_for
from flows.verify.inputs import choose_inputs, vectors_beside
from flows.verify.ladder import verify
from hw.spec.commands import COUNTERS
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.presets import PRESETS, load_design
from hw.tools import ToolError
from sw.compiler import Program, compile_graph
from sw.frontend import load_tflite

__all__ = ["NETWORKS", "SECTIONS", "Bench", "find_networks", "layer_limit", "run_sections"]

#: The four networks, by the names of their files, and where mlcommons/tiny has them.
NETWORKS = {
    "kws": "keyword_spotting/trained_models/kws_ref_model.tflite",
    "ic": "image_classification/trained_models/pretrainedResnet_quant.tflite",
    "vww": "visual_wake_words/trained_models/vww_96_int8.tflite",
    "ad": "anomaly_detection/trained_models/ad01_int8.tflite",
}
ENGINES = ("up5k", "ecp5-25", "ecp5-45", "ecp5-85")
FOLDER, VARIABLE = "mlperf_tiny", "HEDDLE_MLPERF_TINY"
ROOT = Path(__file__).resolve().parents[2]
COMPARED_INPUTS = 4                                        # of each network on each engine
SEEDS = (1, 2, 3)                                          # of the ways of working
SIMULATED, REPEATS = ("kws", "ecp5-45"), 3
SIMULATED_INPUTS = (60, 2 * MANY)                          # one after the other, and side by side
FIGURES = ("cycles", "predicted_cycles", "macs", "utilization", "layers")

Row = dict[str, Any]


def find_networks(folder: Path | None) -> Path:
    """The folder of the networks: the given one, else ``$HEDDLE_MLPERF_TINY``, else ``mlperf_tiny`` near the checkout.

    Raises
    ------
    HeddleError
        If a network is not there; the message says where to get it.
    """
    given = folder or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    found = given or near(FOLDER) or Path(FOLDER)
    for name, origin in NETWORKS.items():
        if not (found / f"{name}.tflite").is_file():
            raise HeddleError(f"{found / name}.tflite: no such file; get benchmark/training/{origin} from "
                              f"https://github.com/mlcommons/tiny, put it there under that name, or name another "
                              f"folder with --data or {VARIABLE}")
    return found


def near(folder: str) -> Path | None:
    """A folder of data beside the checkout, if it is there."""
    places = [ROOT / "data" / folder, ROOT.parent / "data" / folder, ROOT.parent / "shared" / "data" / folder]
    return next((place for place in places if place.is_dir()), None)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the sections share."""

    networks: Path
    store: Store

    def program(self, network: str, design: DesignPoint) -> Program:
        return compile_graph(load_tflite(self.networks / f"{network}.tflite"), design)

    def inputs(self, network: str, program: Program, count: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Of a network with one input and one output."""
        beside = vectors_beside(self.networks / f"{network}.tflite")
        (given,), outputs = choose_inputs(program.graph, beside if beside.is_file() else None, count)
        return given, None if outputs is None else outputs[0]

    def rung(self, design: DesignPoint) -> EngineRung:
        return engine_rung(self.store, design)


def run_sections(names: Sequence[str], *, data: Path | None = None, page: Path | None = None) -> dict[str, list[Row]]:
    """The rows of each section, by its name.

    Parameters
    ----------
    names : of ``SECTIONS``.
    data : folder of the networks; see :func:`find_networks`.
    page : file for the page of :mod:`flows.report.compared`.

    Raises
    ------
    HeddleError
        If a network is missing, a tool fails, or the page has no folder.
    """
    if page and not page.parent.is_dir():
        raise HeddleError(f"--page {page}: there is no folder {page.parent}; make it first")
    networks = find_networks(data) if {"engine", "simulation", "boards"} & set(names) else Path(FOLDER)
    bench = Bench(networks=networks, store=open_store())
    rows = {}
    with work("benchmarks", len(names)):
        for name in names:
            rows[name] = list(SECTIONS[name](bench))
            advance()
    if page:
        write_comparison(page, rows)
    return rows


def engine_rows(bench: Bench) -> Iterator[Row]:
    """Every network on every preset, measured on the RTL."""
    for preset in ENGINES:
        for network in NETWORKS:
            tell(f"{network} on {preset}")
            try:
                figures = engine_figures(bench, network, load_design(preset))
            except HeddleError as error:
                if isinstance(error, ToolError) and not isinstance(error, SimulationError):
                    raise
                figures = {**dict.fromkeys(FIGURES), "error": str(error)}
            yield {"preset": preset, "network": network, **figures}
    tell("")


def engine_figures(bench: Bench, network: str, design: DesignPoint) -> Row:
    """Of one network on one design.

    Raises
    ------
    HeddleError
        If it does not fit, or an output or the cycles are not what they must be.
    """
    program = bench.program(network, design)
    inputs, outputs = bench.inputs(network, program, COMPARED_INPUTS)
    report = verify(program.graph, design, level="engine", inputs=inputs, outputs=outputs, program=program,
                    board=find_board(design.board), store=bench.store, rung=bench.rung(design), thorough=False)
    if report.first_mismatch:
        wrong = f"{report.mismatches} outputs are wrong: " if report.mismatches else ""
        raise HeddleError(f"{wrong}{report.first_mismatch}")
    cycles = report.engine_cycles[0]
    return {"cycles": cycles, "predicted_cycles": report.predicted_cycles, "macs": program.macs,
            "utilization": utilization(program.macs, cycles, design),
            "layers": [layer_row(layer, design) for layer in report.layers]}


def layer_row(layer: LayerReport, design: DesignPoint) -> Row:
    """One layer of a network on an engine."""
    cycles, counters = layer.cycles or 0, layer.counters or {}
    return {"name": layer.name, "op": layer.op, "macs": layer.macs, "cycles": cycles,
            "predicted_cycles": layer.predicted_cycles, "utilization": utilization(layer.macs, cycles, design),
            "limit": layer_limit(layer.macs, counters, design), "counters": counters,
            "predicted_counters": layer.predicted_counters}


def utilization(macs: int, cycles: int, design: DesignPoint) -> float:
    """Multiply-accumulates per cycle over the array's peak, 0 to 1."""
    return macs / (cycles * design.macs_per_cycle)


def layer_limit(macs: int, counters: dict[str, int], design: DesignPoint) -> str:
    """What holds a layer: its largest counter, and for ``compute`` how full the array is meanwhile.

    >>> layer_limit(300, {"compute": 30, "drain": 10}, DesignPoint(rows=1, cols=4, lanes=4))
    'compute 75%: 62% of the multipliers in use'
    >>> layer_limit(300, {"compute": 30, "requantize": 70}, DesignPoint())
    'requantize 70%: the requantizers are behind'
    """
    name = max(counters, key=counters.__getitem__)
    share = f"{name} {counters[name] / max(1, sum(counters.values())):.0%}"
    if name != "compute":
        return f"{share}: {COUNTERS[name]}"
    if not macs:
        return share
    return f"{share}: {utilization(macs, counters[name], design):.0%} of the multipliers in use"


def simulation_rows(bench: Bench) -> Iterator[Row]:
    """Speed of the fast harness, uploads included, the build not: the median of ``REPEATS`` runs.

    On one core, by the processor's time; and by the clock, on all cores where there are many inputs.
    """
    network, preset = SIMULATED
    design = load_design(preset)
    program = bench.program(network, design)
    for count in SIMULATED_INPUTS:
        tell(f"{network} on {preset}: {count} inputs")
        inputs, _ = bench.inputs(network, program, count)
        inputs = np.resize(inputs, (count, *inputs.shape[1:]))
        step, jobs = simulator_for(design, count), jobs_for(count)
        simulator, runs, seconds = step.value(bench.store), [], []
        for _ in range(REPEATS):
            start = perf_counter()
            runs.append(run_engine(simulator, program.image, inputs, cycle_limit=2 * program.cycles, jobs=jobs))
            seconds.append(perf_counter() - start)
        tell("")
        yield {"preset": preset, "network": network, "inputs": count, "side_by_side": step.lanes.count, "jobs": jobs,
               "inferences_per_s": round(median(one.inferences_per_s for one in runs), 2),
               "cycles_per_s": round(median(one.cycles_per_s for one in runs)),
               "all_jobs_inferences_per_s": round(count / median(seconds), 2)}


def board_rows(bench: Bench) -> Iterator[Row]:
    """Every board with its largest preset, routed, what the resource model says of it, and every network on it."""
    for row in soc_rows(bench.store, plans()):
        design, board = PRESETS[row["preset"]], find_board(row["board"])
        clock = row["clock_mhz"] if row["timing_met"] else None
        estimated = None if uncalibrated(design, board) else estimate_resources(design, board)
        yield row | {"estimated": estimated and {"lut": estimated.lut, "fmax_mhz": estimated.fmax_mhz},
                     "networks": {name: on_board(bench, name, design, board, clock) for name in NETWORKS}}


def on_board(bench: Bench, network: str, design: DesignPoint, board: Board, clock_mhz: float | None) -> Row:
    """One network: the engine's cycles, which are exact; the CPU's, milliseconds of both and microjoules, estimates.

    Milliseconds are None where the SoC is not known to reach its clock or where nobody has counted what the CPU takes,
    microjoules where the device has no published figures. The SoC has no controller of an SDRAM.
    """
    try:
        program = bench.program(network, design)
        check_buildable(program, board)
    except HeddleError as error:
        return {"cycles": None, "cpu_cycles": None, "latency_ms": None, "energy_uj": None, "error": str(error)}
    cycles, beside = program.cycles, cpu_cycles(program)
    joules = energy_j(program, board, clock_mhz) if clock_mhz else None
    return {"cycles": cycles, "cpu_cycles": beside, "streams": program.streams_outside,
            "latency_ms": (cycles + beside) / clock_mhz / 1e3 if clock_mhz and beside is not None else None,
            "energy_uj": None if joules is None else 1e6 * joules}


def codesign_rows(bench: Bench) -> Iterator[Row]:
    """Each way of working on each task, with each seed."""
    yield from _tasks(bench, compare_flows)


def sampler_rows(bench: Bench) -> Iterator[Row]:
    """Each sampler on each task, with each seed."""
    yield from _tasks(bench, compare_samplers)


def _tasks(bench: Bench, compare: Callable[..., Iterator[Row]]) -> Iterator[Row]:
    """A task whose data are not there has a row that says so."""
    for task in TASKS.values():
        folder = near(task.folder) if task.folder else Path()
        if folder is None:
            yield {"task": task.name, "error": f"{task.folder}: no such folder of data beside the checkout; put it "
                                               f"into data/"}
            continue
        jobs = os.cpu_count() or 1
        with keeping(jobs):
            yield from compare(task, task.data.replace("{folder}", str(folder)), bench.store, seeds=SEEDS, jobs=jobs)


SECTIONS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "engine": engine_rows, "fabric": lambda bench: fabric_rows(bench.store), "boards": board_rows,
    "simulation": simulation_rows, "codesign": codesign_rows, "samplers": sampler_rows}
