"""The commands as gateware layouts, made from ``hw.spec.commands``, and how one is gathered."""

from amaranth import Array, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory

from hw.gateware.memories import BLOCK_RAM
from hw.spec import fields
from hw.spec.commands import COMMAND_BITS, COMMAND_FIELDS, STREAM_FIELDS
from hw.spec.design import DesignPoint
from hw.spec.timing import DRAIN_MODES, READ_LATENCY, command_words

__all__ = ["COMMAND", "STREAM", "gather", "use_whole_tiles"]


def _layout(table):
    """Little-endian; what the table leaves free is ``reserved``."""
    return data.StructLayout({
        **{name: (signed if is_signed else unsigned)(bits) for name, (bits, is_signed) in table.items()},
        "reserved": COMMAND_BITS - sum(bits for bits, _ in table.values()),
    })


COMMAND = _layout(COMMAND_FIELDS)
STREAM = _layout(STREAM_FIELDS)
#: Bits of a command that a compact design keeps in block RAM: none of fields that are in use after that. They are there
#: a cycle later than others, so where they are in a command's last word it keeps all in registers.
IN_BLOCK_RAM = (256, 368)


def use_whole_tiles(m: Module, design: DesignPoint, command: data.View) -> None:
    """Gives ``command`` the tile fields of a design that always uses all of its array, from the kind of layer."""
    tiles = {mode: fields.whole_tile(design, depthwise=mode[0], add=mode[1]) for mode in DRAIN_MODES}
    plain, depthwise = tiles[False, False], tiles[True, False]
    m.d.comb += [
        command.tile_rows.eq(plain["tile_rows"]), command.distance.eq(plain["distance"]),
        command.tile_cols.eq(Mux(command.depthwise, depthwise["tile_cols"], plain["tile_cols"])),
        command.spacing.eq(Array(tile["spacing"] for tile in tiles.values())[Cat(command.add, command.depthwise)]),
    ]


def gather(m: Module, design: DesignPoint, held: data.View, *, reads: Value, begin: Value, weights: Value, layer: Value
           ) -> tuple[data.View, Value]:
    """Puts the words of a command in their places in ``held`` as they arrive, and adds up its checksum.

    Parameters
    ----------
    held
        Register of ``COMMAND``.
    reads, begin
        A word of a command is issued to be read; the first one.
    layer
        Number of the layer, constant from here to its end.
    weights
        The word that was issued ``1 + READ_LATENCY`` cycles ago.

    Returns
    -------
    command, damaged
        The command once all words are there, and whether its checksum is wrong. In a compact design a part of it is
        perhaps not in ``held`` but in block RAM, whose output stays.
    """
    width, words = design.weight_word_bits, command_words(design)
    coming = reads
    for stage in range(1 + READ_LATENCY):
        later = Signal(name=f"coming{stage + 1}")
        m.d.sync += later.eq(coming)
        coming = later
    place = Signal(range(max(2, words)))
    folded = Signal(16)
    for_checksum = weights[:16]
    for part in range(1, width // 16):
        for_checksum = for_checksum ^ weights[16 * part:16 * part + 16]
    with m.If(coming):
        m.d.sync += [place.eq(place + 1 if words > 1 else 0), folded.eq(folded ^ for_checksum)]
        for word in range(words):
            with m.If(place == word):
                m.d.sync += held.as_value()[word * width:(word + 1) * width].eq(weights)
    with m.If(reads & begin):
        m.d.sync += [folded.eq(0), place.eq(0)]
    first, end = IN_BLOCK_RAM
    if not design.compact or (end - 1) // width == words - 1:
        return held, folded != 0
    m.submodules.command = storage = memory.Memory(
        shape=end - first, depth=2, init=[], attrs=BLOCK_RAM)
    writer, reader = storage.write_port(), storage.read_port()
    word, bit = divmod(first, width)
    m.d.comb += [writer.en.eq(coming & (place == word)), writer.data.eq(weights[bit:bit + end - first]),
                 # a constant address would make registers of it
                 reader.addr.eq(layer[0]), writer.addr.eq(layer[0])]
    bits = held.as_value()
    return data.View(COMMAND, Cat(bits[:first], reader.data, bits[end:])), folded != 0
