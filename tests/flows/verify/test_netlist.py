"""The routed SoC against the golden model; faults planted in what nextpnr wrote must be found."""

import gzip
import json
import re

import numpy as np
import pytest

from cosim.process import SimulationError
from cosim.routed import memories_of
from flows.fpga.patch import PatchError, patch_memory, placeholder
from flows.run.store import open_store
from flows.verify.netlist import NetlistRung, configured
from flows.verify.netlist_simulator import NetlistSimulator
from hw.soc.generate import FACTS
from hw.spec.errors import HeddleError
from hw.spec.image import resident_part
from sw.compiler import compile_graph
from tests.support.ladder import BOARD, DESIGN, check, several_runs
from tests.support.layers import random_inputs

LANES = DESIGN.weight_port_bits // 8


def bytes_of(content):
    """The weight memory in block RAMs with a byte each, behind one that holds something else."""
    lanes = np.frombuffer(content, np.uint8).reshape(-1, LANES).astype(np.uint16)
    return {"other": np.arange(2048, dtype=np.uint16) % 512,
            **{f"lane{lane}": np.pad(lanes[:, lane], (0, 2048 - len(lanes))) for lane in range(LANES)}}


def test_weights_are_where_the_bitstream_has_them():
    program, before = compile_graph(several_runs(), DESIGN), bytes_of(placeholder(DESIGN.weight_bytes))
    made = configured(before, program.image, DESIGN)
    wanted = bytes_of(resident_part(program.image).ljust(DESIGN.weight_bytes, b"\0"))
    assert made.keys() == wanted.keys() and all(np.array_equal(made[name], wanted[name]) for name in wanted)
    with pytest.raises(PatchError, match="routed netlist: .* bits of the memory are in no block RAM of it"):
        configured({**before, "lane0": before["other"]}, program.image, DESIGN)


def test_weights_from_an_sdram_are_refused(tmp_path):
    graph = several_runs()
    program = compile_graph(graph, DESIGN)
    rung = NetlistRung(open_store(), DESIGN, BOARD)
    with pytest.raises(HeddleError, match="level 'netlist': weights of .* stream from the SDRAM of ulx3s-25, and pads"):
        check(graph, random_inputs(np.random.default_rng(1), graph, 1), rung=rung,
              program=Streaming(program))


class Streaming:
    """A program whose weights stream from outside."""

    streams_outside = True

    def __init__(self, program):
        self.program = program

    def __getattr__(self, name):
        return getattr(self.program, name)


class Altered(NetlistRung):
    """With one table of the routed netlist inverted: the first of a requantizer."""

    def _simulator(self, build, trace):
        with gzip.open(build.routed.netlist, "rt", encoding="utf-8") as file:
            document = json.load(file)
        (module,) = document["modules"].values()
        name = min(name for name, cell in module["cells"].items() if cell["type"] == "TRELLIS_COMB"
                   and re.match(r"heddle_engine\.requantizer", name) and cell["parameters"].get("MODE") != "CCU2")
        params = module["cells"][name]["parameters"]
        params["INITVAL"] = params["INITVAL"].translate(str.maketrans("01", "10"))
        path = self.folder / "altered.json.gz"
        with gzip.open(path, "wt", encoding="utf-8") as file:
            json.dump(document, file)
        return NetlistSimulator(netlist=path, facts=build.soc.folder / FACTS, family=self.board.family,
                                firmware=build.firmware).value(self.store)


@pytest.mark.slow
def test_the_routed_soc_agrees_and_an_altered_table_is_found(tmp_path):
    """Some minutes of routing, unless the store has it."""
    graph, store = several_runs(), open_store()
    inputs, program = random_inputs(np.random.default_rng(4), graph, 2), compile_graph(several_runs(), DESIGN)
    rung = NetlistRung(store, DESIGN, BOARD)
    report = check(graph, inputs, store, rung=rung, trace=tmp_path / "waves.vcd")
    assert report.ok and report.level == "netlist" and report.engine_cycles == (program.cycles,) * 2
    assert [layer.cycles for layer in report.layers] == [layer.predicted_cycles for layer in report.layers]
    assert report.build.timing_met and report.build.clock_mhz == BOARD.soc_mhz and report.build.cycles_per_s > 1000
    assert "heddle_engine" in (tmp_path / "waves.vcd").read_text(encoding="utf-8")[:100_000]
    assert_same_memories(rung, program, tmp_path)
    altered = Altered(store, DESIGN, BOARD)
    altered.folder = tmp_path
    try:
        assert not check(graph, inputs, store, rung=altered).ok
    except SimulationError:
        pass        # an engine that does not end is found too


def assert_same_memories(rung, program, folder):
    """The simulated memories hold what the bitstream's do."""
    memories = configured(memories_of(rung._simulator(rung.build, trace=False)), program.image, DESIGN)
    patch_memory(rung.build.routed.textcfg, before=placeholder(DESIGN.weight_bytes),
                 after=resident_part(program.image).ljust(DESIGN.weight_bytes, b"\0"),
                 word_bits=DESIGN.weight_port_bits, out=folder / "top.config")
    text = (folder / "top.config").read_text(encoding="utf-8")
    blocks = [[int(word, 16) for word in block.split()] for block in re.findall(r"\.bram_init \d+\n((?:[0-9a-f ]+\n)+)",
                                                                                text)]
    assert sorted(blocks) == sorted(words.tolist() for words in memories.values())
