"""The commands as gateware layouts, made from ``hw.spec.commands``, and how one is gathered."""

from amaranth import Array, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory

from hw.gateware.memories import BLOCK_RAM
from hw.spec import fields
from hw.spec.commands import COMMAND_BITS, COMMAND_FIELDS, OPCODES, STREAM_FIELDS
from hw.spec.design import DesignPoint
from hw.spec.timing import DRAIN_MODES, READ_LATENCY, command_words

__all__ = ["COMMAND", "STREAM", "CommandWords", "WholeTileCommandWords", "command_layout"]


def _layout(table):
    """Little-endian; what the table leaves free is ``reserved``."""
    return data.StructLayout({
        **{name: (signed if is_signed else unsigned)(bits) for name, (bits, is_signed) in table.items()},
        "reserved": COMMAND_BITS - sum(bits for bits, _ in table.values()),
    })


#: What every engine has.
COMMAND = _layout({name: kind for name, kind in COMMAND_FIELDS.items() if name not in fields.OF_UNITS})
STREAM = _layout(STREAM_FIELDS)
#: Bits of a command that :class:`WholeTileCommandWords` keeps in block RAM.
IN_BLOCK_RAM = (256, 384)


def command_layout(design: DesignPoint) -> data.StructLayout:
    """``COMMAND``, with the fields of units that the design has."""
    lacks = fields.OF_UNITS.keys() - fields.command_fields(design)
    last = max(place for place, name in enumerate(COMMAND_FIELDS) if name not in lacks)
    return _layout({f"no_{name}" if name in lacks else name: kind
                    for name, kind in list(COMMAND_FIELDS.items())[:last + 1]})


class CommandWords:
    """The words of a command, put in their places in ``held`` as they arrive; adds to the sequencer's own module.

    Parameters
    ----------
    held
        Register of ``command_layout``.
    """

    #: Of ``held``.
    reset_less = False

    def __init__(self, design: DesignPoint, held: data.View):
        self.design, self.held = design, held

    def gather(self, m: Module, *, reads: Value, begin: Value, weights: Value, layer: Value
               ) -> tuple[data.View, Value]:
        """Hold the words of a command and add up its checksum.

        Parameters
        ----------
        reads, begin
            A word of a command is issued to be read; the first one.
        weights
            The word that was issued ``1 + READ_LATENCY`` cycles ago.
        layer
            Number of the layer, constant from here to its end.

        Returns
        -------
        command, damaged
            The command once all words are there, and whether its checksum is wrong.
        """
        width, words = self.design.weight_word_bits, command_words(self.design)
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
                    m.d.sync += self.held.as_value()[word * width:(word + 1) * width].eq(weights)
        with m.If(reads & begin):
            m.d.sync += [folded.eq(0), place.eq(0)]
        return self._kept(m, coming, place, weights, layer), folded != 0

    def _kept(self, m: Module, coming: Value, place: Value, weights: Value, layer: Value) -> data.View:
        """The whole command, where it is kept."""
        return self.held

    def take(self, m: Module, gathered: data.View, command: data.View) -> None:
        """Give ``command`` the fields that the engine has, with the bits that it looks at."""
        bits_of = fields.command_fields(self.design)
        for name in (one for one in COMMAND_FIELDS if one in command.shape().members):
            field, bits = gathered[name], bits_of.get(name, 0)
            m.d.comb += command[name].eq(field if bits == len(field) else field[:bits])

    def is_layer(self, command: data.View) -> Value:
        """Of a command that is run."""
        return command.opcode == OPCODES["LAYER"]


class WholeTileCommandWords(CommandWords):
    """The same for an engine that always uses all of its array, and has few registers.

    A part of the command is perhaps not in ``held`` but in block RAM, whose output stays; it has no field that is in
    use after that. It is there a cycle later than others, so where it is in the last word all is in registers.
    """

    reset_less = True

    def _kept(self, m: Module, coming: Value, place: Value, weights: Value, layer: Value) -> data.View:
        width, words = self.design.weight_word_bits, command_words(self.design)
        first, end = IN_BLOCK_RAM
        if (end - 1) // width == words - 1:
            return self.held
        m.submodules.command = storage = memory.Memory(
            shape=end - first, depth=2, init=[], attrs=BLOCK_RAM)
        writer, reader = storage.write_port(), storage.read_port()
        word, bit = divmod(first, width)
        m.d.comb += [writer.en.eq(coming & (place == word)), writer.data.eq(weights[bit:bit + end - first]),
                     # a constant address would make registers of it
                     reader.addr.eq(layer[0]), writer.addr.eq(layer[0])]
        bits = self.held.as_value()
        return data.View(self.held.shape(), Cat(bits[:first], reader.data, bits[end:]))

    def take(self, m: Module, gathered: data.View, command: data.View) -> None:
        super().take(m, gathered, command)
        tiles = {mode: fields.whole_tile(self.design, depthwise=mode[0], add=mode[1]) for mode in DRAIN_MODES}
        plain, depthwise = tiles[False, False], tiles[True, False]
        m.d.comb += [
            command.tile_rows.eq(plain["tile_rows"]), command.distance.eq(plain["distance"]),
            command.tile_cols.eq(Mux(command.depthwise, depthwise["tile_cols"], plain["tile_cols"])),
            command.spacing.eq(Array(tile["spacing"] for tile in tiles.values())[Cat(command.add, command.depthwise)]),
        ]

    def is_layer(self, command: data.View) -> Value:
        return command.opcode[0]
