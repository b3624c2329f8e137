"""Routed designs that nothing routed."""

from dataclasses import dataclass
from pathlib import Path

from flows.fpga.routing import Clock, Routed
from flows.run.files import write_json
from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.spec.errors import HeddleError
from hw.tools import run

__all__ = ["PATH", "Slow", "routed"]

#: A path as nextpnr reports it, shortened: the names of its cells are real ones.
PATH = [
    {"type": "clk-to-q", "delay": 0.5, "from": {"cell": "VexRiscv.execute_to_memory_BRANCH_CALC_TRELLIS_FF_Q_3"},
     "to": {"cell": "VexRiscv.execute_to_memory_BRANCH_CALC_TRELLIS_FF_Q_3"}},
    {"type": "routing", "delay": 2.0, "from": {"cell": "VexRiscv.execute_to_memory_BRANCH_CALC_TRELLIS_FF_Q_3"},
     "to": {"cell": "slaves_SB_DFFSR_Q_2_D_SB_LUT4_O_LC"}},
    {"type": "logic", "delay": 0.25, "from": {"cell": "slaves_SB_DFFSR_Q_2_D_SB_LUT4_O_LC"},
     "to": {"cell": "slaves_SB_DFFSR_Q_2_D_SB_LUT4_O_LC"}},
    {"type": "routing", "delay": 1.5, "from": {"cell": "slaves_SB_DFFSR_Q_2_D_SB_LUT4_O_LC"},
     "to": {"cell": "heddle_engine.sequencer.near_LUT4_A_D_LUT4_Z"}},
    {"type": "logic", "delay": 0.25, "from": {"cell": "heddle_engine.sequencer.near_LUT4_A_D_LUT4_Z"},
     "to": {"cell": "heddle_engine.sequencer.near_LUT4_A_D_LUT4_Z"}},
    {"type": "routing", "delay": 0.5, "from": {"cell": "heddle_engine.sequencer.near_LUT4_A_D_LUT4_Z"},
     "to": {"cell": "heddle_engine.array.element_0_0.total$CCU2_COMB1"}},
]


def routed(folder: Path, seed: int, fmax_mhz: float, wanted_mhz: float = 50.0, resources=None) -> Routed:
    """With a report of its path in ``folder``, if that is there."""
    if folder.is_dir():
        write_json(folder / "report.json", {"critical_paths": [
            {"from": "<async>", "to": "posedge sys", "path": PATH[:1]},
            {"from": "posedge sys", "to": "posedge sys", "path": PATH}]})
    return Routed(folder=folder, seed=seed, clocks={"sys": Clock(achieved_mhz=fmax_mhz, wanted_mhz=wanted_mhz)},
                  resources=resources or {})


@dataclass(frozen=True, kw_only=True)
class Slow(Step[Routed]):
    """A routing that takes so long and gives that, by a program of its own; what is begun and made is written down."""

    kind = "slow"
    seed: int
    fmax_mhz: float | None      # None: it fails
    seconds: float = 0.0
    diary: Path = keyed(None)

    def make(self, folder: Path, store: Store) -> None:
        self._note("begun")
        run(["sleep", f"{self.seconds}"], cwd=folder, timeout_s=60, log=folder / "log")
        if self.fmax_mhz is None:
            raise HeddleError(f"seed {self.seed} cannot be placed")
        self._note("made")

    def load(self, folder: Path) -> Routed:
        return routed(folder, self.seed, self.fmax_mhz or 0.0)

    def _note(self, word: str) -> None:
        with self.diary.open("a", encoding="utf-8") as file:
            file.write(f"{word} {self.seed}\n")
