"""The engine's command set: one table from which encoder, decoder, gateware layout and C header are made.

A program is a list of commands in the weight scratchpad, each ``COMMAND_BITS`` long, fetched from the
lowest address on. ``END`` stops the engine, ``STREAM`` starts the stream of weights from the memory outside,
``LAYER`` runs one layer:

    table: load the table
    for block in range(blocks):                    # tile_cols output channels (depthwise: one per element of a tile)
        stream: wait until the block's block_words are in the ring
        add: load the parameters of the residual add (its other operand, its own, the sum)
        load the block's bias, multiplier and shift
        local: load the block's weights into the elements
        for band in range(bands):                  # once; broadcast, window: output rows
            for group in range(groups):            # tile_rows output pixels (depthwise: one pixel)
                add: fetch what the outputs are added to
                leave the activation port alone for port_cycles
                for ky in range(kernel_rows):
                    for segment in range(segments):    # a part of the kernel row
                        multiply and accumulate
                requantize, clamp, add, look up in the table, store

A tile is what the first ``tile_rows`` rows and ``tile_cols`` columns of the array work on, ``spacing`` cycles or more
after the tile before it (depthwise: at most the design's depthwise rows and columns). Where rows fetch their own words,
a segment takes at least ``tile_rows`` cycles.

A segment is ``segment_steps`` steps of ``lanes`` activations (the last one of a kernel row: ``tail_steps``). By
default every array row fetches its own word, one after the other, and each word serves its row for the steps of
the segment. With ``broadcast`` a segment is one step and one word serves all rows, ``distance`` apart, and
``step_x_bytes`` is from a group to the next. With ``depthwise`` a segment is one tap of ``tile_rows * tile_cols``
channels, one channel per element, ``distance`` from row to row.

With ``window`` (and ``depthwise``) a segment is a whole column of ``kernel_rows`` taps, the loops over segments and
``ky`` change places, and the elements remember the columns before it: only the last column of a pixel is multiplied,
by all of its kernel row's weights. The first pixel of a band has ``first_segments`` columns, the others ``segments``.

With ``split`` (not ``depthwise``) a weight's 8 bits are two weights of 4 or four of 2, the lowest bits first: *pieces*
that meet the same activations and belong to output channels of their own. Channel ``n`` of a tile is piece
``n // cols`` of column ``n % cols``, and a block has a set of parameters for each piece in use.

With ``table`` every output becomes what a table of 256 bytes has for it: entry ``n`` is for the output ``n - 128``. The
table lies at ``weight_base``; the first block's words follow it, unless they stream.
"""

from collections.abc import Mapping

from hw.spec.errors import SpecError

__all__ = ["COMMAND_BITS", "COMMAND_FIELDS", "COUNTERS", "COUNTS", "ERRORS", "LAYER_LOG_ENTRIES", "MAGIC",
           "MEANINGS", "OPCODES", "REACHES", "STREAM_FIELDS", "checksum", "decode", "encode"]

COMMAND_BITS = 512
MAGIC = 0x4D          # first byte of every command: a word of weights is not mistaken for one
LAYER_LOG_ENTRIES = 64  # layers whose cycles are kept, and the longest program
OPCODES = {"END": 0, "LAYER": 1, "STREAM": 2}
ERRORS = {"NONE": 0, "BAD_MAGIC": 1, "BAD_OPCODE": 2, "TOO_LONG": 3, "ZERO_COUNT": 4, "BAD_CHECKSUM": 5}
#: where the clock cycles of a layer go, in the order of the layer log; they add up to the layer's total
COUNTERS = {
    "compute": "steps are issued",
    "weight_load": "commands, parameters and weights are loaded or waited for",
    "memory": "the activation port serves residual operands or outputs",
    "requantize": "the requantizers are behind",
    "drain": "the last outputs are on their way",
}
#: fields of a LAYER that are never zero
COUNTS = ("kernel_rows", "segments", "first_segments", "segment_steps", "tail_steps", "groups", "bands", "blocks",
          "out_width", "tail_rows", "tail_cols", "tile_rows", "tile_cols", "spacing")

