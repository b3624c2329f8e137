"""Scratchpads: activations, read as whole words from any byte address, and weights with their program.

The latencies in the docstrings are those of ``hw.spec.timing``.
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.spec.design import DesignPoint

__all__ = ["BLOCK_RAM", "ActivationScratchpad", "BusWrite", "Fetch", "WeightScratchpad", "write_layout"]

BUS_BYTES = 4

#: Nobody uses what a read gives while its address is written, so synthesis need not build logic that defines it.
BLOCK_RAM = {"no_rw_check": 1}


class Fetch(data.Struct):
    """Request for a word of activations; the bytes that lie outside the tensor's row are replaced."""

    address: 24          # of the first byte
    x: signed(18)        # position of the first byte in its row, bytes; may lie outside
    row_valid: 1         # the row lies inside the tensor


class BusWrite(data.Struct):
    address: 24          # bytes, aligned to 4
    data: 32
    select: 4


def write_layout(design: DesignPoint) -> data.StructLayout:
    """Neighbouring output bytes, one for each requantizer."""
    return data.StructLayout({"address": 24, "data": data.ArrayLayout(8, design.requantizers),
                              "mask": design.requantizers})


def _rotate_left(lanes, amount):
    """``out[j] = lanes[(j + amount) % len(lanes)]`` for a power of two of lanes."""
    for bit in range((len(lanes) - 1).bit_length()):
        lanes = [Mux(amount[bit], lanes[(j + (1 << bit)) % len(lanes)], lane) for j, lane in enumerate(lanes)]
    return lanes


def _rotate_right(lanes, amount):
    """``out[j] = lanes[(j - amount) % len(lanes)]`` for a power of two of lanes."""
    for bit in range((len(lanes) - 1).bit_length()):
        lanes = [Mux(amount[bit], lanes[(j - (1 << bit)) % len(lanes)], lane) for j, lane in enumerate(lanes)]
    return lanes


def _registered(m, value, name):
    later = Signal.like(value, name=name)
    m.d.sync += later.eq(value)
    return later


