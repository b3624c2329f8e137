"""``heddle models``: what a model holds, who would run what, what is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from boards import Board
from flows.estimate.fit import Fit, activation_bytes, fit, remedy
from flows.estimate.kernels import cpu_cycles
from flows.estimate.runners import assign, outline
from flows.report.picture import network_svg
from flows.run.files import write_whole
from flows.run.progress import advance, tell, work
from flows.train.model import Model, load_model
from hw.soc.target import load_target
from hw.spec.design import DesignPoint
from hw.spec.image import unpack_header
from hw.spec.presets import PRESETS
from sw.graph.graph import Graph, TensorType

__all__ = ["describe_model"]


def describe_model(name: str, design: str | None = None, *, picture: Path | None = None) -> dict[str, Any]:
    """The document of ``heddle models``.

    Without a design all presets are tried, and ``layers`` are as the first one has them that can be built with the
    network, else the first that runs it. With a design, the presets are tried only where it does not run the network.
    Cycles of the engine are exact, those of the CPU estimated. ``picture`` is written as SVG.

    Raises
    ------
    HeddleError
        If the model does not load, or the design is unknown.
    """
    designs = {each: load_target(each) for each in ((design,) if design else PRESETS)}
    model = load_model(name, weight_bits=designs[design][0].weight_bits if design else 8)
    graph = model.graph.check()
    fits = _fits(graph, designs)
    shown = next((each for each in fits if each.runs and not each.obstacles),
                 next((each for each in fits if each.runs), None))
    wanted = fits[-1]
    if design and not shown:
        fits += _fits(graph, {each: load_target(each) for each in PRESETS if each != design})
    assignment = assign(shown.program, graph) if shown and shown.program else outline(graph)
    if picture:
        write_whole(picture, network_svg(assignment, f"{graph.name} on {shown.design}" if shown else graph.name))
    return {
        "model": name, "name": graph.name, **_content(model),
        "design": shown.design if shown else design, "runs": shown is not None,
        "problem": None if shown else wanted.problem,
        "remedy": None if shown else remedy(graph, wanted.design, designs[wanted.design][0], fits),
        "engine_cycles": assignment.engine_cycles, "estimated_cpu_cycles": assignment.estimated_cpu_cycles,
        "layers": [asdict(duty) for duty in assignment.duties], "designs": [_fitted(each) for each in fits],
        "picture": str(picture) if picture else None}


def _fits(graph: Graph, designs: Mapping[str, tuple[DesignPoint, Board]]) -> list[Fit]:
    found = []
    with work("compiling", len(designs)):
        for name, (point, board) in designs.items():
            tell(name)
            found.append(fit(graph, name, point, board))
            advance()
    return found


def _content(model: Model) -> dict[str, Any]:
    """What of a model depends on no design."""
    graph = model.graph
    types = graph.types()
    count = range(len(graph.layers))
    return {
        "inputs": _ends(graph.inputs, graph.input_shapes),
        "outputs": _ends([types[number] for number in graph.answers], graph.output_shapes),
        "states": [{"name": state.name, **_end(state.type, state.type.shape)} for state in graph.states],
        "operators": dict(Counter(layer.function or layer.op for layer in graph.layers).most_common()),
        "macs": sum(map(graph.macs, count)), "weight_bytes": sum(duty.weight_bytes for duty in outline(graph).duties),
        "constant_bytes": sum(constant.type.bytes for constant in graph.constants),
        "state_bytes": sum(state.type.bytes for state in graph.states),
        "activation_bytes": activation_bytes(graph)}


def _ends(kinds: Sequence[TensorType], shapes: Sequence[tuple[int, ...]]) -> list[dict[str, Any]]:
    return [_end(kind, shapes[place] if shapes else kind.shape) for place, kind in enumerate(kinds)]


def _end(kind: TensorType, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"shape": list(shape), "dtype": kind.dtype, "scale": kind.scale, "zero_point": kind.zero_point,
            "bytes": kind.bytes}


def _fitted(each: Fit) -> dict[str, Any]:
    program = each.program
    return {
        "design": each.design, "runs": each.runs, "engine_cycles": program.cycles if program else None,
        "estimated_cpu_cycles": cpu_cycles(program) if program else None,
        "activation_bytes": unpack_header(program.image)["act_bytes"] if program else None,
        "resident_bytes": program.resident_bytes if program else None,
        "streamed_bytes": program.streamed_bytes if program else None,
        "problems": [each.problem] if each.problem else list(each.obstacles)}
