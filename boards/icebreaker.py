"""iCEBreaker, https://github.com/icebreaker-fpga/icebreaker; pins from its constraint file."""

from boards._board import Board
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]

BOARDS = (
    Board(name="icebreaker", title="iCEBreaker with the iCE40UP5K", part="iCE40UP5K-SG48I", clock_in_mhz=12.0,
          clock_pin="35", serial_tx_pin="9", serial_rx_pin="6", led_pins=("11", "37"), io_standard="LVCMOS33",
          flash_pins=("16", "15", "14", "17"), programmer=open_fpga_loader("ice40_generic", "6010", "--write-flash")),
)
