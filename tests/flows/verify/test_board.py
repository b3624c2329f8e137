"""The firmware's protocol over a serial line, with a simulated SoC behind a pseudo-terminal in place of a board."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from boards import BOARDS
from flows.fpga.firmware import Firmware
from flows.verify.board import BoardRung
from flows.verify.soc_simulator import SocSimulator
from hw.spec.errors import HeddleError
from hw.spec.presets import PRESETS
from hw.spec.soc import memory_map
from sw.compiler import compile_graph
from sw.firmware.build import flash_content
from sw.firmware.protocol import DeviceError
from sw.graph.graph import Graph, TensorType
from tests.support.ladder import BOARD, DESIGN, check, several_runs, swapped_weight
from tests.support.layers import random_inputs, random_layer
from tests.support.line import at_a_terminal

pytestmark = pytest.mark.soc
SMALL, SMALL_BOARD = PRESETS["up5k"], BOARDS["icebreaker"]
PATIENCE_S = 120        # the simulated time of a board is longer


@contextmanager
def board(store, design=DESIGN, on=BOARD, image=b""):
    """The port of a simulated SoC."""
    memory = memory_map(design)
    firmware = Firmware(cpu=design.cpu, memory=memory).value(store)
    simulator = SocSimulator(design=design, board=on, firmware=firmware, memory=memory).value(store)
    with TemporaryDirectory() as name:
        folder = simulator / "soc"
        if image:
            folder = Path(name)
            (folder / "flash.bin").write_bytes(flash_content(b"", firmware, image, memory))
        with at_a_terminal(simulator, folder) as port:
            yield port


def asked(port, graph, inputs, design=DESIGN, on=BOARD, **options):
    return check(graph, inputs, design=design, board=on, level="board",
                 rung=BoardRung(design, on, port, patience_s=PATIENCE_S), **options)


def test_it_is_as_the_soc_says(store, graph, inputs, program):
    """Every bit and every cycle, the CPU's too; again without a reset, when its cache is warm; and a planted fault."""
    wanted = check(graph, inputs, store, level="soc")
    with board(store) as port:
        for cycles in (wanted.cycles, (wanted.cycles[1], *wanted.cycles[1:])):
            report = asked(port, graph, inputs)
            assert report.ok and report.level == "board" and report.mismatches == 0
            assert (report.cycles, report.engine_cycles) == (cycles, wanted.engine_cycles)
            assert report.layers == wanted.layers
        report = asked(port, graph, inputs, program=swapped_weight(program, 1))
    assert report.mismatches and report.first_mismatch.layer == "depthwise_layer"


def test_what_the_cpu_runs(store):
    graph = several_runs()
    inputs = random_inputs(np.random.default_rng(4), graph, 2)
    with board(store) as port:
        report = asked(port, graph, inputs)
    assert report.ok and report.kernels == check(graph, inputs, store, level="soc").kernels


def test_the_command_speaks_to_a_port(store, graph, inputs):
    with board(store) as port:
        report = check(graph, inputs, store, level="board", port=port)
    assert report.ok and report.inputs == 5


def test_another_design_is_on_the_board(store, graph, inputs):
    other = replace(DESIGN, cols=4)
    with board(store) as port, pytest.raises(DeviceError, match=(
            rf"^port {port}: the board has another design \(0x[0-9a-f]{{8}}, this is 0x[0-9a-f]{{8}}\); name that")):
        asked(port, graph, inputs, design=other)


def test_no_waves(graph, inputs, store, tmp_path):
    with pytest.raises(HeddleError, match=r"^level 'board': writes no waves; trace the level soc$"):
        check(graph, inputs, store, level="board", port="/dev/null", trace=tmp_path / "waves.vcd")


def small_net(seed):
    rng = np.random.default_rng(seed)
    taken = TensorType(shape=(4, 4, 4), scale=0.05, zero_point=3)
    layers = [random_layer(rng, "conv", taken, outputs=8, kernel=(3, 3), name="conv")]
    layers.append(random_layer(rng, "dense", layers[-1].output, outputs=5, name="dense"))
    return Graph(name="small", inputs=(taken,), layers=tuple(layers)).check()


@pytest.mark.slow
def test_a_board_that_boots_from_its_flash(store):
    """It is asked while it boots, runs what is in its flash, and is not taken for what runs another network."""
    graph, other = small_net(1), small_net(2)
    program, inputs = compile_graph(graph, SMALL), random_inputs(np.random.default_rng(3), graph, 2)
    with board(store, SMALL, SMALL_BOARD, program.image) as port:
        report = asked(port, graph, inputs, SMALL, SMALL_BOARD)
        assert report.ok and report.engine_cycles == (program.cycles,) * 2
        with pytest.raises(DeviceError, match=r"the board's flash has another network; write this one with"):
            asked(port, other, inputs, SMALL, SMALL_BOARD)
