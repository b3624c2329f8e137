"""The commands as gateware layouts, made from ``hw.spec.commands``."""

from amaranth import signed, unsigned
from amaranth.lib import data

from hw.spec.commands import COMMAND_BITS, COMMAND_FIELDS, STREAM_FIELDS
from hw.spec.design import DesignPoint

__all__ = ["COMMAND", "STREAM", "field_bits"]


def _layout(fields):
    """Little-endian; what the table leaves free is ``reserved``."""
    return data.StructLayout({
        **{name: (signed if is_signed else unsigned)(bits) for name, (bits, is_signed) in fields.items()},
        "reserved": COMMAND_BITS - sum(bits for bits, _ in fields.values()),
    })


COMMAND = _layout(COMMAND_FIELDS)
STREAM = _layout(STREAM_FIELDS)


def field_bits(design: DesignPoint) -> dict[str, int]:
    """Bits of each field of ``COMMAND`` that mean something on a compact design; the others there are zero.

    It has one row and nothing in its elements, so that some fields have only one value that makes sense.
    """
    bits = {name: width for name, (width, _) in COMMAND_FIELDS.items()}
    if design.compact:
        address = (design.act_bytes - 1).bit_length()
        bits |= dict.fromkeys(("window", "broadcast", "local", "local_words", "tail_rows", "out_row_bytes",
                               "first_segments"), 0)
        bits |= {"tail_lanes": 0, "tail_steps": 2, "segment_steps": 2} if design.fetch_steps < 4 else {}
        bits |= dict.fromkeys(("in_start", "out_base", "step_y_bytes", "out_group_bytes", "out_band_bytes"), address)
    return {name: min(width, COMMAND_FIELDS[name][0]) for name, width in bits.items()}
