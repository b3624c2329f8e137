"""Every CPU passes the same suite: its facts, its firmware, its SoC with the engine and without."""

import re
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from boards import BOARDS
from cosim.soc import Message, build_soc_sim, converse, run_soc, talk
from hw.soc.cpus import CPUS, find_cpu
from hw.spec.cfu import CFU_INSTRUCTIONS, cfu_result, corner_operands
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.presets import PRESETS
from hw.spec.soc import MemoryMap
from hw.tools import run as run_tool
from sw.compiler import compile_graph
from sw.firmware import DeviceError, build, build_software, c_header
from sw.firmware import protocol as wire
from sw.firmware.build import SOURCES
from sw.firmware.protocol import Op, Status
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.joined import names_with
from tests.support.layers import random_inputs, random_layer

BOARD = BOARDS["ulx3s-25"]
DESIGN = DesignPoint(rows=2, cols=2, lanes=4, multiplier="lut", act_bytes=4096, weight_bytes=16384)
every_cpu = pytest.mark.parametrize("cpu", CPUS.values(), ids=CPUS)


@every_cpu
def test_facts_are_whole(cpu):
    assert find_cpu(cpu.name) is cpu
    assert Path(sys.modules[f"hw.soc.cpus.{cpu.name}"].__file__).stem == cpu.name
    assert DesignPoint(cpu=cpu.name).cpu == cpu.name
    assert all(path.is_file() for path in cpu.files())
    memory = MemoryMap()
    assert all(region.origin >= cpu.uncached_base for region in (memory.engine, memory.io))
    with pytest.raises(FrozenInstanceError):
        cpu.march = "rv64gc"


def test_an_unknown_cpu_lists_the_names():
    with pytest.raises(SpecError, match="^cpu='arm': unknown; choose 'picorv32', 'serv', 'vexriscv'$"):
        find_cpu("arm")


def test_every_preset_and_the_default_name_a_cpu():
    assert {design.cpu for design in [*PRESETS.values(), DesignPoint()]} <= set(CPUS)


def test_a_file_in_the_folder_is_a_cpu(tmp_path):
    """Found there, with nothing else to edit."""
    mine = Path(sys.modules["hw.soc.cpus.serv"].__file__).read_text(encoding="utf-8")
    assert names_with(tmp_path, "hw/soc/cpus/mine.py", mine.replace('name="serv"', 'name="mine"'),
                      "from hw.soc.cpus import CPUS; print(*CPUS)") == ["mine", *CPUS]


@every_cpu
def test_the_firmware_fits_and_its_header_says_what_the_cpu_has(cpu, tmp_path):
    firmware = build(tmp_path, cpu=cpu.name)
    assert len(firmware.read_bytes()) < MemoryMap().rom.size
    header = (tmp_path / "heddle_config.h").read_text(encoding="utf-8")
    assert header == c_header(cpu=cpu.name) != c_header(cpu=next(name for name in CPUS if name != cpu.name))
    assert ("heddle_cfu_" in header) == ("HEDDLE_CFU_ENABLE " in header) == bool(cpu.custom)
    assert (f'HEDDLE_CYCLE_CSR "{cpu.cycle_csr}"' in header) == bool(cpu.cycle_csr)


@pytest.fixture(scope="module", params=CPUS)
def soc(request, tmp_path_factory):
    """The CPU's name and a simulator of its SoC with an engine."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, build_soc_sim(replace(DESIGN, cpu=request.param), BOARD, folder)


@pytest.mark.soc
def test_a_network_on_the_engine(soc):
    cpu, simulator = soc
    rng = np.random.default_rng(5)
    graph = small_network(rng)
    program, data = compile_graph(graph, DESIGN), random_inputs(rng, graph, 3)
    answer = run_soc(simulator, program.image, data)
    assert np.array_equal(answer.outputs, run(graph, data, DESIGN)[-1].reshape(3, -1))
    assert answer.engine_cycles.tolist() == [program.cycles] * 3
    assert answer.layer_cycles.tolist() == [[layer.cycles for layer in program.layers]] * 3
    assert (answer.cycles > answer.engine_cycles).all()
    assert answer.cycles.sum() < answer.simulated_cycles


@pytest.mark.soc
def test_custom_instructions_are_done_or_refused(soc):
    cpu, simulator = soc
    commands = [(entry.function_id, a, b) for entry in CFU_INSTRUCTIONS.values() for a, b in corner_operands()[:20]]
    assert (simulator / "soc" / "Cfu.v").exists() == bool(CPUS[cpu].custom)
    frame, = talk(simulator, [(Op.CFU, wire.cfu_payload(commands))]).frames
    if CPUS[cpu].custom:
        assert wire.parse_cfu(frame.payload) == [cfu_result(*command) for command in commands]
    else:
        assert Status(frame.kind) == Status.NO_CFU
        with pytest.raises(DeviceError, match="NO_CFU: the SoC's CPU has no custom instructions; choose a design"):
            wire.check(frame, "custom instructions")


@pytest.mark.soc
def test_every_trap_is_reported_with_its_address(soc, tmp_path):
    """A request for nothing traps, and the program that starts again traps for the next one too."""
    cpu, simulator = soc
    source = (SOURCES / "main.c").read_text(encoding="utf-8")
    asked = "        return HEDDLE_BAD_OP;"
    assert asked in source
    (tmp_path / "main.c").write_text(source.replace(asked, f'        __asm__ volatile("ebreak");\n{asked}'),
                                     encoding="utf-8")
    firmware = build(tmp_path / "out", cpu=cpu, main=tmp_path / "main.c")
    answer = converse(simulator, [Message(data=wire.encode(99, 0))] * 2, firmware=firmware)
    place = ebreak_address(tmp_path / "out" / "firmware.elf")
    frames = wire.decode(answer.data)
    assert len(frames) == 2
    for frame in frames:
        with pytest.raises(DeviceError, match=rf"TRAP: the firmware met a trap \(mcause 0x[23], mepc {place:#x},"):
            wire.check(frame, "request")


def ebreak_address(elf):
    run_tool(["riscv64-unknown-elf-objdump", "-d", elf.name], cwd=elf.parent, timeout_s=60, log=elf.parent / "listing")
    found = re.findall(r"^\s*([0-9a-f]+):.*\bebreak\b", (elf.parent / "listing").read_text(encoding="utf-8"), re.M)
    assert len(found) == 1
    return int(found[0], 16)


def small_network(rng):
    """What the slowest CPU computes in a second of simulation."""
    kind = TensorType(shape=(2, 2, 4), scale=0.1, zero_point=3)
    conv = random_layer(rng, "conv", kind, kernel=(2, 2), name="conv")
    return Graph(name="small", inputs=(kind,), layers=(conv, random_layer(rng, "dense", conv.output, name="fc")))


@pytest.mark.soc
@pytest.mark.parametrize("simd", [False, True])
def test_a_network_on_the_cpu_alone(soc, tmp_path, simd):
    cpu, simulator = soc
    rng = np.random.default_rng(1)
    graph = small_network(rng)
    data = random_inputs(rng, graph, 2)
    options = {"simd": simd, "cpu": cpu, "memory": MemoryMap()}
    if simd and not CPUS[cpu].custom:
        with pytest.raises(HeddleError, match=f"^cpu='{cpu}': has no custom instructions; choose cpu='vexriscv', or"):
            build_software(graph, tmp_path, **options)
    else:
        answer = run_soc(simulator, None, data, firmware=build_software(graph, tmp_path, **options))
        assert np.array_equal(answer.outputs, run(graph, data)[-1].reshape(2, -1))
