import pytest

from boards import check_stream, find_board
from boards._devices import DEVICES
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError


def test_what_does_not_fit_is_named():
    board = find_board("ulx3s-25")
    assert board.shortfalls(board.budget) == []
    assert board.shortfalls({"lut": 10, "dsp": 36, "bram": 57.0}) == ["dsp 36 of 28", "bram 57 of 56"]


def test_what_the_part_says_is_not_said_again():
    board = find_board("ulx3s-45")
    assert (board.device, board.family, board.standby_a) == ("LFE5U-45F", "ecp5", DEVICES["LFE5U-45F"].standby_a)
    assert board.nextpnr_args == ("--45k", "--package", "CABGA381", "--speed", "6")
    assert board.budget["lut"] == DEVICES["LFE5U-45F"].lut


@pytest.mark.parametrize("name, most", [("ulx3s-25", 2), ("colorlight-i5", 4), ("orangecrab-25", 8), ("ecpix5-45", 8)])
def test_a_memory_gives_what_its_data_pins_take(name, most):
    """One word a cycle, or four of DDR3; a design that takes as much streams from it, one that takes more does not."""
    board = find_board(name)
    assert board.sdram.bytes_per_cycle == most
    for width in (2, 4):
        design = DesignPoint(stream_bytes=width)
        if width <= most:
            check_stream(design, board)
        else:
            with pytest.raises(SpecError, match=rf"^stream_bytes=4: the memory of board '{name}' gives {most} bytes "):
                check_stream(design, board)
