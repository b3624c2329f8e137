"""Where a design and a board meet: whether the board's device has the cells that the design is made of."""

from boards._board import Board
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS

__all__ = ["check_design"]

#: Families where synthesis makes multiplier blocks of a requantizer's product.
REQUANTIZER_BLOCKS = ("ecp5",)


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
    kind = MULTIPLIERS[design.multiplier]
    if kind.family not in (None, board.family):
        why = f" ({kind.elsewhere})" if kind.elsewhere else ""
        raise SpecError(f"multiplier={kind.name!r}: is made of cells of the {kind.family}, and board {board.name!r} "
                        f"has an {board.family}{why}; choose another multiplier or a board with an {kind.family}")
    if design.requantizer_dsps and board.family not in REQUANTIZER_BLOCKS:
        raise SpecError(f"requantizer_dsps={design.requantizer_dsps}: no multiplier block of the {board.family} of "
                        f"board {board.name!r} takes part in a requantizer; set requantizer_dsps=0")
