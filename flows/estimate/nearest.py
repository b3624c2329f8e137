"""Presets that a network could be built with instead, by the estimates."""

from collections.abc import Mapping

from boards import Board, check_design
from flows.estimate.resources import estimate_resources, uncalibrated
from flows.fpga.buildable import obstacles
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.graph.graph import Graph

__all__ = ["nearest_preset"]


def nearest_preset(graph: Graph, board: Board, clock_mhz: float, *, presets: Mapping[str, DesignPoint] = PRESETS,
                   without: DesignPoint | None = None) -> str | None:
    """The one that runs the network in the fewest cycles of those estimated to fit the board and to reach the clock;
    None where there is none.

    Presets are of the designs that the resource model is calibrated for, and none is ``without``.
    """
    found = {name: cycles for name, design in presets.items() if design != without
             and (cycles := _cycles(graph, design, board, clock_mhz)) is not None}
    return min(found, key=found.__getitem__, default=None)


def _cycles(graph: Graph, design: DesignPoint, board: Board, clock_mhz: float) -> int | None:
    try:
        check_design(design, board)
        if uncalibrated(design, board):
            return None
        program = compile_graph(graph, design)
        estimate = estimate_resources(design, board, streams=program.streams_outside)
    except HeddleError:
        return None
    if obstacles(program, board) or board.shortfalls(estimate.used) or estimate.fmax_mhz < clock_mhz:
        return None
    return program.cycles
