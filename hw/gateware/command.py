"""The commands as gateware layouts, made from ``hw.spec.commands``."""

from amaranth import signed, unsigned
from amaranth.lib import data

from hw.spec.commands import COMMAND_BITS, COMMAND_FIELDS, STREAM_FIELDS

__all__ = ["COMMAND", "STREAM"]


def _layout(fields):
    """Little-endian; what the table leaves free is ``reserved``."""
    return data.StructLayout({
        **{name: (signed if is_signed else unsigned)(bits) for name, (bits, is_signed) in fields.items()},
        "reserved": COMMAND_BITS - sum(bits for bits, _ in fields.values()),
    })


COMMAND = _layout(COMMAND_FIELDS)
STREAM = _layout(STREAM_FIELDS)
