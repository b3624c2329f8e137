"""Frames over a serial port, and every way in which there is nobody at its other end, as one line."""

import errno
import grp
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import serial
from serial.tools.list_ports import comports

from sw.firmware import protocol as wire
from sw.firmware.protocol import DeviceError, Frame, Info, Op

__all__ = ["PATIENCE_S", "SerialLine"]

PATIENCE_S = 12.0        # that a board may be silent: it may be booting, or wait for the rest of a frame that broke off
GREETING_S = 1.0         # then it is asked again, and waited for twice as long
BITS = 10                # of a byte on the line
SHOWN = 8                # bytes of what is no frame, in an error


class SerialLine:
    """A port with a board's firmware behind it, open as a context.

    Parameters
    ----------
    port : its device file.
    baud : bits a second.
    patience_s : how long the board may be silent beyond what it was asked to do.
    """

    def __init__(self, port: str, baud: int, *, patience_s: float = PATIENCE_S) -> None:
        self.port, self.baud, self.patience_s = port, baud, patience_s
        self._sequence, self._came = 0, b""

    def __enter__(self) -> "SerialLine":
        try:
            self._serial = serial.Serial(self.port, self.baud, timeout=0, exclusive=True)
            self._serial.reset_input_buffer()
        except (OSError, ValueError) as error:      # serial.SerialException is an OSError
            raise self._error(_unopened(Path(self.port), error)) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._serial.close()

    def greet(self) -> Info:
        """What the firmware says of itself; what came before its first answer is skipped.

        Raises
        ------
        DeviceError
            If nobody answers, only noise comes, or it is no firmware of this version.
        """
        end, wait_s, noise = time.monotonic() + self.patience_s, GREETING_S, bytearray()
        while time.monotonic() < end:
            sequence, until = self._send(Op.INFO, b""), min(end, time.monotonic() + wait_s)
            wait_s *= 2
            while frame := self._receive(until, noise):
                if frame.kind == Op.INFO and not frame.payload:
                    raise self._error("gives back what it is sent; it is no board's UART, or its two wires are joined")
                if frame.sequence == sequence:
                    return wire.parse_info(wire.check(frame, self.port))
        if noise or self._came:
            raise self._noise(noise + self._came)
        raise self._error(f"nothing answers at {self.baud} bits/s; program the board with `heddle flash DIR`, press "
                          f"its reset button, and see that this is the port of its UART")

    def ask(self, op: Op, payload: bytes, work_s: float = 0.0) -> Frame:
        """The answer to a request that the board may work on for ``work_s`` seconds.

        Raises
        ------
        DeviceError
            If none comes in time, or something else.
        """
        sequence, noise = self._send(op, payload), bytearray()
        sent_s = BITS * (len(payload) + wire.OVERHEAD) / self.baud
        frame = self._receive(time.monotonic() + sent_s + work_s + self.patience_s, noise)
        if noise or self._came:
            raise self._noise(noise + self._came)
        if frame is None:
            raise self._error(f"no answer to {op.name} in {sent_s + work_s + self.patience_s:.0f} s; reset the board")
        if frame.sequence != sequence:
            wire.check(frame, self.port)        # a trap, for example
            raise self._error(f"answers request {frame.sequence} where {sequence} was asked; the board was reset, or "
                              f"two programs use the port")
        return frame

    def _send(self, op: Op, payload: bytes) -> int:
        self._sequence = (self._sequence + 1) % 256
        with self._plugged():
            self._serial.write(wire.encode(op, self._sequence, payload))
        return self._sequence

    def _receive(self, end: float, noise: bytearray) -> Frame | None:
        """The next whole frame that comes before ``end``; bytes that are none go to ``noise``."""
        while True:
            frame, skipped, self._came = wire.first_frame(self._came)
            noise += skipped
            if frame:
                return frame
            if (left := end - time.monotonic()) <= 0:
                return None
            with self._plugged():
                self._serial.timeout = left
                self._came += self._serial.read(1)
                self._came += self._serial.read(self._serial.in_waiting)

    @contextmanager
    def _plugged(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error("was unplugged, or another program reads it; plug the board in again") from error

    def _noise(self, noise: bytearray) -> DeviceError:
        return self._error(f"bytes come that are no answer ({noise[:SHOWN].hex(' ')}); see that this is the port of "
                           f"the board's UART, and that a build of this version of Heddle is on the board")

    def _error(self, text: str) -> DeviceError:
        return DeviceError(f"port {self.port}: {text}")


def _unopened(port: Path, error: OSError | ValueError) -> str:
    """Why it could not be opened, and the way out."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        there = ", ".join(sorted(each.device for each in comports())) or "none: plug the board in"
        return f"there is no such port; those of this machine are {there}"
    if number in (errno.EACCES, errno.EPERM):
        group = grp.getgrgid(os.stat(port).st_gid).gr_name
        return (f"no permission; run `sudo usermod -aG {group} $USER` and log in again, or add the board's rule for "
                f"udev (docs/boards.md)")
    if number in (errno.EBUSY, errno.EAGAIN):
        return "another program uses it; end that"
    return f"is no serial port ({' '.join(str(error).split())})"
