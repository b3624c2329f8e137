"""Who runs what of a compiled network, why, and what it costs: exact for the engine, estimated for the CPU."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from flows.estimate.kernels import cpu_cycles, plan_cycles
from sw.compiler import KernelPlan, LayerPlan, Program
from sw.compiler.schedule import held_tensors, why_cpu
from sw.golden.kernels import TABLES
from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import WEIGHTED

__all__ = ["CPU", "ENGINE", "NOBODY", "Assignment", "Duty", "Source", "assign", "outline", "weight_bytes"]

ENGINE, CPU, NOBODY = "engine", "CPU", "nobody"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A tensor that no layer makes."""

    kind: str                       # input, state or constant
    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Duty:
    """A layer, what the compiler adds to them (a copy, a constant that is loaded), or a layer that it left out."""

    name: str
    op: str
    function: str                   # what a table computes, by its name; else empty
    layer: int | None               # of the graph as it runs; None: added or left out by the compiler
    reads: tuple[int, ...]          # tensors, by their numbers in that graph
    shape: tuple[int, ...]          # of what it makes
    dtype: str
    macs: int
    weight_bytes: int
    runner: str | None              # ENGINE, CPU or NOBODY; None where it is not compiled
    why: str
    engine_cycles: int | None       # exact; None where the engine has no part in it
    estimated_cpu_cycles: int | None    # None where the CPU has no part in it, or it is unknown


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """All of a network: its layers in order, as they run, then what the compiler adds and what it leaves out."""

    sources: tuple[Source, ...]
    duties: tuple[Duty, ...]
    outputs: tuple[int, ...]                # numbers of tensors
    states: tuple[tuple[int, int], ...]     # number of a state, that of its next value
    engine_cycles: int | None               # exact, of all runs, what lies between their layers included
    estimated_cpu_cycles: int | None        # None where that of a duty is unknown


def assign(program: Program, model: Graph | None = None) -> Assignment:
    """Who runs what of ``program``; of ``model`` those layers as well that the compiler made a part of others."""
    graph = program.graph
    duties = [_assigned(program, index) for index in range(len(graph.layers))]
    duties += [_added(program, plan) for plan in program.plans if not plan.stage.layers]
    if model:
        kept = {layer.name for layer in graph.layers}
        duties += [replace(_duty(model, index, NOBODY, "a part of a layer beside it", None, None), layer=None, reads=())
                 for index, layer in enumerate(model.layers) if layer.name not in kept]
    return _whole(graph, duties, program.cycles, cpu_cycles(program))


def outline(graph: Graph) -> Assignment:
    """The layers of a graph that is not compiled: nobody is known to run them."""
    return _whole(graph, [_duty(graph, index, None, "", None, None) for index in range(len(graph.layers))], None, None)


def weight_bytes(layer: Layer) -> int:
    """Of a layer's weights, packed, and its bias."""
    return ceil(layer.weights.size * layer.weight_bits / 8) + layer.bias.nbytes


def _whole(graph: Graph, duties: list[Duty], engine: int | None, cpu: int | None) -> Assignment:
    states = tuple((graph.state_number(index), state.next) for index, state in enumerate(graph.states))
    return Assignment(sources=tuple(_sources(graph)), duties=tuple(duties), outputs=graph.answers, states=states,
                      engine_cycles=engine, estimated_cpu_cycles=cpu)


def _sources(graph: Graph) -> Iterator[Source]:
    named: list[tuple[str, str, TensorType]] = [
        *(("input", f"input {number}" if len(graph.inputs) > 1 else "input", kind)
          for number, kind in enumerate(graph.inputs)),
        *(("state", state.name, state.type) for state in graph.states),
        *(("constant", "constant", constant.type) for constant in graph.constants)]
    for kind, name, tensor in named:
        yield Source(kind=kind, name=name, shape=tensor.shape, dtype=tensor.dtype)


def _assigned(program: Program, index: int) -> Duty:
    number = program.graph.first + index
    plans = [plan for plan in program.plans if index in plan.stage.layers or plan.tensor == number]
    kernels = [plan for plan in plans if isinstance(plan, KernelPlan)]
    commands = [plan for plan in plans if isinstance(plan, LayerPlan)]
    if kernels:
        known = [plan_cycles(program.design, plan) for plan in kernels]
        spent = None if None in known else sum(cycles or 0 for cycles in known)
        return _duty(program.graph, index, CPU, _cpu_why(program, index), None, spent)
    if not commands:
        copied = sum(plan.stage.joins is not None and plan.stage.joins[0] == index for plan in program.plans)
        why = f"a place in memory, {copied} of its operands copied there" if copied else (
            "a place in memory, no byte moves")
        return _duty(program.graph, index, NOBODY, why, None, None)
    # what is done on another layer's way out costs nothing of its own
    own = [plan for plan in commands if plan.stage.layers[0] == index]
    return _duty(program.graph, index, ENGINE, _engine_why(program.graph, index, commands),
                sum(plan.cycles for plan in own), None)


def _cpu_why(program: Program, index: int) -> str:
    if program.design.table_unit and program.graph.layers[index].op in TABLES:
        return "no command of the engine makes its input, and one of its own cannot take it"
    return why_cpu(program.graph, index, program.design) or ""


def _engine_why(graph: Graph, index: int, commands: list[LayerPlan]) -> str:
    layer, carrier = graph.layers[index], commands[0].stage.layers[0]
    if carrier != index:
        return f"on the way out of {graph.layers[carrier].name}"
    bands = len({plan.stage for plan in commands})
    # the compiler found another operator that gives the same for every input
    said = f"equal to {layer.op}" if layer.function and layer.op in WEIGHTED else f"the engine has {layer.op}"
    if layer.op in TABLES:
        said = "a copy through the engine's table"
    return said + (f", in {bands} bands of rows" if bands > 1 else "")


def _duty(graph: Graph, index: int, runner: str | None, why: str, engine: int | None, cpu: int | None) -> Duty:
    layer = graph.layers[index]
    return Duty(name=layer.name, op=layer.op, function=layer.function, layer=index, reads=graph.inputs_of(index),
               shape=layer.output.shape, dtype=layer.output.dtype, macs=graph.macs(index),
               weight_bytes=weight_bytes(layer), runner=runner, why=why, engine_cycles=engine, estimated_cpu_cycles=cpu)


def _added(program: Program, plan: KernelPlan | LayerPlan) -> Duty:
    graph, stage = program.graph, plan.stage
    source = held_tensors([each.stage for each in program.plans], graph)[stage.source]
    kind = graph.types()[source]
    on_cpu = isinstance(plan, KernelPlan)
    if stage.loads:
        why = "a layer reads it"
    elif stage.joins:
        why = f"to its place in {graph.layers[stage.joins[0]].name}"
    elif stage.output < graph.first:
        why = "the next value of a state"
    elif stage.rows:
        why = "a sum in bands of rows has a place of its own"
    else:
        why = "an output has a place of its own" if on_cpu else "both operands of an add are read again"
    return Duty(name=plan.name, op=plan.op if on_cpu else "copy", function="", layer=None, reads=(source,),
               shape=kind.shape, dtype=kind.dtype, macs=0, weight_bytes=0, runner=CPU if on_cpu else ENGINE, why=why,
               engine_cycles=plan.cycles if isinstance(plan, LayerPlan) else None,
               estimated_cpu_cycles=plan_cycles(program.design, plan) if isinstance(plan, KernelPlan) else None)
