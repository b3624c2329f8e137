"""Whatever may be at the other end of a serial port, or not: one line each, with the way out."""

import errno
import grp
import os
import re

import pytest
import serial

from flows.verify.serial_line import SerialLine
from hw.spec.image import HEADER_BYTES
from sw.firmware.protocol import PROTOCOL_VERSION, DeviceError, Op, Status, decode, encode
from tests.support.line import scripted, terminal

INFO = b"".join(word.to_bytes(4, "little") for word in (PROTOCOL_VERSION, 0xC0FFEE, 1, 0)) + bytes(HEADER_BYTES)


def firmware(asked):
    """INFO as a board answers it; what it is asked else is repeated."""
    return b"".join(encode(Status.OK, frame.sequence, INFO if frame.kind == Op.INFO else frame.payload)
                    for frame in decode(asked))


def greet(answer, patience_s=0.3):
    with scripted(answer) as port, SerialLine(port, 57600, patience_s=patience_s) as line:
        return line.greet()


def test_a_board_is_greeted_and_asked():
    with scripted(firmware) as port, SerialLine(port, 57600, patience_s=5) as line:
        assert line.greet().fingerprint == 0xC0FFEE
        assert line.ask(Op.READ, b"12345678").payload == b"12345678"
        assert [line.ask(Op.READ, b"").sequence for _ in range(256)][-3:] == [0, 1, 2]      # they begin anew


def test_what_came_before_the_first_answer_is_skipped():
    stale = encode(Status.OK, 77, INFO)
    assert greet(lambda asked: b"\x00boot\xff" + stale + firmware(asked), 5).fingerprint == 0xC0FFEE


def test_a_board_that_boots_is_asked_again():
    asked = []

    def late(data):
        asked.append(data)
        return firmware(data) if len(asked) == 3 else b""
    assert greet(late, 10).fingerprint == 0xC0FFEE


@pytest.mark.parametrize("answer, says", [
    (lambda asked: b"", r"nothing answers at 57600 bits/s; program the board with `heddle flash DIR`, press its reset"),
    (lambda asked: b"\x80\x00\xfe noise", r"bytes come that are no answer \(80 00 fe 20 6e 6f 69 73\); see that this"),
    (lambda asked: firmware(asked)[:-1], r"bytes come that are no answer \(48 44 00 01 "),
    (lambda asked: asked, r"gives back what it is sent; it is no board's UART, or its two wires are joined"),
    (lambda asked: encode(Status.OK, decode(asked)[0].sequence, bytes(len(INFO))),
     r"firmware: protocol version 0, the host has \d; build the firmware again"),
])
def test_who_is_no_firmware_of_ours(answer, says):
    with pytest.raises(DeviceError, match=says) as caught:
        greet(answer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("answer, says", [
    (lambda frame: b"", r"no answer to READ in 0 s; reset the board"),
    (lambda frame: b"?!" + encode(Status.OK, frame.sequence), r"bytes come that are no answer \(3f 21\)"),
    (lambda frame: encode(Status.OK, frame.sequence + 1), r"answers request 3 where 2 was asked; the board was reset"),
    (lambda frame: encode(Status.TRAP, 0, bytes(12)), r"TRAP: the firmware met a trap \(mcause 0x0, mepc 0x0, mtval"),
])
def test_what_goes_wrong_afterwards(answer, says):
    def board(asked):
        frame = decode(asked)[0]
        return firmware(asked) if frame.kind == Op.INFO else answer(frame)
    with scripted(board) as port, SerialLine(port, 57600, patience_s=0.3) as line:
        line.greet()
        with pytest.raises(DeviceError, match=rf"^(port {re.escape(port)}|{re.escape(port)}): {says}"):
            line.ask(Op.READ, b"")


def test_a_request_may_take_its_time():
    with scripted(lambda asked: firmware(asked) if decode(asked)[0].kind == Op.INFO else b"") as port, \
            SerialLine(port, 57600, patience_s=0.2) as line:
        line.greet()
        with pytest.raises(DeviceError, match=r"no answer to OPEN in 1 s"):
            line.ask(Op.OPEN, b"", work_s=0.8)


def test_a_port_that_is_not_there(tmp_path):
    with pytest.raises(DeviceError, match=rf"^port {tmp_path}/tty: there is no such port; those of this machine are "):
        SerialLine(str(tmp_path / "tty"), 57600).__enter__()
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match=rf"^port {tmp_path}/file: is no serial port \("):
        SerialLine(str(tmp_path / "file"), 57600).__enter__()


def test_a_port_of_others(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")
    monkeypatch.setattr("flows.verify.serial_line.serial.Serial", refuse)
    (tmp_path / "tty").touch()
    group = grp.getgrgid(os.stat(tmp_path / "tty").st_gid).gr_name
    with pytest.raises(DeviceError, match=rf"no permission; run `sudo usermod -aG {group} \$USER` and log in"):
        SerialLine(str(tmp_path / "tty"), 57600).__enter__()


def test_a_port_that_another_program_uses():
    with terminal() as (_, port), SerialLine(port, 57600), \
            pytest.raises(DeviceError, match=rf"^port {port}: another program uses it; end that$"):
        SerialLine(port, 57600).__enter__()


def test_a_board_that_is_unplugged():
    with terminal() as (_, port), SerialLine(port, 57600, patience_s=0.3) as line:
        line._serial.fd, kept = os.open("/dev/null", os.O_RDONLY), line._serial.fd
        with pytest.raises(DeviceError, match=rf"^port {port}: was unplugged, or another program reads it; plug the"):
            line.greet()
        line._serial.fd = kept
