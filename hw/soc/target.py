"""Where a design point meets the rest: a board, and the CPU that it names."""

from typing import Any

from boards import Board, check_design, find_board
from hw.soc.cpus import find_cpu
from hw.spec.design import DesignPoint
from hw.spec.presets import load_design

__all__ = ["load_target", "soc_facts"]


def load_target(design: str, board: str | None = None) -> tuple[DesignPoint, Board]:
    """A design (preset or TOML file) and the board of that name, else the design's own; asked before any work.

    >>> load_target("ecp5-25", "ulx3s-85")[1].device
    'LFE5U-85F'

    Raises
    ------
    SpecError
        If the design cannot be read or built, not on that board, or board or CPU is unknown.
    """
    point = load_design(design)
    chosen = find_board(board or point.board)
    check_design(point, chosen)
    find_cpu(point.cpu)
    return point, chosen


def soc_facts(design: DesignPoint) -> dict[str, Any]:
    """All of a design that its SoC depends on: the engine's hardware, and the facts of the CPU.

    >>> sorted(soc_facts(DesignPoint()))
    ['cpu', 'hardware']
    """
    return {"hardware": design.hardware(), "cpu": find_cpu(design.cpu).digest}
