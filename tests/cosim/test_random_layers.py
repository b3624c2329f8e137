"""Random networks on the RTL: every bit equals the golden model, every cycle and counter the cycle model."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.engine import build_engine, run_engine
from hw.spec.design import DesignPoint
from sw.compiler import CompileError, compile_graph
from sw.golden import run
from tests.support.branches import KINDS, random_branches
from tests.support.engines import check_exact, check_outputs, describe, predicted_counters, random_programs, ways_of
from tests.support.layers import random_inputs

SMALL = {"act_bytes": 8192, "weight_bytes": 32768}
STREAMING = DesignPoint(rows=4, cols=4, lanes=4, requantizers=4, depthwise_taps=4, act_bytes=8192, weight_bytes=4096,
                        stream_bytes=2, table_unit=True)
SPRAM = {"rows": 1, "cols": 4, "lanes": 4, "memory": "spram", "act_bytes": 131072, "weight_bytes": 4096}
SERIAL = {"requantizer_cycles": 2, "requantizer_dsps": 0}
DESIGNS = {
    "streaming": STREAMING,
    "packed": DesignPoint(rows=2, cols=4, lanes=4, weight_bits=4, multiplier="packed", requantizers=2,
                          dataflow="weight", **SMALL),
    "binary": DesignPoint(rows=2, cols=4, lanes=4, weight_bits=1, multiplier="lut", requantizers=4, **SMALL),
    "packed binary": DesignPoint(rows=2, cols=4, lanes=4, weight_bits=1, multiplier="packed", requantizers=2, **SMALL),
    "int4": DesignPoint(rows=2, cols=4, lanes=4, act_bits=4, weight_bits=4, multiplier="lut", requantizers=2,
                        depthwise_taps=2, table_unit=True, **SMALL),
    "serial": DesignPoint(rows=2, cols=4, lanes=2, weight_bits=2, multiplier="lut", requantizers=2,
                          requantizer_cycles=2, requantizer_dsps=0, **SMALL),
    "scalable": DesignPoint(rows=2, cols=4, lanes=4, multiplier="scalable", requantizers=2, depthwise_taps=4,
                            act_bytes=8192, weight_bytes=4096, stream_bytes=2),
    "scalable blocks": DesignPoint(rows=2, cols=4, lanes=2, multiplier="scalable-dsp", requantizers=2, depthwise_taps=2,
                                   **SMALL),
    "compact": DesignPoint(engine="compact", multiplier="mac16", table_unit=True, **SPRAM, **SERIAL),
    "compact, eight lanes": DesignPoint(engine="compact", multiplier="mac16", **{**SPRAM, "lanes": 8}, **SERIAL),
}
RARE = ("packed binary", "serial")
SCALABLE, BLOCKS = {"multiplier": "scalable", **SMALL}, {"multiplier": "scalable-dsp", **SMALL}
MORE = {
    "scalable, two pieces at once": DesignPoint(rows=4, cols=4, lanes=4, requantizers=8, depthwise_taps=4,
                                                table_unit=True, **SCALABLE),
    "scalable, all pieces at once": DesignPoint(rows=4, cols=2, lanes=4, requantizers=8, **SCALABLE),
    "scalable, kept weights": DesignPoint(rows=2, cols=4, lanes=2, requantizers=4, dataflow="weight", act_bits=4,
                                          **SCALABLE),
    "scalable, one requantizer": DesignPoint(rows=1, cols=4, lanes=8, requantizers=1, requantizer_cycles=2,
                                             requantizer_dsps=0, table_unit=True, **SCALABLE),
    "scalable, eight columns": DesignPoint(rows=2, cols=8, lanes=2, requantizers=2, **SCALABLE),
    "scalable blocks, streaming": DesignPoint(rows=2, cols=4, lanes=4, multiplier="scalable-dsp", requantizers=2,
                                              depthwise_taps=4, act_bytes=8192, weight_bytes=4096, stream_bytes=2),
    "scalable blocks, both pieces at once": DesignPoint(rows=4, cols=4, lanes=4, requantizers=8, depthwise_taps=4,
                                                        table_unit=True, **BLOCKS),
    "scalable blocks, kept weights": DesignPoint(rows=2, cols=4, lanes=2, requantizers=4, dataflow="weight", act_bits=4,
                                                 **BLOCKS),
    "scalable blocks, one requantizer": DesignPoint(rows=1, cols=4, lanes=8, requantizers=1, requantizer_cycles=2,
                                                    requantizer_dsps=0, table_unit=True, **BLOCKS),
    "scalable blocks, eight columns": DesignPoint(rows=2, cols=8, lanes=2, requantizers=2, **BLOCKS),
    "scalable blocks, one lane": DesignPoint(rows=4, cols=4, lanes=1, requantizers=1, **BLOCKS),
    "quick spram": DesignPoint(**SPRAM),
    "serial spram": DesignPoint(multiplier="mac16", table_unit=True, **SPRAM, **SERIAL),
    "one requantizer": DesignPoint(rows=2, cols=4, lanes=4, requantizers=1, **SMALL),
    "eight columns": DesignPoint(rows=4, cols=8, lanes=4, requantizers=8, requantizer_dsps=2, depthwise_taps=4,
                                 table_unit=True, **SMALL),
    "eight rows": DesignPoint(rows=8, cols=4, lanes=4, multiplier="trunc", requantizers=2, depthwise_taps=2, **SMALL),
    "sixteen rows": DesignPoint(rows=16, cols=4, lanes=4, requantizers=4, depthwise_taps=4, **SMALL),
    "one row": DesignPoint(rows=1, cols=8, lanes=8, requantizers=1, requantizer_cycles=4, requantizer_dsps=0,
                           table_unit=True, **SMALL),
    "short adds": DesignPoint(rows=1, cols=4, lanes=4, requantizers=4, requantizer_dsps=2, dataflow="weight", **SMALL),
    "wide stream": DesignPoint(rows=2, cols=8, lanes=4, requantizers=2, stream_bytes=4, act_bytes=8192,
                               weight_bytes=8192),
    "two columns": DesignPoint(rows=4, cols=2, lanes=4, requantizers=2, depthwise_taps=4, **SMALL),
    "narrow spram": DesignPoint(weight_bits=2, multiplier="lut", **SPRAM, **SERIAL),
}


def check(design, simulator, networks, seed, monkeypatch):
    """Fastest commands and, every other time, any that compute the same; the ways that were seen."""
    seen = set()
    rng = np.random.default_rng(seed)
    for part in range(2):
        if part:
            monkeypatch.setattr("sw.compiler.compile._preference", lambda design, lowered: rng.random())
        for number, (program, inputs) in enumerate(random_programs(design, networks // 2, seed + 1000 * part), 1):
            check_exact(simulator, program, inputs)
            check_outputs(simulator, program, inputs, traffic=number)
            if program.streamed_bytes and design.stream_bytes:
                check_outputs(simulator, program, inputs, stalls=number)
                check_outputs(simulator, program, inputs, stalls=number, traffic=number + 1)
            seen |= ways_of(program) | {f"{layer.op} and table" for layer in program.layers if layer.command["table"]}
    return seen


@pytest.mark.sim
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in RARE else name
                                  for name in DESIGNS])
def test_bits_and_cycles(name, tmp_path, monkeypatch):
    design = DESIGNS[name]
    seen = check(design, build_engine(design, tmp_path), 20, 3, monkeypatch)
    assert seen >= {"add", "maximum", "uniform", "depthwise"}
    if design.depthwise_taps > 1:
        assert seen >= {"window", "local", "broadcast"}
    assert ("stream" in seen) == bool(design.stream_port_bytes) and ("split" in seen) == bool(design.splits)
    assert seen >= {f"{op} and table" for op in ("conv", "depthwise", "dense", "add")} if design.table_unit else (
        "table" not in seen)


@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.parametrize("name", [*DESIGNS, *MORE])
def test_many_networks(name, tmp_path, monkeypatch):
    design = {**DESIGNS, **MORE}[name]
    check(design, build_engine(design, tmp_path), 80, 7, monkeypatch)


BRANCHED = ("packed", "binary", "eight columns", "wide stream", "narrow spram")


def check_branches(design, simulator, count, seed, monkeypatch):
    """Every other time with any command that computes the same; how many tensors lie apart, in and out of commands."""
    rng, found = np.random.default_rng(seed), 0
    for part in range(2):
        if part:
            monkeypatch.setattr("sw.compiler.compile._preference", lambda design, lowered: rng.random())
        for kind in KINDS:
            for _ in range(count):
                graph = random_branches(rng, kind, even=design.memory == "spram", weight_bits=design.weight_bits)
                inputs = random_inputs(rng, graph, 4)
                try:
                    program = compile_graph(graph, design)
                except CompileError:
                    continue
                got = run_engine(simulator, program.image, program.pack_inputs([inputs]),
                                 cycle_limit=60 * program.cycles + 20_000)
                tensors = run(graph, [inputs], design)
                for number, values in zip(graph.answers, program.unpack_outputs(got.outputs), strict=True):
                    assert np.array_equal(values, tensors[number]), (kind, number, describe(program))
                assert (got.counters == predicted_counters(program)).all(), (kind, describe(program))
                assert (got.cycles == program.cycles).all(), (kind, describe(program))
                found += sum(plan.output.pitch > 0 for plan in program.plans)
    return found


@pytest.mark.sim
@pytest.mark.parametrize("name", ["streaming", "compact"])
def test_channels_that_lie_apart(name, tmp_path, monkeypatch):
    design = replace(DESIGNS[name], act_bytes=max(DESIGNS[name].act_bytes, 16384))
    assert check_branches(design, build_engine(design, tmp_path), 1, 5, monkeypatch) > 20


@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.parametrize("name", ["streaming", "compact", *BRANCHED])
def test_many_channels_that_lie_apart(name, tmp_path, monkeypatch):
    design = {**DESIGNS, **MORE}[name]
    design = replace(design, act_bytes=max(design.act_bytes, 16384), weight_bytes=max(design.weight_bytes, 65536)
                     if design.memory != "spram" and not design.stream_bytes else design.weight_bytes)
    assert check_branches(design, build_engine(design, tmp_path), 8, 11, monkeypatch) > 200
