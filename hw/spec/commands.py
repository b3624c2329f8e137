"""The engine's command set: one table from which encoder, decoder, gateware layout and C header are made.

A program is a list of commands in the weight scratchpad, each ``COMMAND_BITS`` long, fetched from the
lowest address on. ``END`` stops the engine; ``LAYER`` runs one layer:

    for block in range(blocks):                    # cols output channels (depthwise: depthwise_channels)
        load the block's bias, multiplier and shift
        for group in range(groups):                # rows output pixels (depthwise: one pixel)
            for ky in range(kernel_rows):
                for segment in range(segments):    # fetch_bytes of the kernel row (depthwise: one tap)
                    multiply and accumulate
            requantize, clamp, store
"""

from collections.abc import Mapping

from hw.spec.errors import SpecError

__all__ = ["COMMAND_BITS", "COMMAND_FIELDS", "COUNTERS", "COUNTS", "ERRORS", "LAYER_LOG_ENTRIES", "MAGIC", "OPCODES",
           "decode", "encode"]

COMMAND_BITS = 512
MAGIC = 0x4D          # first byte of every command: a word of weights is not mistaken for one
LAYER_LOG_ENTRIES = 64  # layers whose cycles are kept, and the longest program
OPCODES = {"END": 0, "LAYER": 1}
ERRORS = {"NONE": 0, "BAD_MAGIC": 1, "BAD_OPCODE": 2, "TOO_LONG": 3, "ZERO_COUNT": 4}
#: where the clock cycles of a layer go, in the order of the layer log; they add up to the layer's total
COUNTERS = {
    "compute": "steps are issued",
    "weight_load": "commands, parameters and weights are loaded or waited for",
    "memory": "the activation port serves residual operands or outputs",
    "requantize": "the requantizers are behind",
    "drain": "the last outputs are on their way",
}
#: fields of a LAYER that are never zero
COUNTS = ("kernel_rows", "segments", "groups", "blocks", "out_width", "tail_steps", "tail_rows", "tail_cols")

#: name -> (width in bits, signed). Order is the order in memory, least significant bit first.
COMMAND_FIELDS: dict[str, tuple[int, bool]] = {
    "magic": (8, False),
    "opcode": (4, False),
    "depthwise": (4, False),         # 1: one channel per element
    "kernel_rows": (8, False),       # taps vertically
    "segments": (8, False),          # fetches per kernel row
    "in_zero": (8, True),            # injected where the kernel leaves the input
    "out_zero": (8, True),
    "act_min": (8, True),
    "act_max": (8, True),
    "in_base": (24, False),          # byte address of the input tensor
    "tail_steps": (8, False),        # lane groups in the last segment of a kernel row
    "out_base": (24, False),         # byte address of the output tensor
    "tail_rows": (8, False),         # pixels in the last group (depthwise: rows of channels in the last block)
    "weight_base": (24, False),      # first weight word of the layer
    "tail_cols": (8, False),         # channels in the last block's last row
    "in_height": (16, False),        # input rows
    "in_row_bytes": (16, False),     # input width * channels
    "segment_bytes": (16, True),     # distance of two segments
    "block_bytes": (16, False),      # input distance of two blocks (0 unless depthwise)
    "step_x_bytes": (16, False),     # input distance of two output pixels of a row
    "out_width": (16, False),        # output pixels per row
    "step_y_bytes": (24, False),     # input distance of two output rows
    "stride_y": (8, False),          # input rows between output rows
    "first_x_bytes": (16, True),     # position of the first tap in its row: -pad_left * channels
    "first_y": (16, True),           # -pad_top
    "first_offset": (24, True),      # first_y * in_row_bytes + first_x_bytes
    "groups": (16, False),           # pixel groups per block
    "blocks": (16, False),           # channel blocks
    "out_group_bytes": (24, False),  # output distance of two groups
    "out_row_bytes": (16, False),    # output distance of two array rows
    "out_block_bytes": (16, False),  # output distance of two blocks
}


def encode(values: Mapping[str, int]) -> int:
    """One command as an integer of ``COMMAND_BITS`` bits; fields that are not named are zero.

    Raises
    ------
    SpecError
        If a name is unknown or a value does not fit its field.
    """
    if unknown := set(values) - set(COMMAND_FIELDS):
        raise SpecError(f"command field {sorted(unknown)[0]!r}: not in hw.spec.commands")
    word, position = 0, 0
    for name, (bits, signed) in COMMAND_FIELDS.items():
        value = MAGIC if name == "magic" else values.get(name, 0)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if not low <= value <= high:
            raise SpecError(f"{name}={value}: the command's {bits}-bit field holds {low} to {high}")
        word |= (value & (1 << bits) - 1) << position
        position += bits
    return word


def decode(word: int) -> dict[str, int]:
    """The inverse of :func:`encode`.

    >>> decode(encode({"opcode": 1, "in_zero": -3}))["in_zero"]
    -3
    """
    values, position = {}, 0
    for name, (bits, signed) in COMMAND_FIELDS.items():
        value = word >> position & (1 << bits) - 1
        values[name] = value - (signed and value >> bits - 1 << bits)
        position += bits
    return values


if sum(bits for bits, _ in COMMAND_FIELDS.values()) > COMMAND_BITS:
    raise SpecError("hw.spec.commands: the fields exceed COMMAND_BITS")
