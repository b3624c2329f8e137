"""ULX3S, https://github.com/emard/ulx3s; pins from its constraint file."""

from boards._board import Board, Sdram
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]


_SDRAM = Sdram(
    chip="MT48LC16M16", clock_degrees=90, clock="F19", we_n="T20", ras_n="R20", cas_n="T19", cs_n="P20", cke="F20",
    address=("M20", "M19", "L20", "L19", "K20", "K19", "K18", "J20", "J19", "H20", "N19", "G20", "G19"),
    bank=("P19", "N20"), mask=("U19", "E20"),
    data=("J16", "L18", "M18", "N18", "P18", "T18", "T17", "U20",
          "E19", "D20", "D19", "C20", "E18", "F18", "J18", "J17"))


def _ulx3s(size: int) -> Board:
    return Board(
        name=f"ulx3s-{size}", title=f"ULX3S with the LFE5U-{size}F", part=f"LFE5U-{size}F-6BG381C",
        clock_in_mhz=25.0, clock_pin="G2", serial_tx_pin="L4", serial_rx_pin="M1",
        led_pins=("B2", "C2", "C1", "D2", "D1", "E2", "E1", "H3"), io_standard="LVCMOS33",
        programmer=open_fpga_loader("ulx3s", "6015", to_flash=("--write-flash",)), sdram=_SDRAM)


BOARDS = tuple(_ulx3s(size) for size in (12, 25, 45, 85))
