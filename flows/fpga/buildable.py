"""What keeps a network on a design from being built, before anything is synthesized: asked by every command alike."""

from boards import Board, check_stream, find_board
from hw.spec.errors import HeddleError, SpecError
from sw.compiler import Program

__all__ = ["check_buildable", "obstacles"]


def obstacles(program: Program, board: Board | None = None) -> list[str]:
    """Why no SoC with this network can be built, a line each; that it is too large for a board is not among them.

    Without a ``board`` it is the design's own.
    """
    if program.streams_outside:
        try:
            check_stream(program.design, board or find_board(program.design.board))
        except SpecError as error:
            return [f"{program.graph.name}: {program.streamed_bytes} bytes of its weights stream on this design; "
                    f"{error}"]
    return []


def check_buildable(program: Program, board: Board | None = None) -> None:
    """Raises HeddleError with all :func:`obstacles`, if there are any."""
    if found := obstacles(program, board):
        raise HeddleError("; ".join(found))
