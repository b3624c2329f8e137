"""The SoC as software sees it: where the memories are, and the registers of its one small peripheral."""

from dataclasses import dataclass

from hw.spec.design import FIRMWARE_BYTES, DesignPoint
from hw.spec.errors import SpecError
from hw.spec.registers import ACT_WINDOW, WINDOW_BYTES

__all__ = ["BAUD", "FLASH", "IO_REGISTERS", "OUTSIDE", "SLOW_BAUD", "MemoryMap", "Region", "UART_EMPTY",
           "memory_map"]

BAUD = 1_000_000             # of the board's UART, bits/s
SLOW_BAUD = 57_600           # where the CPU takes some two thousand cycles for a byte
UART_EMPTY = 0x80000000      # set in UART_DATA where no byte was waiting
IO_BASE = 0x80000000         # no CPU caches what lies from here on

#: name -> (byte offset, what it holds)
IO_REGISTERS: dict[str, tuple[int, str]] = {
    "UART_DATA": (0x0, "read: takes the next received byte, or UART_EMPTY; write: sends a byte"),
    "UART_ROOM": (0x4, "1 while a byte can be written to UART_DATA"),
    "LEDS": (0x8, "one bit for each LED"),
    "CYCLES": (0xC, "clock cycles since the start, in a SoC whose CPU does not count them; else nothing"),
}


@dataclass(frozen=True, kw_only=True)
class Region:
    """A range of the bus."""

    origin: int               # byte address
    size: int                 # bytes

    @property
    def end(self) -> int:
        return self.origin + self.size

    @property
    def decoded(self) -> int:
        """Bytes that the bus takes for it, a power of two; what lies behind its end is nothing.

        >>> Region(origin=0, size=12288).decoded
        16384
        """
        return 1 << (self.size - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class MemoryMap:
    """Regions of the SoC. The firmware starts at the lowest address of ``rom``.

    With an ``image`` both lie in the board's serial flash, at their addresses: the ROM is slow, so what is used often
    is copied to ``sram``, and ``workspace``, a part of the engine's, has the firmware's buffer. Else the ROM is a
    memory of the device, and a model image is in the engine's weight scratchpad; what of it streams is ``outside``, in
    a memory beside the device, where there is one.

    Raises
    ------
    SpecError
        If two regions overlap, a size or an origin cannot be decoded, or a device lies where the CPU caches.
    """

    rom: Region = Region(origin=0x00000000, size=12288)
    sram: Region = Region(origin=0x10000000, size=6144)
    engine: Region = Region(origin=0x90000000, size=WINDOW_BYTES)
    io: Region = Region(origin=0xE0000000, size=0x1000)
    image: Region | None = None
    workspace: Region | None = None
    outside: Region | None = None

    @property
    def baud(self) -> int:
        """Of the board's UART, bits/s."""
        return SLOW_BAUD if self.image else BAUD

    def __post_init__(self) -> None:
        regions = {name: region for name in ("rom", "sram", "engine", "io", "outside")
                   if (region := getattr(self, name))}
        for name, region in regions.items():
            if region.size < 1024 or region.size % 1024 or region.origin % region.decoded:
                raise SpecError(f"{name}: {region.size} bytes at {region.origin:#x}; the size must be a multiple of "
                                f"1024, and the next power of two divide the origin")
            if (name in ("engine", "io", "outside")) != (region.origin >= IO_BASE):
                raise SpecError(f"{name}: origin {region.origin:#x}; the CPU caches below {IO_BASE:#x}, "
                                f"so memories go below it and devices above")
        ordered = sorted(regions.items(), key=lambda item: item[1].origin)
        for (low_name, low), (high_name, high) in zip(ordered, ordered[1:], strict=False):
            if low.origin + low.decoded > high.origin:
                raise SpecError(f"{low_name} ends at {low.end:#x}, behind the start of {high_name} at "
                                f"{high.origin:#x}; move one")


#: A board's serial flash on the bus. The bitstream is at its beginning, 104,090 bytes on a UP5K.
FLASH = Region(origin=0, size=0x100000)
_ROM_IN_FLASH = Region(origin=0x20000, size=0x10000)
_IMAGE_IN_FLASH = Region(origin=0x40000, size=0x40000)
_SMALL_SRAM = Region(origin=0x10000000, size=2048)
#: A memory beside the device, as the bus has it: the engine's addresses begin at 0 there.
OUTSIDE = Region(origin=0x90800000, size=0x800000)


def memory_map(design: DesignPoint, *, streams: bool = False) -> MemoryMap:
    """Of the SoC of a design: with ``memory="spram"`` the device has little else.

    ``streams``: with a memory outside, where the design does not have its own to stream from.

    >>> memory_map(DesignPoint()).image is None
    True
    """
    usual = MemoryMap(outside=OUTSIDE if streams else None)
    if design.memory != "spram":
        return usual
    end = usual.engine.origin + ACT_WINDOW + design.act_bytes
    return MemoryMap(rom=_ROM_IN_FLASH, sram=_SMALL_SRAM, image=_IMAGE_IN_FLASH,
                     workspace=Region(origin=end - FIRMWARE_BYTES, size=FIRMWARE_BYTES))
