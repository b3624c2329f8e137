"""ECPIX-5, http://docs.lambdaconcept.com/ecpix-5; pins from its constraint file."""

from boards._board import Board, Ddr3
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]

_DDR3 = Ddr3(
    chip="MT41K256M16", io_standard="SSTL15_I", clock="H3", we_n="R3", ras_n="T3", cas_n="P2", cke="P1", odt="P3",
    bank=("U6", "N3", "N4"), mask=("U4", "U1"), strobe=("V4", "V1"),
    address=("T5", "M3", "L3", "V6", "K2", "W6", "K3", "L1", "H2", "L2", "N1", "J1", "M1", "K1", "H1"),
    data=("T4", "W4", "R4", "W5", "R6", "P6", "P5", "P4", "R1", "W3", "T2", "V3", "U3", "W1", "T1", "W2"),
    termination="75")


def _ecpix5(size: int) -> Board:
    return Board(
        name=f"ecpix5-{size}", title=f"ECPIX-5 with the LFE5UM5G-{size}F", part=f"LFE5UM5G-{size}F-8BG554I",
        clock_in_mhz=100.0, clock_pin="K23", serial_tx_pin="R24", serial_rx_pin="R26",
        led_pins=("P21", "R23", "P22", "K21", "K24", "M21", "U21", "W21"), io_standard="LVCMOS33",
        programmer=open_fpga_loader("ecpix5", "6010", to_flash=("--write-flash",)), sdram=_DDR3)


BOARDS = tuple(_ecpix5(size) for size in (45, 85))
