"""The SoC with its firmware against the golden model, and planted faults, each of which must be named."""

import numpy as np
import pytest

from cosim.soc import run_soc
from flows.verify.images import Observed
from flows.verify.soc import SocRung, soc_rung
from hw.spec.soc import MemoryMap
from sw.compiler import compile_graph
from sw.firmware.build import SOURCES, compile_sources, kernel_files
from sw.golden import run
from tests.support.ladder import BOARD, DESIGN, check, several_runs, swapped_weight, wrong_table
from tests.support.layers import random_inputs


@pytest.mark.soc
def test_soc_agrees_and_finds_a_swapped_weight(graph, inputs, store, program):
    report = check(graph, inputs, store, level="soc")
    assert report.ok and report.level == "soc"
    assert report.engine_cycles == (program.cycles,) * 5
    assert min(report.cycles) > program.cycles
    report = check(graph, inputs, store, level="soc", program=swapped_weight(program, 1))
    assert not report.ok and report.first_mismatch.layer == "depthwise_layer"


@pytest.mark.soc
@pytest.mark.parametrize("level", ["engine", "soc"])
def test_what_the_cpu_runs_is_compared(store, level):
    graph = several_runs()
    inputs, program = random_inputs(np.random.default_rng(4), graph, 4), compile_graph(graph, DESIGN)
    report = check(graph, inputs, store, level=level, outputs=run(graph, inputs, DESIGN)[-1])
    assert report.ok and report.engine_cycles == (program.cycles,) * 4
    assert [layer.name for layer in report.layers] == ["first", "dense"]
    assert [(kernel.name, kernel.op) for kernel in report.kernels] == [("again", "table"), ("answer", "softmax")]
    assert [kernel.cycles is None for kernel in report.kernels] == [level == "engine"] * 2
    assert report.document()["kernels"][1]["name"] == "answer"
    report = check(graph, inputs, store, level=level, program=wrong_table(program, 0))
    assert report.first_mismatch.layer == "again"
    report = check(graph, inputs, store, level=level, program=swapped_weight(program, 0))
    assert report.first_mismatch.layer == "first"


class WrongFirmware(SocRung):
    """The SoC with another firmware."""

    def run(self, image, inputs, *, cycle_limit, traffic=0):
        got = run_soc(self.simulator(image, False), image, inputs, cycle_limit=10**6, firmware=self.firmware)
        return Observed(outputs=got.outputs, cycles=got.cycles, engine_cycles=got.engine_cycles,
                        layer_cycles=got.layer_cycles, kernel_cycles=got.kernel_cycles)


@pytest.mark.soc
def test_a_wrong_constant_in_a_kernel_is_named_by_its_layer(store, tmp_path):
    text, graph = (SOURCES / "kernels" / "softmax.c").read_text(encoding="utf-8"), several_runs()
    assert "NEWTON_STEPS 3" in text
    (tmp_path / "softmax.c").write_text(text.replace("NEWTON_STEPS 3", "NEWTON_STEPS 1"), encoding="utf-8")
    rung = WrongFirmware(soc_rung(store, DESIGN, BOARD).simulator)
    rung.firmware = compile_sources(
        [SOURCES / "heddle.c", *(file for file in kernel_files() if file.stem != "softmax"), tmp_path / "softmax.c",
         SOURCES / "main.c"],
        tmp_path / "firmware", cpu=DESIGN.cpu, memory=MemoryMap())
    report = check(graph, random_inputs(np.random.default_rng(4), graph, 20), level="soc", rung=rung)
    assert report.mismatches and report.first_mismatch.layer == "answer"
