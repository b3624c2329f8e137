"""Whether a netlist is larger than a board's device, in numbers."""

from pathlib import Path
from tempfile import TemporaryDirectory

from boards import Board
from flows.fpga.netlist import Netlist, count
from flows.run.progress import tell
from hw.spec.errors import HeddleError

__all__ = ["DoesNotFitError", "check_fit"]


class DoesNotFitError(HeddleError):
    """A design takes more than its device has; the message has what it takes of each kind."""


def check_fit(netlist: Netlist, board: Board, label: str, *, pins: Path | None = None) -> None:
    """Count what a packed netlist takes; ``pins`` are its constraints, which registers at them need.

    Raises
    ------
    DoesNotFitError
        If the device has less; ``label`` is the design's.
    ToolError
        If it cannot be counted.
    """
    tell("counting resources")
    with TemporaryDirectory(prefix="heddle-") as name:
        used = count(netlist, board, Path(name), pins=pins)
    if short := board.shortfalls(used):
        rest = [f"{name} {used[name]} of {have}" for name, have in board.budget.items() if have and name in used]
        raise DoesNotFitError(f"{label} does not fit {board.title}: {', '.join(short)} (in all {', '.join(rest)})")
