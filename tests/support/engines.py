"""Random programs on simulated engines: every bit, every clock cycle and every counter."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cosim.engine import EngineRun, run_engine
from hw.spec.commands import COUNTERS
from hw.spec.design import DesignPoint
from sw.compiler import CompileError, compile_graph
from sw.compiler.compile import Program
from sw.golden import run
from sw.graph.graph import Graph
from tests.support.layers import OPERATORS, random_graph, random_inputs, random_residual, with_tables
from tests.support.narrow import with_mixed_widths

__all__ = ["WAYS", "check_exact", "check_outputs", "describe", "predicted_counters", "random_programs", "ways_of"]

WAYS = ("add", "window", "broadcast", "local", "maximum", "uniform", "stream", "depthwise", "table", "split")


def random_programs(design: DesignPoint, count: int, seed: int, *,
                    inputs: int = 3) -> Iterator[tuple[Program, np.ndarray]]:
    """So many random networks that the design runs, every third one with a residual add, and inputs for each; with
    tables where it has a unit for them, and a width of weights for each layer where it splits them.

    Images are large enough for all rows of the array.
    """
    rng = np.random.default_rng(seed)
    bits = {"weight_bits": design.weight_bits, "act_bits": design.act_bits}
    for number in range(20 * count):
        graph = random_residual(rng, **bits) if number % 3 == 0 else random_graph(
            rng, ops=OPERATORS, depth_multiplier=1 if design.weight_bits == 1 else 2,
            longest=max(8, 3 * design.rows // 2), **bits)
        if design.splits and number % 5:
            graph = with_mixed_widths(rng, graph)
        if design.table_unit:
            graph = with_tables(rng, graph, apart=number % 4 == 0)
        try:
            program = compile_graph(graph, design)
        except CompileError:
            continue
        yield program, random_inputs(rng, graph, inputs)
        count -= 1
        if not count:
            return
    raise ValueError(f"{count} networks too few fit the design")


def ways_of(program: Program) -> set[str]:
    """Which of ``WAYS`` its commands use."""
    return {name for layer in program.layers for name in WAYS if layer.command[name]}


def predicted_counters(program: Program) -> np.ndarray:
    """int64 ``(layers, 5)``, in the order of ``COUNTERS``."""
    return np.array([[getattr(layer.cycle_terms, name) for name in COUNTERS] for layer in program.layers])


def wanted(graph: Graph, inputs: np.ndarray, design: DesignPoint) -> np.ndarray:
    """All outputs in a row, if each begins where the one before it ends."""
    tensors = run(graph, inputs, design)
    return np.concatenate([tensors[number].reshape(len(inputs), -1) for number in graph.answers], axis=1)


def check_outputs(simulator: Path, program: Program, inputs: np.ndarray, **options: int) -> EngineRun:
    """Run with ``options`` of ``run_engine`` that may cost time; the outputs are golden's."""
    got = run_engine(simulator, program.image, inputs, cycle_limit=60 * program.cycles + 20_000, **options)
    assert np.array_equal(got.outputs, wanted(program.graph, inputs, program.design)), (options, describe(program))
    return got


def check_exact(simulator: Path, program: Program, inputs: np.ndarray) -> None:
    """Outputs, cycles and counters, without traffic and pauses."""
    got = check_outputs(simulator, program, inputs)
    assert (got.counters == predicted_counters(program)).all(), (
        got.counters[0].tolist(), predicted_counters(program).tolist(), describe(program))
    assert (got.cycles == program.cycles).all(), (got.cycles[0], program.cycles, describe(program))


def describe(program: Program) -> list[str]:
    return [f"{layer.name} {layer.op} {[name for name in WAYS if layer.command[name]]}" for layer in program.layers]
