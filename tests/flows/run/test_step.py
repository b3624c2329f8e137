"""Keys of steps: which edit, input or tool moves which key, and which does not."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from flows.run.closure import ROOT
from flows.run.step import Step, canonical, keyed
from flows.run.store import Store, StoreError


@dataclass(frozen=True, kw_only=True)
class Doubled(Step[int]):
    kind = "doubled"
    number: int
    name: str = keyed(None, default="")
    parity: int = keyed(lambda value: value % 2, default=0)
    made: list = field(default_factory=list, metadata={"by": None})

    def make(self, folder, store):
        self.made.append(self.number)
        (folder / "number").write_text(str(2 * self.number))

    def load(self, folder):
        return int((folder / "number").read_text())


@dataclass(frozen=True, kw_only=True)
class Sum(Step[int]):
    kind = "sum"
    parts: tuple[Doubled, ...]

    def make(self, folder, store):
        (folder / "sum").write_text(str(sum(part.value(store) for part in self.parts)))

    def load(self, folder):
        return int((folder / "sum").read_text())


def test_a_value_is_made_once(tmp_path):
    store, step = Store(tmp_path), Doubled(number=4)
    assert step.value(store) == 8 == step.value(store)
    assert step.made == [4]


def test_fields_count_as_they_say():
    assert Doubled(number=4).digest == Doubled(number=4, name="four").digest == Doubled(number=4, parity=2).digest
    assert len({step.digest for step in (Doubled(number=4), Doubled(number=5), Doubled(number=4, parity=1))}) == 3


def test_a_step_depends_on_the_steps_that_it_holds(tmp_path):
    one, other = (Sum(parts=(Doubled(number=1), Doubled(number=n))) for n in (2, 3))
    assert one.digest != other.digest
    assert one.value(Store(tmp_path)) == 6


def test_inputs_count_by_content(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.npz").write_bytes(b"1")
    here, there = (canonical(tmp_path / name / "model.npz") for name in ("a", "b"))
    assert here == there
    (tmp_path / "b" / "model.npz").write_bytes(b"2")
    assert canonical(tmp_path / "b" / "model.npz") != here
    assert canonical(np.zeros(4, np.int8)) != canonical(np.zeros((2, 2), np.int8)) != canonical(np.zeros((2, 2), bool))
    json.dumps(canonical({"a": (1, None, 2.5), "b": b"x", "c": np.arange(3)}))


@pytest.mark.parametrize("value, says", [
    (object(), r"^key: object cannot be an input of a step; give it a property 'digest'"),
    (Path(__file__).parent, r"is a folder; name its files, or the step that made it$")])
def test_what_depends_on_who_knows_what_is_refused(value, says):
    with pytest.raises(StoreError, match=says):
        canonical(value)


#: In a copy of the sources: edits each file that is named, and prints the kinds of steps whose keys that moves.
EDITS = """
import json
import sys
from pathlib import Path

import numpy as np

from boards import find_board
from flows.fpga.bitstream import Bitstream
from flows.fpga.firmware import Firmware
from flows.fpga.netlist import Netlist, Synthesis
from flows.fpga.placing import Placing
from flows.fpga.routing import Routing
from flows.fpga.soc import SocSources
from flows.search.fits import Fitting
from flows.search.space import Space
from flows.search.study import Study
from flows.search.supernet import Supernet
from flows.search.worth import Requirement
from flows.train.accuracy import Accuracy
from flows.train.data import DataSource
from flows.train.draft import Draft
from flows.train.untrained import Untrained
from flows.train.noise import MultiplierNoise
from flows.train.training import Training
from flows.verify.array_simulator import ArraySimulator
from flows.verify.engine_simulator import EngineSimulator
from flows.verify.soc_simulator import SocSimulator
from flows.verify.verification import Verification
from hw.spec.design import DesignPoint
from hw.spec.soc import memory_map
from sw.quant.config import TrainConfig

file = Path("README.md")
design, board, data = DesignPoint(), find_board("ulx3s-25"), DataSource.of("digits")
memory = memory_map(design)
netlist = Netlist(folder=Path("netlist"), top="top", cells={})
steps = [
    Firmware(cpu="vexriscv"), SocSources(design=design, board=board, clock_mhz=50.0, firmware=file, memory=memory),
    Synthesis(verilog=(file,), top="top", family="ecp5"),
    Placing(netlist=netlist, board=board, freq_mhz=50.0),
    Routing(netlist=netlist, board=board, freq_mhz=50.0, seed=1),
    Bitstream(textcfg=file, image=b"", memory_bytes=1024, word_bits=32),
    ArraySimulator(design=design), EngineSimulator(design=design),
    SocSimulator(design=design, board=board, firmware=file, memory=memory),
    Verification(model=file, design=design, board=board, level="soc", inputs=np.zeros(1, np.int8)),
    Training(config=TrainConfig(network="mlp"), data=data), Untrained(config=TrainConfig(network="mlp"), data=data),
    Draft(network=Untrained(config=TrainConfig(network="mlp"), data=data)),
    Fitting(model=file, designs=(design,), boards=(("ulx3s-25",),), clock_mhz=50.0),
    Accuracy(model=file, data=data, split="test"),
    MultiplierNoise(multiplier="trunc", weight_bits=8), Supernet(members=(), steps=1, seed=1),
    Study(space=Space(), data=(data,), requirement=Requirement(), models=(file,))]

