"""UPduino 3.1, https://github.com/tinyvision-ai-inc/UPduino-v3.0; pins from its documentation.

Its jumper "OSC" has to be closed: the oscillator is at pin 20 then. Its USB chip shares its lines with the flash, so
the UART is at two pins of the header, 25 and 23, for an adapter.
"""

from boards._board import Board
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]

BOARDS = (
    Board(name="upduino", title="UPduino with the iCE40UP5K", part="iCE40UP5K-SG48I", clock_in_mhz=12.0,
          clock_pin="20", serial_tx_pin="25", serial_rx_pin="23", led_pins=("39", "40", "41"), io_standard="LVCMOS33",
          flash_pins=("16", "15", "14", "17"),
          programmer=open_fpga_loader("ice40_generic", "6014", "--cable", "ft232", "--write-flash")),
)
