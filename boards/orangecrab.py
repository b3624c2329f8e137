"""OrangeCrab r0.2, https://github.com/orangecrab-fpga/orangecrab-hardware; pins from its constraint file.

The UART is at the pins 0 (in) and 1 (out) of the Feather's header.
"""

from boards._board import Board
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]


def _orangecrab(size: int) -> Board:
    return Board(
        name=f"orangecrab-{size}", title=f"OrangeCrab with the LFE5U-{size}F", part=f"LFE5U-{size}F-8MG285C",
        clock_in_mhz=48.0, clock_pin="A9", serial_tx_pin="M18", serial_rx_pin="N17", led_pins=("K4", "M3", "J3"),
        io_standard="LVCMOS33", programmer=open_fpga_loader(
            "orangeCrab", "5af0", vendor="1209",
            ready="hold its button while you plug it in, so that its boot loader waits"))


BOARDS = tuple(_orangecrab(size) for size in (25, 85))