def digests():
    return {type(step).__name__: step.digest for step in steps}


before, moved = digests(), {}
for name, added in json.loads(sys.argv[1]).items():
    file = Path(name)
    text = file.read_text()
    file.write_text(text + added)
    after = digests()
    file.write_text(text)
    moved[name] = [kind for kind in before if before[kind] != after[kind]]
assert digests() == before
print(json.dumps(moved))
"""
DRAFTS = {"Untrained", "Draft"}
SIMULATORS = {"ArraySimulator", "EngineSimulator", "SocSimulator"}
#: file -> the kinds of steps whose keys an edit of it moves
MOVES = {
    "flows/train/accuracy.py": {"Accuracy", "Study"},
    "sw/quant/noise.py": {"Training", "Supernet", *DRAFTS, "Study"},      # a study asks for trainings
    "sw/models/networks.py": {"Training", "Supernet", *DRAFTS, "Study"},
    # the firmware's functions, and golden between two runs of the engine, are of this package
    "sw/golden/ops.py": {"Training", "Supernet", *DRAFTS, "Fitting", "Accuracy", "Study", "Verification", "Firmware",
                         "SocSources", *SIMULATORS},
    "sw/firmware/build.py": {"Firmware", "SocSources", "SocSimulator", "Verification"},
    "sw/firmware/src/heddle.c": {"Firmware", "SocSources", "SocSimulator", "Verification"},
    "hw/soc/top.py": {"SocSources", "SocSimulator", "Verification"},
    "hw/gateware/drain.py": {"SocSources", "MultiplierNoise", "Study", "Verification", *SIMULATORS},
    "cosim/engine.cpp": {"EngineSimulator", "Verification"},
    "cosim/multiplier.cpp": {"MultiplierNoise", "Study"},
    # a verification of a netlist synthesizes, places, routes and packs
    "flows/fpga/families.py": {"Synthesis", "Placing", "Routing", "Bitstream", "Verification"},
    "flows/fpga/floorplan.py": {"Placing", "Verification"},
    "flows/fpga/patch.py": {"SocSources", "Bitstream", "Verification"},
    "flows/estimate/resources.json": {"Fitting", "Study"},
    "sw/compiler/schedule.py": {"Draft", "Fitting", "Study", "Verification", "ArraySimulator"},
    "sw/compiler/costs.py": {"Fitting", "Study"},
    "flows/search/samplers.py": {"Study"},
    "flows/search/gates.py": {"Supernet", "Study"},
    "sw/quant/supernet.py": {"Supernet", "Study"},
    "flows/search/measure.py": set(),
    "flows/report/page.py": set(),
    "flows/commands/build.py": set(),
    "tests/support/points.py": set(),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the sources, and a function that says which steps' keys edits of its files move."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("hw", "sw", "boards", "cosim", "flows", "tests/support"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "README.md").write_text("an input")
    (root / "netlist").mkdir()
    (root / "netlist" / "netlist.json").write_text("{}")

    def moved(edits, *, network="mlp"):
        script = EDITS.replace('network="mlp"', f'network="{network}"')
        done = subprocess.run([sys.executable, "-c", script, json.dumps(edits)], cwd=root, capture_output=True,
                              text=True, env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}, check=True)
        return {name: set(kinds) for name, kinds in json.loads(done.stdout).items()}
    return root, moved


def test_an_edit_moves_the_keys_of_what_it_makes_and_no_others(copy):
    _, moved = copy
    added = {".json": "\n", ".py": "\n# edited\n"}
    assert moved({name: added.get(Path(name).suffix, "//\n") for name in MOVES}) == MOVES


def test_a_network_of_ones_own_is_a_part_of_its_trainings_key(copy):
    root, moved = copy
    (root / "mine.py").write_text(
        "from torch import nn\ndef mine(shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n")
    assert moved({"mine.py": "# changed\n"}, network="mine.py:mine") == {"mine.py": {"Training", *DRAFTS}}
