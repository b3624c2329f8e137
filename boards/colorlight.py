"""Colorlight i5 7.0 on its extension board, https://github.com/wuxx/Colorlight-FPGA-Projects; pins from there."""

from boards._board import Board, Sdram
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]

#: Of 32 bits, an EM638325 or M12L64322A.
_SDRAM = Sdram(
    chip="M12L64322A", clock_degrees=180, clock="B9", we_n="A10", ras_n="B10", cas_n="A9", bank=("B11", "C8"),
    address=("B13", "C14", "A16", "A17", "B16", "B15", "A14", "A13", "A12", "A11", "B12"),
    data=("D15", "E14", "E13", "D12", "E12", "D11", "C10", "B17", "B8", "A8", "C7", "A7", "A6", "B6", "A5", "B5",
          "D5", "C5", "D6", "C6", "E7", "D7", "E8", "D8", "E9", "D9", "E11", "C11", "C12", "D13", "D14", "C15"))

BOARDS = (
    Board(name="colorlight-i5", title="Colorlight i5 with the LFE5U-25F", part="LFE5U-25F-6BG381C", clock_in_mhz=25.0,
          clock_pin="P3", serial_tx_pin="J17", serial_rx_pin="H18", led_pins=("U16",), io_standard="LVCMOS33",
          programmer=open_fpga_loader("colorlight-i5", "0204", vendor="0d28", to_flash=("--write-flash",)),
          sdram=_SDRAM),
)
