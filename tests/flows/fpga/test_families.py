import pytest

from boards import BOARDS
from flows.fpga.families import FAMILIES
from hw.tools import TOOLS


def test_every_board_is_of_a_family():
    assert {board.family for board in BOARDS.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_familys_tools_and_cells_are_known(name):
    family = FAMILIES[name]
    assert TOOLS[family.nextpnr].native and TOOLS[family.pack[0]].native
    assert family.synth.split()[0] == f"synth_{name}"
    counted, budget = set(family.cells), next(board for board in BOARDS.values() if board.family == name).budget
    assert counted <= set(budget)
    # what nextpnr does not report is what the device lacks, and flip-flops, which the netlist counts
    assert {kind for kind in budget if kind not in counted and budget[kind]} <= {"ff"}
    assert len(set(family.cells.values())) == len(counted)
