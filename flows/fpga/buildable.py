"""What keeps a network on a design from being built, before anything is synthesized: asked by every command alike."""

from boards import Board
from hw.soc.target import check_board
from hw.spec.errors import HeddleError, SpecError
from hw.spec.soc import NO_MEMORY
from sw.compiler import Program

__all__ = ["check_buildable", "obstacles"]


def obstacles(program: Program, board: Board) -> list[str]:
    """Why no SoC with this network can be built for the board, a line each; that it is too large is not among them."""
    found = []
    try:
        check_board(board)
    except SpecError as error:
        found.append(str(error))
    if program.streamed_bytes and program.design.memory != "spram":
        found.append(f"{program.graph.name}: {program.streamed_bytes} bytes of its weights stream on this design; "
                     f"{NO_MEMORY}")
    return found


def check_buildable(program: Program, board: Board) -> None:
    """Raises HeddleError with all :func:`obstacles`, if there are any."""
    if found := obstacles(program, board):
        raise HeddleError("; ".join(found))
