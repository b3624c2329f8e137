"""What programmers say without a board is theirs, word for word: openFPGALoader 0.10 and 1.1.1, and icesprog 1.1b."""

import os
import re
import stat

import pytest

from boards import BOARDS
from flows.fpga.programming import program
from hw.spec.errors import HeddleError

SAID = {
    "icebreaker": "unable to open ftdi device: -3 (device not found)\nempty\nError: Failed to claim cable",
    "upduino": "Board default cable overridden with ft232\nunable to open ftdi device: -3 (device not found)\n"
               "Error: Failed to claim cable",
    "ulx3s-25": "unable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open ftdi device",
    "orangecrab-25": "Open file : DONE\nParse file DONE\nOpen device 1209:5af0 Not found\n"
                     "DFU init failed with: No DFU compatible device found",
    "colorlight-i5": "JTAG init failed with: No device found",
    "icesugar": "iCELink open fail!",
}


@pytest.fixture
def programmer(tmp_path, monkeypatch):
    """Any board's programmer, that says so and ends with a status."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(board, said, status=1):
        (tmp_path / "said").write_text(said)
        tool = folder / board.programmer.argv[0]
        tool.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit {status}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        return board.programmer.command("heddle.bit")
    return make


@pytest.fixture
def attach(tmp_path):
    """A machine with a USB device, as Linux shows it; gives its root and the files that are opened."""
    def make(programmer):
        device = tmp_path / "root/sys/bus/usb/devices/1-2"
        raw = device / "1-2:1.0/0003:1D50:602B.0001/hidraw/hidraw3"
        raw.mkdir(parents=True)
        for name, value in (("idVendor", programmer.vendor), ("idProduct", programmer.product), ("busnum", "1"),
                            ("devnum", "7")):
            (device / name).write_text(f"{value}\n")
        nodes = [tmp_path / "root/dev/bus/usb/001/007", tmp_path / "root/dev/hidraw3"]
        nodes[0].parent.mkdir(parents=True)
        for node in nodes:
            node.touch()
        return tmp_path / "root", nodes
    return make


@pytest.mark.parametrize("name", SAID)
def test_no_board_is_one_line_with_what_to_do(name, programmer, tmp_path):
    board = BOARDS[name]
    with pytest.raises(HeddleError) as caught:
        program(board, programmer(board, SAID[name]), tmp_path, system=tmp_path)
    last = SAID[name].splitlines()[-1]
    assert str(caught.value) == (f"{board.title}: no USB device {board.programmer.usb} is attached; "
                                 f"{board.programmer.ready} ({board.programmer.argv[0]}: {last})")
    assert "boot loader" in str(caught.value) if name == "orangecrab-25" else "plug the board in" in str(caught.value)


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("denied", [0, 1])
def test_no_permission_is_one_line_with_the_rule(name, denied, programmer, attach, tmp_path, monkeypatch):
    board = BOARDS[name]
    root, nodes = attach(board.programmer)
    monkeypatch.setattr("flows.fpga.programming.os.access", lambda path, mode: path != nodes[denied])
    with pytest.raises(HeddleError) as caught:
        program(board, programmer(board, SAID[name]), tmp_path, system=root)
    text = str(caught.value)
    assert text.startswith(f"{board.title}: no permission for the USB device {board.programmer.usb}; run `echo 'SUBS")
    assert f"`{board.programmer.permit}`, then plug it in again" in text and "\n" not in text


def test_a_board_that_is_there_leaves_the_word_to_the_programmer(programmer, attach, tmp_path):
    board = BOARDS["ulx3s-25"]
    root, _ = attach(board.programmer)
    with pytest.raises(HeddleError, match=re.escape(
            "ULX3S with the LFE5U-25F: openFPGALoader: exit status 1: Error: no device found (log: ")):
        program(board, programmer(board, "empty\nError: no device found"), tmp_path, system=root)


def test_another_device_is_not_the_board(programmer, attach, tmp_path):
    root, _ = attach(BOARDS["ulx3s-25"].programmer)
    with pytest.raises(HeddleError, match=r"no USB device 0403:6010 is attached"):
        program(BOARDS["icebreaker"], programmer(BOARDS["icebreaker"], "empty"), tmp_path, system=root)


@pytest.mark.parametrize("said, well", [
    ("Parse file DONE\nReset and Wait for CDONE:\nDone\n", True),
    ("Parse file DONE\nReset and Wait for CDONE:\nFail\n", False),
    ("Parse file FAIL\n", False),
])
def test_a_failure_with_status_0_is_seen(said, well, programmer, tmp_path):
    board = BOARDS["icebreaker"]
    command = programmer(board, said, status=0)
    if well:
        assert program(board, command, tmp_path).text() == said
    else:
        with pytest.raises(HeddleError, match=r"^iCEBreaker .*: openFPGALoader gave up at a step, see .*flash.log"):
            program(board, command, tmp_path)
