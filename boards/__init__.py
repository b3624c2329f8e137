"""Facts of each board, one file a board or family of boards.

A module of this folder with ``BOARDS`` joins by being there; those that begin with an underscore hold what all share.
``tests/boards`` holds every board to the same suite.
"""

from importlib import import_module
from pkgutil import iter_modules

from boards._board import Board
from boards._designs import check_design
from boards._programmer import Programmer
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError

__all__ = ["BOARDS", "Board", "Programmer", "check_design", "check_stream", "find_board"]

BOARDS: dict[str, Board] = {
    board.name: board for module in sorted(iter_modules(__path__), key=lambda module: module.name)
    if not module.name.startswith("_") for board in import_module(f"{__name__}.{module.name}").BOARDS}


def check_stream(design: DesignPoint, board: Board) -> None:
    """Whether the weights of a design can stream from a memory on ``board``; raises SpecError with the way out."""
    if not board.sdram:
        able = ", ".join(each.name for each in BOARDS.values() if each.sdram)
        raise SpecError(f"board {board.name!r}: has no memory that weights could stream from in its SoC; choose one of "
                        f"{able}, raise weight_bytes until they fit, or narrow the weights or the network")
    if design.stream_bytes > board.sdram.bytes_per_cycle:
        raise SpecError(f"stream_bytes={design.stream_bytes}: the memory of board {board.name!r} gives "
                        f"{board.sdram.bytes_per_cycle} bytes per cycle; set stream_bytes to that")


def find_board(name: str) -> Board:
    """The board of that name.

    >>> find_board("ulx3s-85").budget["dsp"]
    156

    Raises
    ------
    SpecError
        If there is none; the message lists the names.
    """
    if name not in BOARDS:
        raise SpecError(f"board {name!r}: unknown; choose one of {', '.join(BOARDS)}")
    return BOARDS[name]
