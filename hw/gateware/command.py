"""The layer command as a gateware layout, made from ``hw.spec.commands``."""

from amaranth import signed, unsigned
from amaranth.lib import data

from hw.spec.commands import COMMAND_BITS, COMMAND_FIELDS

__all__ = ["COMMAND"]

#: Little-endian; what the table leaves free is ``reserved``.
COMMAND = data.StructLayout({
    **{name: (signed if is_signed else unsigned)(bits) for name, (bits, is_signed) in COMMAND_FIELDS.items()},
    "reserved": COMMAND_BITS - sum(bits for bits, _ in COMMAND_FIELDS.values()),
})
