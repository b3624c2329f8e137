"""Facts of each board."""

from boards.boards import BOARDS, Board, find_board
from boards.designs import check_design

__all__ = ["BOARDS", "Board", "check_design", "find_board"]
