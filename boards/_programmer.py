"""How a board is programmed: the command, and the USB device on the board that it talks to. Facts only.

The USB numbers and which options there are come from openFPGALoader's ``src/board.hpp`` and ``src/cable.hpp``
(https://github.com/trabucayre/openFPGALoader), those of the iCESugar from https://github.com/wuxx/icesugar, ``tools``.
"""

from dataclasses import dataclass

__all__ = ["Programmer", "open_fpga_loader"]

RULES = "/etc/udev/rules.d/70-heddle.rules"      # below 73, where udev gives devices to who sits at the machine


@dataclass(frozen=True, kw_only=True)
class Programmer:
    """A command, and what it talks to."""

    argv: tuple[str, ...]                      # the program and what it is always told
    vendor: str                                # of the USB device, four hexadecimal digits
    product: str                               # the same
    to_flash: tuple[str, ...] | None = None    # options that write the flash; None where nothing else is written
    offset: str | None = None                  # option before an address in the flash; None where there is none
    ready: str = "plug the board in"           # what a person does for the device to be there

    def command(self, file: str, *, persistent: bool = False, offset: int = 0) -> list[str]:
        """The whole command.

        Parameters
        ----------
        persistent : write the flash, where the device's volatile memory is written otherwise.
        offset : byte address in the flash.

        >>> open_fpga_loader("ulx3s", "6015", to_flash=("--write-flash",)).command("a.bit")
        ['openFPGALoader', '--board', 'ulx3s', 'a.bit']
        """
        options = self.to_flash if persistent and self.to_flash else ()
        place = (self.offset, f"{offset:#x}") if offset and self.offset else ()
        return [*self.argv, *options, *place, file]

    @property
    def usb(self) -> str:
        """As ``lsusb`` writes it.

        >>> open_fpga_loader("ulx3s", "6015").usb
        '0403:6015'
        """
        return f"{self.vendor}:{self.product}"

    @property
    def udev_rule(self) -> str:
        """The line for udev that lets users at the device, and at the board's serial port."""
        return (f'SUBSYSTEM=="usb|tty|hidraw", ATTRS{{idVendor}}=="{self.vendor}", '
                f'ATTRS{{idProduct}}=="{self.product}", MODE="0664", GROUP="plugdev", TAG+="uaccess"')

    @property
    def permit(self) -> str:
        """The command that adds :attr:`udev_rule`."""
        return f"echo '{self.udev_rule}' | sudo tee -a {RULES} && sudo udevadm control --reload"


def open_fpga_loader(board: str, product: str, *more: str, vendor: str = "0403",
                     to_flash: tuple[str, ...] | None = None, **facts: str) -> Programmer:
    """openFPGALoader, by its own name of the board; the vendor is FTDI where no other is given."""
    return Programmer(argv=("openFPGALoader", "--board", board, *more), vendor=vendor, product=product,
                      to_flash=to_flash, offset="--offset", **facts)
