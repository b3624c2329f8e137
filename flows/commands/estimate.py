"""``heddle estimate``: a model on a design, without building anything."""

from dataclasses import asdict
from typing import Any

from flows.estimate.kernels import plan_cycles
from flows.estimate.program import estimate_program
from flows.estimate.resources import uncalibrated
from flows.estimate.runners import assign
from flows.fpga.buildable import obstacles
from flows.train.model import load_model
from hw.soc.target import load_target
from sw.compiler import compile_graph

__all__ = ["estimate_model"]

COUNTED = ("lut", "ff", "dsp", "bram", "spram")


def estimate_model(name: str, design_name: str, board_name: str | None = None) -> dict[str, Any]:
    """The document of ``heddle estimate``. Without a resource model of such a SoC there are cycles, at the clock of the
    board's oscillator, and None for the rest. ``fits`` is whether it can be built, as far as is known, and ``reasons``
    say why not. ``cycles`` and energy are the engine's; ``duties`` say who runs what and why, ``kernels`` are what the
    CPU runs beside the engine. ``latency_s`` is of what ``latency_of`` names: of both, where the CPU's cycles can be
    estimated.

    Raises
    ------
    HeddleError
        If the model, design or board is unknown, or the model does not fit the design's memories.
    """
    design, board = load_target(design_name, board_name)
    graph = load_model(name, weight_bits=design.weight_bits).graph
    program = compile_graph(graph, design)
    metrics: dict[str, Any]
    if calibrated := not uncalibrated(design, board):
        metrics = asdict(estimate_program(program, board, board.soc_mhz))
    else:
        metrics = {"clock_mhz": board.soc_mhz}
    used: dict[str, Any] = {kind: metrics.get(kind) for kind in COUNTED}
    reasons = obstacles(program, board)
    assignment, second = assign(program, graph), metrics["clock_mhz"] * 1e6
    beside = assignment.estimated_cpu_cycles
    if calibrated:
        reasons += [f"board {board.name!r}: {short}; choose a larger one or a smaller design"
                    for short in board.shortfalls(used)]
    return {
        "model": name, "design": design_name, "board": board.name, "cycles": program.cycles, "macs": program.macs,
        "utilization": program.utilization,
        "layers": [{"name": layer.name, "op": layer.op, "macs": layer.macs, "cycles": layer.cycles}
                   for layer in program.layers],
        "kernels": [{"name": kernel.name, "op": kernel.op, "estimated_cycles": plan_cycles(design, kernel)}
                    for kernel in program.kernels],
        "duties": [asdict(duty) for duty in assignment.duties], "estimated_cpu_cycles": beside,
        "resources": used, "fmax_mhz": metrics.get("fmax_mhz"),
        "clock_mhz": metrics["clock_mhz"], "engine_latency_s": program.cycles / second,
        "latency_s": (program.cycles + (beside or 0)) / second,
        "latency_of": "engine and CPU, as estimated" if beside else "engine", "energy_j": metrics.get("energy_j"),
        "fits": not reasons if calibrated or reasons else None, "reasons": reasons}