class ActivationScratchpad(wiring.Component):
    """``act_bytes`` of activations in one-byte banks, so that a word may start at any byte.

    ``word`` follows ``fetch`` by ``READ_LATENCY`` cycles, ``bus_data`` follows ``bus_address`` likewise while
    ``bus_read`` is high; the two share one port, and the bus has it while ``bus_read`` is high. A write is
    visible to reads that start ``WRITE_LATENCY`` cycles later; a read of the same byte in between gives
    anything. The bus waits while the engine writes.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "fetch": In(Fetch), "row_bytes": In(16), "zero": In(signed(8)),
            "word": Out(data.ArrayLayout(signed(8), design.fetch_bytes)),
            "write": In(stream.Signature(write_layout(design), always_ready=True)),
            "bus_read": In(1), "bus_address": In(24), "bus_data": Out(32),
            "bus_write": In(stream.Signature(BusWrite)),
        })

    def elaborate(self, platform):
        m = Module()
        width, depth = self.design.fetch_bytes, self.design.act_bytes // self.design.fetch_bytes
        readers, writers = [], []
        for bank in range(width):
            m.submodules[f"bank{bank}"] = storage = memory.Memory(
                shape=8, depth=depth, init=[], attrs=BLOCK_RAM)
            writers.append(storage.write_port())
            readers.append(storage.read_port())
        self._read(m, readers)
        self._write(m, writers)
        return m

    def _split(self, address):
        """Word and byte offset of an address, and the address of each bank for a run that starts there."""
        width = self.design.fetch_bytes
        bits = (width - 1).bit_length()
        offset, word = address[:bits], address[bits:]
        following = word + 1
        return offset, [Mux(offset > bank, following, word) for bank in range(width)]

    def _read(self, m, ports):
        width = self.design.fetch_bytes
        address = Mux(self.bus_read, self.bus_address, self.fetch.address)
        offset, addresses = self._split(address)
        offset2 = _registered(m, offset, "offset2")
        offset3 = _registered(m, offset2, "offset3")
        for port, bank_address in zip(ports, addresses, strict=True):
            held = Signal(len(port.addr))
            m.d.sync += held.eq(bank_address)
            m.d.comb += port.addr.eq(held)
        rotated = _rotate_left([port.data for port in ports], offset3)
        word = Cat(*(_registered(m, lane, f"lane{j}") for j, lane in enumerate(rotated)))
        mask = self._mask(m)
        m.d.comb += self.bus_data.eq(word)
        for j in range(width):
            m.d.comb += self.word[j].eq(Mux(mask[j], word.word_select(j, 8).as_signed(), self.zero))

    def _mask(self, m):
        """Which bytes lie inside the row, with the timing of ``word``."""
        width = self.design.fetch_bytes
        left = Signal(signed(19))      # bytes that are missing on the left
        inside = Signal(signed(19))    # bytes up to the row's end
        m.d.comb += [left.eq(-self.fetch.x), inside.eq(self.row_bytes - self.fetch.x)]
        begin, end = Signal(range(width + 1)), Signal(range(width + 1))
        m.d.sync += [
            begin.eq(Mux(left < 0, 0, Mux(left > width, width, left))),
            end.eq(Mux((inside < 0) | ~self.fetch.row_valid, 0, Mux(inside > width, width, inside))),
        ]
        mask = Signal(width)
        m.d.sync += mask.eq(Cat((begin <= j) & (end > j) for j in range(width)))
        return _registered(m, mask, "mask4")

    def _write(self, m, ports):
        width, lanes = self.design.fetch_bytes, max(BUS_BYTES, self.design.requantizers)
        address, values, mask = Signal(24), Signal(lanes * 8), Signal(lanes)
        m.d.comb += self.bus_write.ready.eq(~self.write.valid)
        with m.If(self.write.valid):
            m.d.comb += [address.eq(self.write.p.address), values.eq(self.write.p.data.as_value()),
                         mask.eq(self.write.p.mask)]
        with m.Else():
            m.d.comb += [address.eq(self.bus_write.p.address), values.eq(self.bus_write.p.data),
                         mask.eq(self.bus_write.p.select & self.bus_write.valid.replicate(BUS_BYTES))]
        offset, addresses = self._split(address)
        nothing = Const(0, 9)
        carried = [Cat(values.word_select(j, 8), mask[j]) if j < lanes else nothing for j in range(width)]
        for port, lane, bank_address in zip(ports, _rotate_right(carried, offset), addresses, strict=True):
            m.d.sync += [port.addr.eq(bank_address), port.data.eq(lane[:8]), port.en.eq(lane[8])]


class WeightScratchpad(wiring.Component):
    """``weight_bytes`` of program, channel parameters and weights; the engine only reads it.

    ``weights`` follows ``address`` (in weight words) by ``READ_LATENCY`` cycles; ``bus_data`` follows
    ``bus_address`` likewise while ``bus_read`` is high, which takes the port from the engine. ``init`` is the
    content after configuration.
    """

    def __init__(self, design: DesignPoint, init: bytes = b""):
        self.design, self.init = design, init
        super().__init__({
            "address": In(24), "weights": Out(design.weight_word_bits),
            "bus_read": In(1), "bus_address": In(24), "bus_data": Out(32),
            "bus_write": In(stream.Signature(BusWrite, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        design = self.design
        banks = design.weight_port_bits // 32
        depth = design.weight_bytes * 8 // design.weight_port_bits
        bank_bits = (banks - 1).bit_length()
        part_bits = (design.weight_port_bits // design.weight_word_bits - 1).bit_length()

        line = Signal(24)
        m.d.sync += line.eq(Mux(self.bus_read, self.bus_address >> 2 + bank_bits, self.address >> part_bits))
        part = _registered(m, _registered(m, self.address[:part_bits], "part2"), "part3")
        lane = _registered(m, _registered(m, self.bus_address[2:2 + bank_bits], "lane2"), "lane3")
        words = []
        for bank in range(banks):
            init = [int.from_bytes(self.init[4 * n:4 * n + 4], "little")
                    for n in range(bank, -(-len(self.init) // 4), banks)]
            m.submodules[f"bank{bank}"] = storage = memory.Memory(
                shape=32, depth=depth, init=init, attrs=BLOCK_RAM)
            writer, reader = storage.write_port(), storage.read_port()
            chosen = self.bus_write.p.address[2:2 + bank_bits] == bank
            m.d.comb += [reader.addr.eq(line), writer.data.eq(self.bus_write.p.data),
                         writer.addr.eq(self.bus_write.p.address >> 2 + bank_bits),
                         writer.en.eq(self.bus_write.valid & chosen)]
            words.append(reader.data)
        port = Cat(*words)
        m.d.sync += [self.weights.eq(port.word_select(part, design.weight_word_bits)),
                     self.bus_data.eq(port.word_select(lane, 32))]
        return m
