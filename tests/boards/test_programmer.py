import pytest

from boards import BOARDS, Programmer

#: Board -> the command, as openFPGALoader's and icesprog's own documentation have it.
COMMANDS = {
    "colorlight-i5": "openFPGALoader --board colorlight-i5 x",
    "ecpix5-45": "openFPGALoader --board ecpix5 x",
    "ecpix5-85": "openFPGALoader --board ecpix5 x",
    "icebreaker": "openFPGALoader --board ice40_generic --write-flash x",
    "icesugar": "icesprog x",
    "orangecrab-25": "openFPGALoader --board orangeCrab x",
    "orangecrab-85": "openFPGALoader --board orangeCrab x",
    "ulx3s-12": "openFPGALoader --board ulx3s x",
    "ulx3s-25": "openFPGALoader --board ulx3s x",
    "ulx3s-45": "openFPGALoader --board ulx3s x",
    "ulx3s-85": "openFPGALoader --board ulx3s x",
    "upduino": "openFPGALoader --board ice40_generic --cable ft232 --write-flash x",
}


def test_every_board_has_its_command():
    assert {name: " ".join(board.programmer.command("x")) for name, board in BOARDS.items()} == COMMANDS


def test_an_address_and_the_flash_are_options_before_the_file():
    assert BOARDS["icebreaker"].programmer.command("x", offset=0x40000)[-3:] == ["--offset", "0x40000", "x"]
    assert BOARDS["icesugar"].programmer.command("x", offset=0x40000) == ["icesprog", "-o", "0x40000", "x"]
    assert BOARDS["ulx3s-25"].programmer.command("x", persistent=True)[-2:] == ["--write-flash", "x"]


@pytest.mark.parametrize("programmer", dict.fromkeys(board.programmer for board in BOARDS.values()),
                         ids=lambda each: each.usb)
def test_the_usb_device_is_known_and_its_rule_names_it(programmer):
    assert all(len(number) == 4 and int(number, 16) for number in (programmer.vendor, programmer.product))
    rule = programmer.udev_rule
    assert f'ATTRS{{idVendor}}=="{programmer.vendor}", ATTRS{{idProduct}}=="{programmer.product}"' in rule
    assert rule in programmer.permit and "\n" not in programmer.permit and "'" not in rule


def test_a_programmer_without_addresses_takes_none():
    plain = Programmer(argv=("tool",), vendor="0403", product="6010")
    assert plain.command("x", offset=16, persistent=True) == ["tool", "x"]
