"""Colorlight i5 7.0 on its extension board, https://github.com/wuxx/Colorlight-FPGA-Projects; pins from there."""

from boards._board import Board
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]

BOARDS = (
    Board(name="colorlight-i5", title="Colorlight i5 with the LFE5U-25F", part="LFE5U-25F-6BG381C", clock_in_mhz=25.0,
          clock_pin="P3", serial_tx_pin="J17", serial_rx_pin="H18", led_pins=("U16",), io_standard="LVCMOS33",
          programmer=open_fpga_loader("colorlight-i5", "0204", vendor="0d28", to_flash=("--write-flash",))),
)
