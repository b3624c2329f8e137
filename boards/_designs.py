"""Where a design and a board meet: whether the board's device has the cells that the design is made of."""

from boards._board import Board
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS

__all__ = ["check_design"]


def check_design(design: DesignPoint, board: Board) -> None:
    """Whether ``design`` can be built for the device family of ``board``; its size is another question.

    Raises
    ------
    SpecError
        If not; the message names the field of the design, the board and the way out.
    """
    if design.memory == "spram" and not board.budget["spram"]:
        raise SpecError(f"memory='spram': the {board.family} of board {board.name!r} has no such memories; "
                        f"choose memory='bram' or a board with an ice40 UP5K")
    family = MULTIPLIERS[design.multiplier].family
    if family not in (None, board.family):
        raise SpecError(f"multiplier={design.multiplier!r}: is made of cells of the {family}, and board "
                        f"{board.name!r} has an {board.family}; choose another multiplier or a board with an {family}")
