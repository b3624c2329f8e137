"""Programming a board, and what is wrong where that fails: no board there, or none that this user may touch."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from boards import Board, Programmer
from hw.spec.errors import HeddleError
from hw.tools import Completed, ToolError, run

__all__ = ["SYSTEM", "program"]

SYSTEM = Path("/")
TIMEOUT_S = 600.0
LOG = "flash.log"
_FAIL = re.compile(r"(?:^|\s)fail\s*$", re.IGNORECASE | re.MULTILINE)     # openFPGALoader's status is 0 then, too


def program(board: Board, command: Sequence[str], folder: Path, *, system: Path = SYSTEM) -> Completed:
    """Run a command of the board's programmer in ``folder``; what it says is kept there.

    Parameters
    ----------
    system : where the folders ``sys`` and ``dev`` of this machine are.

    Raises
    ------
    HeddleError
        If the program is missing, the board is not there, this user may not touch it, or programming fails.
    """
    try:
        done = run(command, cwd=folder, timeout_s=TIMEOUT_S, log=folder / LOG)
    except ToolError as error:
        if error.log is None:       # it was not even started
            raise
        why = _reason(board.programmer, system)
        said = f"{why} ({error.tool}: {error.detail})" if why else str(error)
        raise HeddleError(f"{board.title}: {said}") from error
    if _FAIL.search(done.text()):
        raise HeddleError(f"{board.title}: {done.tool} gave up at a step, see {done.log}; plug the board in again and "
                          f"repeat it")
    return done


def _reason(programmer: Programmer, system: Path) -> str | None:
    """Why the programmer cannot reach the board, and the way out; None where it can."""
    devices = list(_attached(programmer, system / "sys"))
    if not devices:
        return f"no USB device {programmer.usb} is attached; {programmer.ready}"
    if all(os.access(node, os.R_OK | os.W_OK) for device in devices for node in _nodes(device, system / "dev")):
        return None
    return f"no permission for the USB device {programmer.usb}; run `{programmer.permit}`, then plug it in again"


def _attached(programmer: Programmer, sys: Path) -> Iterator[Path]:
    """Folders of the USB devices with the programmer's numbers."""
    for device in sorted((sys / "bus/usb/devices").glob("*")):
        if (_said(device, "idVendor"), _said(device, "idProduct")) == (programmer.vendor, programmer.product):
            yield device


def _nodes(device: Path, dev: Path) -> Iterator[Path]:
    """What is opened of a USB device: its own file, and those of its raw interfaces."""
    yield dev / "bus/usb" / _said(device, "busnum").zfill(3) / _said(device, "devnum").zfill(3)
    yield from (dev / raw.name for raw in device.glob("*/*/hidraw/*"))


def _said(device: Path, name: str) -> str:
    try:
        return (device / name).read_text(encoding="utf-8").strip()
    except OSError:         # an interface, which has none, or unplugged meanwhile
        return ""
