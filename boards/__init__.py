"""Facts of each board."""

from boards.boards import BOARDS, Board, find_board

__all__ = ["BOARDS", "Board", "find_board"]
