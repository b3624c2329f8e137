"""``heddle flash``: programs a board with what ``heddle build`` wrote."""

import json
from dataclasses import dataclass
from pathlib import Path

from boards import Board, find_board
from flows.commands.build import RECORD
from flows.fpga.programming import program
from flows.verify.verification import IMAGE
from hw.spec.errors import HeddleError

__all__ = ["Flashing", "flash_from", "plan_flash"]


@dataclass(frozen=True, kw_only=True)
class Flashing:
    """What is written to a board."""

    board: Board
    folder: Path
    file: Path                # absolute
    command: list[str]


def plan_flash(folder: Path, *, weights: bool = False, persistent: bool = False) -> Flashing:
    """The command that programs the board of a build; nothing is run, and no programmer asked for.

    Parameters
    ----------
    weights : only the model image, at its place in the flash.
    persistent : on boards that forget it without power, into their flash.

    Raises
    ------
    HeddleError
        If there is no bitstream that met timing, or the board cannot be programmed in that way.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        board, met, name = find_board(record["board"]), record["timing_met"], record["bitstream"]
        fmax_mhz, places = float(record["fmax_mhz"]), record["flash"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeddleError(f"{folder}: no readable {RECORD}; make one with `heddle build --out {folder}`") from error
    if not met or not name:
        raise HeddleError(f"{folder}: the build missed its timing, so there is no bitstream; build again with "
                          f"--clock-mhz {int(fmax_mhz)} or less")
    if weights and not places:
        raise HeddleError(f"--weights: those of {board.title} are in the bitstream; leave it out")
    if persistent and board.programmer.to_flash is None:
        raise HeddleError(f"--persistent: {board.title} is always programmed for good; leave it out")
    file = (folder / (IMAGE if weights else name)).resolve()
    if not file.is_file():
        raise HeddleError(f"{file}: missing; build again with `heddle build --out {folder}`")
    command = board.programmer.command(str(file), persistent=persistent, offset=places["image"] if weights else 0)
    return Flashing(board=board, folder=folder, file=file, command=command)


def flash_from(plan: Flashing) -> str:
    """Program the board; returns a line that says what was done. Raises HeddleError as ``program`` does."""
    done = program(plan.board, plan.command, plan.folder)
    return f"{plan.board.title}: programmed with {plan.file.name} in {done.seconds:.0f} s"
