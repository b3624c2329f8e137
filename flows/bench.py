"""``heddle bench``: tables of what the engine, the fabric and the simulators do."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from boards import find_board
from cosim.engine import run_engine
from cosim.soc import run_soc
from flows.console import Display
from flows.models import load_model
from flows.resources import estimate_resources
from flows.rungs import stored_engine, stored_soc
from flows.store import open_store
from hw.spec.presets import PRESETS
from sw.compiler import CompileError, compile_graph
from sw.models import NETWORKS

__all__ = ["SECTIONS", "run_sections"]

SIMULATED = ("dscnn", "ecp5-25")     # network, design
ENGINE_INPUTS, SOC_INPUTS = 360, 16

Table = dict[str, Any]


def run_sections(names: Sequence[str], display: Display) -> dict[str, Table]:
    """The tables by name, each ``{"header": [...], "rows": [[...], ...]}``."""
    with display.bar("benchmarks", len(names)) as bar:
        tables = {}
        for name in names:
            bar.hear("", name)
            tables[name] = SECTIONS[name]()
            bar.advance()
    return tables


def _engine() -> Table:
    """Every network on every preset: exact cycles from the cycle model."""
    rows: list[list[Any]] = []
    for network in NETWORKS:
        for preset, design in PRESETS.items():
            try:
                program = compile_graph(load_model(network, weight_bits=design.weight_bits).graph, design)
            except CompileError as error:
                rows.append([network, preset, str(error), None, None, None])
                continue
            rows.append([network, preset, program.macs, program.cycles, round(program.macs / program.cycles, 2),
                         design.macs_per_cycle])
    return {"header": ["network", "design", "MAC", "cycles", "MAC/cycle", "peak"], "rows": rows}


def _fabric() -> Table:
    """Estimated resources of every preset's SoC on its board."""
    rows = []
    for preset, design in PRESETS.items():
        board = find_board(design.board)
        logic = estimate_resources(design, board)
        rows.append([preset, board.name, *(f"{used:,} of {board.budget[name]:,}" for name, used in logic.used.items()
                                           if board.budget[name]), round(logic.fmax_mhz, 1)])
    return {"header": ["design", "board", "LUT", "FF", "DSP", "BRAM", "Fmax, MHz (estimate)"], "rows": rows}


def _simulation() -> Table:
    """Speed of the Verilated engine and SoC, the build not counted."""
    network, preset = SIMULATED
    design, store = PRESETS[preset], open_store()
    program = compile_graph(load_model(network, weight_bits=design.weight_bits).graph, design)
    rng = np.random.default_rng(0)
    rows = []
    for name, run, rung, count in (
            ("engine", run_engine, stored_engine(store, design), ENGINE_INPUTS),
            ("soc", run_soc, stored_soc(store, design, find_board(design.board)), SOC_INPUTS)):
        inputs = rng.integers(-128, 128, (count, *program.graph.input.shape)).astype(np.int8)
        done = run(rung.simulator(False), program.image, inputs)
        rows.append([name, network, preset, count, round(count / done.wall_s, 1), round(done.cycles_per_s)])
    return {"header": ["level", "network", "design", "inputs", "inferences/s", "simulated cycles/s"], "rows": rows}


SECTIONS: dict[str, Callable[[], Table]] = {"engine": _engine, "fabric": _fabric, "simulation": _simulation}
