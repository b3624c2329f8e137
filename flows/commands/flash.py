"""``heddle flash``: programs a board with what ``heddle build`` wrote."""

import json
from pathlib import Path

from boards import find_board
from flows.commands.build import RECORD
from hw.spec.errors import HeddleError
from hw.tools import run

__all__ = ["flash_from"]

FLASH_TIMEOUT_S = 600


def flash_from(folder: Path) -> str:
    """Program the board with the bitstream in ``folder``; returns a line that says what was done.

    Raises
    ------
    HeddleError
        If there is no bitstream that met timing, or the programmer is missing or fails.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        board, met, name = find_board(record["board"]), record["timing_met"], record["bitstream"]
        fmax_mhz = float(record["fmax_mhz"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeddleError(f"{folder}: no readable {RECORD}; make one with `heddle build --out {folder}`") from error
    if not met or not name:
        raise HeddleError(f"{folder}: the build missed its timing, so there is no bitstream; build again with "
                          f"--clock-mhz {int(fmax_mhz)} or less")
    stream = (folder / name).resolve()
    if not stream.is_file():
        raise HeddleError(f"{stream}: missing; build again with `heddle build --out {folder}`")
    done = run(board.flash_command(str(stream)), cwd=folder, timeout_s=FLASH_TIMEOUT_S, log=folder / "flash.log")
    return f"{board.title}: programmed with {stream.name} in {done.seconds:.0f} s"
