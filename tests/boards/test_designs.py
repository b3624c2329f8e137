"""Designs on boards whose devices do not have their cells."""

from dataclasses import replace

import pytest

from boards import BOARDS, check_design, find_board
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_be_built_for_its_board(name):
    check_design(PRESETS[name], find_board(PRESETS[name].board))
    assert find_board(PRESETS[name].board).family == ("ice40" if name == "up5k" else "ecp5")


@pytest.mark.parametrize("design, board, text", [
    (replace(PRESETS["up5k"], multiplier="lut"), "ulx3s-25",
     "memory='spram': the ecp5 of board 'ulx3s-25' has no such memories; choose memory='bram' or a board with an "
     "ice40 UP5K"),
    (DesignPoint(multiplier="mac16"), "ulx3s-85",
     "multiplier='mac16': is made of cells of the ice40, and board 'ulx3s-85' has an ecp5; choose another multiplier "
     "or a board with an ice40"),
    (replace(PRESETS["up5k"], requantizer_dsps=2), "icebreaker",
     "requantizer_dsps=2: no multiplier block of the ice40 of board 'icebreaker' takes part in a requantizer; set "
     "requantizer_dsps=0"),
    (DesignPoint(multiplier="scalable-dsp"), "icebreaker",
     "multiplier='scalable-dsp': is made of cells of the ecp5, and board 'icebreaker' has an ice40 (a block of an "
     "ice40 multiplies two weights of 8 bits, and no more of 4); choose another multiplier or a board with an ecp5"),
])
def test_a_design_that_a_board_has_no_cells_for(design, board, text):
    with pytest.raises(SpecError) as caught:
        check_design(design, BOARDS[board])
    assert str(caught.value) == text
