"""iCESugar 1.5, https://github.com/wuxx/icesugar; pins from its constraint file."""

from boards._board import Board
from boards._programmer import Programmer

__all__ = ["BOARDS"]

BOARDS = (
    Board(name="icesugar", title="iCESugar with the iCE40UP5K", part="iCE40UP5K-SG48I", clock_in_mhz=12.0,
          clock_pin="35", serial_tx_pin="6", serial_rx_pin="4", led_pins=("40", "41", "39"), io_standard="LVCMOS33",
          flash_pins=("16", "15", "14", "17"), programmer=Programmer(
              argv=("icesprog",), vendor="1d50", product="602b", offset="-o")),
)
