"""OrangeCrab r0.2, https://github.com/orangecrab-fpga/orangecrab-hardware; pins from its constraint file.

The UART is at the pins 0 (in) and 1 (out) of the Feather's header.
"""

from boards._board import Board, Ddr3
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]

#: 1 Gbit; larger ones that were also put on it have further rows.
_DDR3 = Ddr3(
    chip="MT41K64M16", io_standard="SSTL135_I", clock="J18", we_n="B12", ras_n="C12", cas_n="D13", cs_n="A12",
    cke="D18", odt="C13", reset_n="L18", bank=("D6", "B7", "A6"), mask=("D16", "G16"), strobe=("B15", "G18"),
    address=("C4", "D2", "D3", "A3", "A4", "D4", "C3", "B2", "B1", "D1", "A7", "C2", "B6"),
    data=("C17", "D15", "B17", "C16", "A15", "B13", "A17", "A13",
          "F17", "F16", "G15", "F15", "J16", "C18", "H16", "F18"),
    high=("K16", "D17", "K15", "K17", "B18", "C6"), low=("L15", "L16"), chip_termination="disabled",
    swapped_masks=True, bridged=True, slow_delay=100)


def _orangecrab(size: int) -> Board:
    return Board(
        name=f"orangecrab-{size}", title=f"OrangeCrab with the LFE5U-{size}F", part=f"LFE5U-{size}F-8MG285C",
        clock_in_mhz=48.0, clock_pin="A9", serial_tx_pin="M18", serial_rx_pin="N17", led_pins=("K4", "M3", "J3"),
        io_standard="LVCMOS33", programmer=open_fpga_loader(
            "orangeCrab", "5af0", vendor="1209",
            ready="hold its button while you plug it in, so that its boot loader waits"), sdram=_DDR3)


BOARDS = tuple(_orangecrab(size) for size in (25, 85))
