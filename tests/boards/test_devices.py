from dataclasses import replace

import pytest

from boards import BOARDS, find_board
from boards._devices import DEVICES, read_part
from hw.spec.errors import SpecError


@pytest.mark.parametrize("number, args", [
    ("LFE5U-25F-6BG381C", ("--25k", "--package", "CABGA381", "--speed", "6")),
    ("LFE5U-12F-7BG256I", ("--12k", "--package", "CABGA256", "--speed", "7")),
    ("LFE5U-85F-8MG285C", ("--85k", "--package", "CSFBGA285", "--speed", "8")),
    ("iCE40UP5K-SG48I", ("--up5k", "--package", "sg48")),
])
def test_a_part_number_says_device_package_and_speed(number, args):
    assert read_part(number).nextpnr_args == args


@pytest.mark.parametrize("number", ["LFE5U-25F", "LFE5U-26F-6BG381C", "LFE5U-25F-9BG381C", "iCE40HX8K-CT256", ""])
def test_an_unknown_part_says_what_is_known(number):
    with pytest.raises(SpecError, match=rf"^part '{number}': unknown; give a full part number, .*, or add its device"):
        replace(BOARDS["ulx3s-25"], part=number)


def test_an_up5k_has_what_its_data_sheet_says():
    board = find_board("icebreaker")
    assert (board.family, board.device, board.clock_in_mhz) == ("ice40", "iCE40UP5K", 12.0)
    assert board.budget == {"lut": 5280, "ff": 5280, "dsp": 8, "bram": 30, "spram": 4}


def test_a_larger_ecp5_has_more_of_everything():
    sizes = [DEVICES[f"LFE5U-{size}F"] for size in (25, 45, 85)]
    for name in ("lut", "ff", "dsp", "bram", "standby_a"):
        values = [getattr(device, name) for device in sizes]
        assert values == sorted(set(values))


def test_every_device_is_on_a_board():
    assert {board.device for board in BOARDS.values()} == set(DEVICES)