#: name -> (width in bits, signed, what it is). Order is the order in memory, least significant bit first.
_PREFIX: dict[str, tuple[int, bool, str]] = {
    "magic": (8, False, "first byte of every command"),
    "opcode": (4, False, "what the command does"),
    "depthwise": (1, False, "one channel per element"),
    "window": (1, False, "depthwise: elements remember the columns of the kernel"),
    "maximum": (1, False, "depthwise: the largest product instead of the sum"),
    "broadcast": (1, False, "one word serves all rows for one step"),
    "checksum": (16, False, "makes the exclusive or of the command's 16-bit parts zero"),
}
_LAYER = _PREFIX | {
    "add": (1, False, "add what lies at the output's place before"),
    "local": (1, False, "weights come from the elements' own memories"),
    "stream": (1, False, "weights come through the ring"),
    "uniform": (1, False, "all steps of a block have the same word of weights"),
    "tail_steps": (5, False, "steps of the last segment of a kernel row"),
    "segment_steps": (5, False, "steps of every other segment"),
    "tile_rows": (5, False, "array rows in use"),
    "tile_cols": (7, False, "columns in use (split: output channels, the columns' first pieces first)"),
    "spacing": (13, False, "least cycles from tile to tile: hw.spec.timing.drain_cycles"),
    "distance": (5, False, "broadcast, depthwise: activations from one array row's to the next one's"),
    "tail_rows": (5, False, "pixels in a band's last group (depthwise: rows of channels in the last block)"),
    "tail_cols": (7, False, "channels in the last block's last row"),
    "first_segments": (4, False, "window: columns of a band's first pixel"),
    "stride_y": (5, False, "input rows between output rows"),
    "in_zero": (8, True, "injected where the kernel leaves the input"),
    "out_zero": (8, True, "zero point of the outputs"),
    "act_min": (8, True, "least output"),
    "act_max": (8, True, "greatest output"),
    "add_zero": (8, True, "zero point of the sum"),
    "add_min": (8, True, "least sum"),
    "add_max": (8, True, "greatest sum"),
    "port_cycles": (4, False, "per tile, in which outputs may be stored (single-port memory)"),
    "tail_lanes": (4, False, "activations in the last step of a kernel row, less one"),
    "kernel_rows": (8, False, "taps vertically"),
    "segments": (8, False, "fetches per kernel row"),
    "in_start": (24, False, "byte address of the first tap of the first pixel; wraps"),
    "out_base": (24, False, "byte address of the output tensor"),
    "weight_base": (20, False, "first weight word of the layer"),
    "in_height": (12, False, "rows of the input"),
    "in_row_bytes": (16, False, "input width * channels"),
    "segment_bytes": (16, True, "distance of two segments"),
    "block_bytes": (16, False, "input distance of two blocks (0 unless depthwise)"),
    "step_x_bytes": (16, False, "input distance of two output pixels of a row (broadcast: of two groups)"),
    "step_y_bytes": (20, False, "input distance of two output rows"),
    "out_width": (12, False, "output pixels per row (window: 1)"),
    "first_x_bytes": (16, True, "position of the first tap in its row: -pad_left * channels"),
    "first_y": (9, True, "-pad_top"),
    "groups": (16, False, "pixel groups per band"),
    "bands": (12, False, "bands per block"),
    "blocks": (12, False, "channel blocks"),
    "out_group_bytes": (20, False, "output distance of two groups"),
    "out_band_bytes": (20, False, "output distance of a band's last group and the next band"),
    "out_row_bytes": (16, False, "output distance of two array rows"),
    "out_block_bytes": (16, False, "output distance of two blocks"),
    "block_words": (12, False, "stream: weight words of a block, parameters included"),
    "local_words": (7, False, "local: weight words that load the elements' memories"),
    "table": (1, False, "outputs go through a table before they are stored (table_unit)"),
    "split": (2, False, "how often weights are halved, for channels of their own (scalable multipliers)"),
}
_STREAM = _PREFIX | {
    "ring_base": (24, False, "byte address of the ring in the weight scratchpad"),
    "ring_bytes": (24, False, "size of the ring"),
    "stream_bytes": (32, False, "all that the program takes from the stream"),
}


def _formats(table: Mapping[str, tuple[int, bool, str]]) -> dict[str, tuple[int, bool]]:
    return {name: (bits, signed) for name, (bits, signed, _) in table.items()}


#: name -> (width in bits, signed) of a LAYER, in the order in memory, least significant bit first
COMMAND_FIELDS = _formats(_LAYER)
#: The same of a STREAM command. Words are 32 bits, the ring lies in the weight scratchpad.
STREAM_FIELDS = _formats(_STREAM)
#: name -> what the field is, one line
MEANINGS = {name: what for name, (_, _, what) in (_LAYER | _STREAM).items()}


def _reach(bits: int, signed: bool) -> tuple[int, int]:
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


#: name -> least and greatest value of a field of ``COMMAND_FIELDS``
REACHES = {name: _reach(bits, signed) for name, (bits, signed) in COMMAND_FIELDS.items()}
_FIELDS = {OPCODES["END"]: COMMAND_FIELDS, OPCODES["LAYER"]: COMMAND_FIELDS, OPCODES["STREAM"]: STREAM_FIELDS}


def checksum(word: int) -> int:
    """Exclusive or of the 16-bit parts of an encoded command; 0 for an undamaged one."""
    total = 0
    for position in range(0, COMMAND_BITS, 16):
        total ^= word >> position & 0xFFFF
    return total


def encode(values: Mapping[str, int]) -> int:
    """One command as an integer of ``COMMAND_BITS`` bits; fields that are not named are zero.

    Raises
    ------
    SpecError
        If a name is unknown or a value does not fit its field.
    """
    fields = _FIELDS.get(values.get("opcode", 0), COMMAND_FIELDS)
    if unknown := set(values) - set(fields):
        raise SpecError(f"command field {sorted(unknown)[0]!r}: not in hw.spec.commands")
    word, position, place = 0, 0, 0
    for name, (bits, signed) in fields.items():
        value = MAGIC if name == "magic" else values.get(name, 0)
        low, high = _reach(bits, signed)
        if not low <= value <= high:
            raise SpecError(f"{name}={value}: the command's {bits}-bit field holds {low} to {high}")
        if name == "checksum":
            place = position
        else:
            word |= (value & (1 << bits) - 1) << position
        position += bits
    return word | checksum(word) << place


def decode(word: int) -> dict[str, int]:
    """The inverse of :func:`encode`.

    >>> decode(encode({"opcode": 1, "in_zero": -3}))["in_zero"]
    -3
    """
    opcode = word >> 8 & 15
    values, position = {}, 0
    for name, (bits, signed) in _FIELDS.get(opcode, COMMAND_FIELDS).items():
        value = word >> position & (1 << bits) - 1
        values[name] = value - (signed and value >> bits - 1 << bits)
        position += bits
    return values


for _name, _table in (("LAYER", COMMAND_FIELDS), ("STREAM", STREAM_FIELDS)):
    if (_bits := sum(bits for bits, _ in _table.values())) > COMMAND_BITS:
        raise SpecError(f"hw.spec.commands: the fields of {_name} take {_bits} bits, more than {COMMAND_BITS}")
