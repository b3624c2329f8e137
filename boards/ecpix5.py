"""ECPIX-5, http://docs.lambdaconcept.com/ecpix-5; pins from its constraint file."""

from boards._board import Board
from boards._programmer import open_fpga_loader

__all__ = ["BOARDS"]


def _ecpix5(size: int) -> Board:
    return Board(
        name=f"ecpix5-{size}", title=f"ECPIX-5 with the LFE5UM5G-{size}F", part=f"LFE5UM5G-{size}F-8BG554I",
        clock_in_mhz=100.0, clock_pin="K23", serial_tx_pin="R24", serial_rx_pin="R26",
        led_pins=("P21", "R23", "P22", "K21", "K24", "M21", "U21", "W21"), io_standard="LVCMOS33",
        programmer=open_fpga_loader("ecpix5", "6010", to_flash=("--write-flash",)))


BOARDS = tuple(_ecpix5(size) for size in (45, 85))
