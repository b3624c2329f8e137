"""The SoC of a design point on a board: CPU, memories, UART, engine and custom instructions."""

from hw.soc.generate import SocFiles, generate

__all__ = ["SocFiles", "generate"]
