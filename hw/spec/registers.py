"""What the engine looks like on the bus: byte offsets from its base address, 32-bit little-endian words."""

__all__ = ["ACT_WINDOW", "LAYER_LOG", "LEAST_TICKET_BITS", "LOG_WORDS", "REGISTERS", "VERSION", "WEIGHT_WINDOW",
           "WINDOW_BYTES"]

VERSION = 2
LEAST_TICKET_BITS = 8      # low ones of a ticket, which every engine takes; compact ones without a layer log no more

#: name -> (offset, what it holds)
REGISTERS: dict[str, tuple[int, str]] = {
    "ID": (0x00, "DesignPoint.fingerprint"),
    "VERSION": (0x04, "version of this map"),
    "TICKET": (0x08, "write: start, if it differs from the last ticket taken and the engine is idle; read: last taken"),
    "DONE": (0x0C, "ticket of the last run that ended"),
    "STATUS": (0x10, "bit 0 busy, bits 15:8 error of the last run, bits 31:16 layer it stopped at"),
    "CYCLES": (0x14, "clock cycles of the last run, from the accepted ticket to the end"),
    "PROGRAM": (0x18, "first weight word of the program"),
    "PC": (0x1C, "weight word of the last command that was fetched"),
    "STREAM": (0x20, "byte address, in the memory they stream from, of the weights that stream"),
}
LAYER_LOG = 0x1000         # counters of each layer of the last run: LOG_WORDS words each, hw.spec.commands.COUNTERS
LOG_WORDS = 8
ACT_WINDOW = 0x080000      # activation scratchpad
WEIGHT_WINDOW = 0x100000   # weight and program scratchpad
WINDOW_BYTES = 0x200000    # size of the engine's region
