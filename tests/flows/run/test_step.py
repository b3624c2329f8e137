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


#: Prints the digest of a step of each kind, in a copy of the sources.
KINDS = """
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from boards import find_board
from flows.fpga.bitstream import Bitstream
from flows.fpga.firmware import Firmware
from flows.fpga.netlist import Netlist, Synthesis
from flows.fpga.routing import Routing
from flows.fpga.soc import SocSources
from flows.search.space import Space
from flows.search.study import Study
from flows.search.worth import Requirement
from flows.train.accuracy import Accuracy
from flows.train.data import DataSource
from flows.train.noise import MultiplierNoise
from flows.train.training import Training
from flows.verify.array_simulator import ArraySimulator
from flows.verify.engine_simulator import EngineSimulator
from flows.verify.soc_simulator import SocSimulator
from flows.verify.verification import Verification
from hw.spec.design import DesignPoint
from sw.quant.config import TrainConfig

file = Path("README.md")
design, board, data = DesignPoint(), find_board("ulx3s-25"), DataSource(name="digits", content="d")
netlist = Netlist(folder=Path("netlist"), top="top", cells={})
steps = [
    Firmware(cpu="vexriscv"), SocSources(design=design, board=board, clock_mhz=50.0, firmware=file),
    Synthesis(verilog=(file,), top="top", family="ecp5"),
    Routing(netlist=netlist, board=board, freq_mhz=50.0, seed=1),
    Bitstream(textcfg=file, image=b"", memory_bytes=1024, word_bits=32),
    ArraySimulator(design=design), EngineSimulator(design=design),
    SocSimulator(design=design, board=board, firmware=file),
    Verification(model=file, design=design, board=board, level="soc", inputs=np.zeros(1, np.int8)),
    Training(config=TrainConfig(network="mlp"), data=data), Accuracy(model=file, data=data, split="test"),
    MultiplierNoise(multiplier="trunc", weight_bits=8),
    Study(space=Space(), data=data, requirement=Requirement(), models=(file,))]
print(json.dumps({type(step).__name__: step.digest for step in steps}))
"""
SIMULATORS = {"ArraySimulator", "EngineSimulator", "SocSimulator"}
#: file -> the kinds of steps whose keys an edit of it moves
MOVES = {
    "flows/train/accuracy.py": {"Accuracy", "Study"},
    "sw/quant/noise.py": {"Training"},
    "sw/models/networks.py": {"Training"},      # a study knows its models by their contents
    "sw/golden/ops.py": {"Training", "Accuracy", "Study", "ArraySimulator", "Verification"},
    "sw/firmware/build.py": {"Firmware", "SocSources", "SocSimulator", "Verification"},
    "sw/firmware/src/heddle.c": {"Firmware", "SocSources", "SocSimulator", "Verification"},
    "hw/soc/top.py": {"SocSources", "SocSimulator", "Verification"},
    "hw/gateware/drain.py": {"SocSources", "MultiplierNoise", "Verification", *SIMULATORS},
    "cosim/engine.cpp": {"EngineSimulator", "Verification"},
    "cosim/multiplier.cpp": {"MultiplierNoise"},
    "flows/fpga/families.py": {"Synthesis", "Routing", "Verification"},
    "flows/fpga/patch.py": {"SocSources", "Bitstream", "Verification"},
    "flows/estimate/resources.json": {"Study"},
    "flows/search/measure.py": set(),
    "flows/report/page.py": set(),
    "flows/commands/build.py": set(),
    "tests/support/points.py": set(),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the sources, and a function that gives the digests of its steps."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("hw", "sw", "boards", "cosim", "flows", "tests/support"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "README.md").write_text("an input")
    (root / "netlist").mkdir()
    (root / "netlist" / "netlist.json").write_text("{}")

    def digests(prelude=""):
        done = subprocess.run([sys.executable, "-c", prelude + KINDS], cwd=root, capture_output=True, text=True,
                              env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}, check=True)
        return json.loads(done.stdout)
    return root, digests


def test_an_edit_moves_the_keys_of_what_it_makes_and_no_others(copy):
    root, digests = copy
    before = digests()
    for name, wanted in MOVES.items():
        path = root / name
        text = path.read_text()
        path.write_text(text + ("\n" if path.suffix == ".json" else "\n# edited\n" if path.suffix == ".py" else "//\n"))
        after = digests()
        path.write_text(text)
        assert {kind for kind in before if before[kind] != after[kind]} == wanted, name
    assert digests() == before


def test_a_network_of_ones_own_is_a_part_of_its_trainings_key(copy):
    root, digests = copy
    (root / "mine.py").write_text(
        "from sw.models import LayerSpec, network\n@network('mine')\ndef mine(shape, classes):\n"
        "    return (LayerSpec(op='dense', channels=classes, scaled=False, relu=False),)\n")
    prelude = KINDS.replace('network="mlp"', 'network="mine"')
    run = [sys.executable, "-c", "import mine\n" + prelude]
    found = []
    for line in ("", "# changed\n"):
        with (root / "mine.py").open("a") as file:
            file.write(line)
        done = subprocess.run(run, cwd=root, capture_output=True, text=True, check=True,
                              env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"})
        found.append(json.loads(done.stdout))
    assert {kind for kind in found[0] if found[0][kind] != found[1][kind]} == {"Training"}
