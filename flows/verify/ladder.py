"""The verification ladder: one program and its inputs on one of its rungs, compared with the golden model."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from boards import Board
from flows.fpga.buildable import check_buildable
from flows.run.store import Store
from flows.verify.compare import VerifyReport
from flows.verify.rungs import Case, Rung
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from sw.compiler import Program, compile_graph
from sw.golden import run
from sw.graph.graph import Graph

__all__ = ["LEVELS", "RUNGS", "check_level", "verify"]

WAVELESS = {"array": "engine", "board": "soc"}              # levels without waves, and where there are some


def _array(store: Store, design: DesignPoint, board: Board, port: str | None) -> Rung:
    from flows.verify.array import ArrayRung  # brings cocotb with it
    from flows.verify.array_simulator import ArraySimulator

    return ArrayRung(ArraySimulator(design=design).value(store))


def _engine(store: Store, design: DesignPoint, board: Board, port: str | None) -> Rung:
    from flows.verify.engine import engine_rung

    return engine_rung(store, design)


def _soc(store: Store, design: DesignPoint, board: Board, port: str | None) -> Rung:
    from flows.verify.soc import soc_rung

    return soc_rung(store, design, board)


def _netlist(store: Store, design: DesignPoint, board: Board, port: str | None) -> Rung:
    from flows.verify.netlist import NetlistRung

    return NetlistRung(store, design, board)


def _board(store: Store, design: DesignPoint, board: Board, port: str | None) -> Rung:
    from flows.verify.board import BoardRung

    if port is None:
        raise SpecError("level 'board': where is it? name its serial port with --port, such as /dev/ttyUSB0")
    return BoardRung(design, board, port)


#: level -> the rung of a design on a board, at a serial port or none, with what it needs from the store
RUNGS: dict[str, Callable[[Store, DesignPoint, Board, str | None], Rung]] = {
    "array": _array, "engine": _engine, "soc": _soc, "netlist": _netlist, "board": _board}
LEVELS = tuple(RUNGS)


def check_level(level: str) -> None:
    """Raises SpecError for an unknown level."""
    if level not in LEVELS:
        raise SpecError(f"level {level!r}: choose {', '.join(LEVELS)}")


def verify(graph: Graph, design: DesignPoint, *, level: str, inputs: np.ndarray | Sequence[np.ndarray], board: Board,
           store: Store, outputs: np.ndarray | Sequence[np.ndarray] | None = None, trace: Path | None = None,
           port: str | None = None, program: Program | None = None, rung: Rung | None = None, thorough: bool = True,
           model: str = "", design_name: str = "") -> VerifyReport:
    """Run ``graph`` on the hardware of ``design`` and compare with the golden model.

    Parameters
    ----------
    level : a name of ``RUNGS``.
    inputs : ``(N, ...)``, of several inputs one each, in the network's own types; with states they follow each other.
    outputs : ``(N, ...)`` of each output, what the network must answer; without it the golden model says.
    trace : file for the waves of the input with the first mismatch, up to the layer that has it (else of input 0).
    port : the board's serial port, at level ``board``.
    program : instead of what the compiler makes of ``graph``.
    rung : what runs the images, instead of the simulator from the store.
    thorough : also compares the tensors inside the network, and the outputs under traffic, where the level can.
    model, design_name : how the report names them.

    Raises
    ------
    HeddleError
        If the level is unknown, the network does not fit, or a tool or the simulation fails.
    """
    check_level(level)
    given = _arrays(inputs)
    if not given or not len(given[0]):
        raise SpecError("inputs: none; give at least one")
    if trace and level in WAVELESS:
        raise HeddleError(f"level {level!r}: writes no waves; trace the level {WAVELESS[level]}")
    program = program or compile_graph(graph, design)
    if level in ("soc", "netlist", "board") and rung is None:
        check_buildable(program, board)
    tensors = run(program.graph, given, design)
    given_graph = tensors if program.graph is graph else run(graph, given, design)
    right = [given_graph[number] for number in graph.answers]
    answers = right if outputs is None else [values.reshape(wanted.shape) for values, wanted in zip(
        _arrays(outputs), right, strict=True)]
    case = Case(program=program, inputs=given, tensors=tensors, thorough=thorough, answers=answers)
    rung = rung or RUNGS[level](store, design, board, port)
    found = rung.check(case)
    if trace:
        rung.trace(case, found.first, trace)
    return VerifyReport(
        model=model or graph.name, design=design_name or design.label, board=board.name, level=rung.level,
        inputs=len(given[0]), mismatches=found.mismatches, first_mismatch=found.first, cycles=found.cycles,
        engine_cycles=found.engine_cycles, predicted_cycles=program.cycles, layers=found.layers,
        kernels=found.kernels, build=found.build)


def _arrays(values: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    return [values] if isinstance(values, np.ndarray) else list(values)
