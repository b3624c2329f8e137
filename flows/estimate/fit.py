"""Which designs run a network: the presets, and where none does, memories that would do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from boards import Board
from flows.estimate.memories import fit_memories
from flows.fpga.buildable import obstacles
from hw.spec.design import DesignPoint
from sw.compiler import CompileError, Program, compile_graph
from sw.compiler.plan import areas, live_bytes
from sw.compiler.schedule import schedule
from sw.graph.graph import Graph

__all__ = ["Fit", "activation_bytes", "fit", "remedy"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A network on a design: compiled, or the one line that says why not."""

    design: str
    program: Program | None
    problem: str                       # why it does not run; else empty
    obstacles: tuple[str, ...] = ()    # why what runs cannot be built

    @property
    def runs(self) -> bool:
        return self.program is not None


def fit(graph: Graph, name: str, design: DesignPoint, board: Board) -> Fit:
    """Whether ``graph`` runs on ``design``, of that name, and what keeps it from being built for ``board``."""
    try:
        program = compile_graph(graph, design)
    except CompileError as error:
        return Fit(design=name, program=None, problem=str(error))
    return Fit(design=name, program=program, problem="", obstacles=tuple(obstacles(program, board)))


def remedy(graph: Graph, name: str, design: DesignPoint, fits: Sequence[Fit]) -> str:
    """Where a network runs that does not run on ``design``: presets of ``fits``, best those that can be built with it,
    else the design with other memories.

    Empty where neither helps, and the problem itself has to be mended.
    """
    running = [each for each in fits if each.runs]
    if able := [each.design for each in running if not each.obstacles] or [each.design for each in running]:
        return f"it runs on {', '.join(able)}"
    try:
        larger = _least(graph, design, fit_memories(graph, design).design)
    except CompileError:
        return ""
    changed = [f"{field}={getattr(larger, field)}" for field in ("act_bytes", "weight_bytes")
               if getattr(larger, field) != getattr(design, field)]
    return f"it runs on {name} with {' and '.join(changed)}"


def _least(graph: Graph, design: DesignPoint, enough: DesignPoint) -> DesignPoint:
    """``design`` with one memory of ``enough`` where that suffices, else ``enough``; none gets smaller."""
    larger = replace(enough, act_bytes=max(design.act_bytes, enough.act_bytes),
                     weight_bytes=max(design.weight_bytes, enough.weight_bytes))
    for kept in ("weight_bytes", "act_bytes"):
        tried = replace(larger, **{kept: getattr(design, kept)})
        try:
            program = compile_graph(graph, tried)
        except CompileError:
            continue
        if not program.streamed_bytes or design.memory == "spram":
            return tried
    return larger


def activation_bytes(graph: Graph) -> int | None:
    """Most bytes of tensors that are needed at once, whole; None for states that no order of stages can update."""
    try:
        plan = schedule(graph)
    except CompileError:
        return None
    return max(live_bytes(areas(plan, graph), len(plan.stages)), default=0)
