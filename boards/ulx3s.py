"""ULX3S, https://github.com/emard/ulx3s; pins from its constraint file."""

from boards._board import Board
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]


def _ulx3s(size: int) -> Board:
    return Board(
        name=f"ulx3s-{size}", title=f"ULX3S with the LFE5U-{size}F", part=f"LFE5U-{size}F-6BG381C",
        clock_in_mhz=25.0, clock_pin="G2", serial_tx_pin="L4", serial_rx_pin="M1",
        led_pins=("B2", "C2", "C1", "D2", "D1", "E2", "E1", "H3"), io_standard="LVCMOS33",
        programmer=open_fpga_loader("ulx3s", "6015", to_flash=("--write-flash",)))


BOARDS = tuple(_ulx3s(size) for size in (12, 25, 45, 85))
