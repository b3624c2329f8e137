from boards import find_board
from boards._devices import DEVICES


def test_what_does_not_fit_is_named():
    board = find_board("ulx3s-25")
    assert board.shortfalls(board.budget) == []
    assert board.shortfalls({"lut": 10, "dsp": 36, "bram": 57.0}) == ["dsp 36 of 28", "bram 57 of 56"]


def test_what_the_part_says_is_not_said_again():
    board = find_board("ulx3s-45")
    assert (board.device, board.family, board.standby_a) == ("LFE5U-45F", "ecp5", DEVICES["LFE5U-45F"].standby_a)
    assert board.nextpnr_args == ("--45k", "--package", "CABGA381", "--speed", "6")
    assert board.budget["lut"] == DEVICES["LFE5U-45F"].lut
