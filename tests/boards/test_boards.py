from dataclasses import FrozenInstanceError

import pytest

from boards import BOARDS, find_board
from hw.spec.errors import HeddleError, SpecError
from hw.spec.presets import PRESETS


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_facts_are_whole(board):
    assert find_board(board.name) is board
    assert set(board.budget) == {"lut", "ff", "dsp", "bram", "spram"}
    assert all(board.budget[name] > 0 for name in ("lut", "ff", "dsp", "bram"))
    assert board.clock_in_mhz > 0
    assert len({board.clock_pin, board.serial_tx_pin, board.serial_rx_pin, *board.led_pins}) == 3 + len(board.led_pins)
    assert board.flash_command("top.bit")[-1] == "top.bit"
    with pytest.raises(FrozenInstanceError):
        board.lut = 1


def test_an_up5k_has_what_its_data_sheet_says():
    board = find_board("icebreaker")
    assert (board.family, board.clock_in_mhz) == ("ice40", 12.0)
    assert board.budget == {"lut": 5280, "ff": 5280, "dsp": 8, "bram": 30, "spram": 4}
    assert board.flash_command("top.bin") == ["openFPGALoader", "--board", "ice40_generic", "top.bin"]


def test_every_preset_has_its_board():
    assert {design.board for design in PRESETS.values()} <= set(BOARDS)


def test_unknown_board_lists_the_names():
    with pytest.raises(HeddleError, match=r"^board 'ulx3s': unknown; choose one of ulx3s-12, ulx3s-25, ulx3s-45, ulx"):
        find_board("ulx3s")
    assert issubclass(SpecError, HeddleError)


def test_what_does_not_fit_is_named():
    board = find_board("ulx3s-25")
    assert board.shortfalls(board.budget) == []
    assert board.shortfalls({"lut": 10, "dsp": 36, "bram": 57.0}) == ["dsp 36 of 28", "bram 57 of 56"]
