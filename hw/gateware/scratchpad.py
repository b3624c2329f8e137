"""Scratchpads: activations, read as whole words from any byte address, and weights with their program.

The latencies in the docstrings are those of ``hw.spec.timing``.
"""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.memories import RAM
from hw.spec.design import WEIGHT_REGION_BITS, DesignPoint
from hw.spec.stream import write_bytes
from hw.spec.timing import READ_LATENCY

__all__ = ["ActivationScratchpad", "BusWrite", "Fetch", "WeightScratchpad", "stream_layout",
           "weight_address_bits", "write_layout"]

BUS_BYTES = 4


class Fetch(data.Struct):
    """Request for a word of activations; the bytes that lie outside the tensor's row are replaced."""

    address: 24          # of the first byte
    x: signed(18)        # position of the first byte in its row, bytes; may lie outside
    row_valid: 1         # the row lies inside the tensor
    raw: 1               # nothing is replaced


class BusWrite(data.Struct):
    address: 24          # bytes, aligned to 4
    data: 32
    select: 4


def write_layout(design: DesignPoint) -> data.StructLayout:
    """Neighbouring outputs, one for each requantizer."""
    return data.StructLayout({"address": 24, "data": data.ArrayLayout(design.act_bits, design.requantizers),
                              "mask": design.requantizers})


def weight_address_bits(design: DesignPoint) -> int:
    """Of the address of a weight word, or of the one behind the last."""
    return (8 * design.weight_bytes // design.weight_word_bits).bit_length()


def stream_layout(design: DesignPoint) -> data.StructLayout:
    """Streamed weights for their scratchpad; the byte address is a multiple of their size."""
    return data.StructLayout({"address": 24, "data": 8 * write_bytes(design)})


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
    """``act_bytes`` activations of ``act_bits`` in banks of one, so that a word may start at any of them.

    ``word`` follows ``fetch`` by ``READ_LATENCY`` cycles, ``bus_data`` follows ``bus_address`` likewise while
    ``bus_read`` is high; the two share one port, and the bus has it while ``bus_read`` is high. A write is
    visible to reads that start ``WRITE_LATENCY`` cycles later; a read of the same place in between gives
    anything. The bus waits while the engine writes. On the bus every activation is a byte.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "fetch": In(Fetch), "row_bytes": In(16), "zero": In(signed(8)),
            "word": Out(data.ArrayLayout(signed(design.act_bits), design.fetch_bytes)),
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
                shape=self.design.act_bits, depth=depth, init=[], attrs=RAM)
            writers.append(storage.write_port())
            readers.append(storage.read_port())
        self._read(m, readers)
        self._write(m, writers)
        return m

    def _split(self, address):
        """Word and offset of an address, and the address of each bank for a run that starts there."""
        width = self.design.fetch_bytes
        bits = (width - 1).bit_length()
        offset, word = address[:bits], address[bits:]
        following = word + 1
        return offset, [Mux(offset > bank, following, word) for bank in range(width)]

    def _read(self, m, ports):
        address = Mux(self.bus_read, self.bus_address, self.fetch.address)
        offset, addresses = self._split(address)
        for stage in range(READ_LATENCY - 1):
            offset = _registered(m, offset, f"offset{stage}")
        held = []
        for bank, (port, bank_address) in enumerate(zip(ports, addresses, strict=True)):
            held_address = Signal(len(port.addr), name=f"address{bank}")
            m.d.sync += held_address.eq(bank_address)
            m.d.comb += port.addr.eq(held_address)
            held.append(_registered(m, port.data, f"data{bank}"))
        mask = self._mask(m)
        rotated = _rotate_left(held, offset)
        for j, lane in enumerate(rotated):
            kept = Mux(mask[j], lane, self.zero[:self.design.act_bits])
            m.d.comb += self.word[j].eq(_registered(m, kept, f"lane{j}"))
        for j in range(BUS_BYTES):
            value = _registered(m, rotated[j], f"bus{j}")
            m.d.comb += self.bus_data.word_select(j, 8).eq(value.as_signed())

    def _mask(self, m):
        """Which activations lie inside the row, a cycle ahead of ``word``."""
        width = self.design.fetch_bytes
        left = Signal(signed(19))      # that are missing on the left
        inside = Signal(signed(19))    # up to the row's end
        m.d.sync += [left.eq(-self.fetch.x), inside.eq(self.row_bytes - self.fetch.x)]
        valid, raw = _registered(m, self.fetch.row_valid, "row_valid"), _registered(m, self.fetch.raw, "raw")
        begin = Signal(range(width + 1))
        end = Signal(range(width + 1))
        m.d.sync += [
            begin.eq(Mux(raw | (left < 0), 0, Mux(left > width, width, left))),
            end.eq(Mux(~raw & ((inside < 0) | ~valid), 0, Mux(raw | (inside > width), width, inside))),
        ]
        return _registered(m, Cat((begin <= j) & (end > j) for j in range(width)), "mask")

    def _write(self, m, ports):
        bits = self.design.act_bits
        width, lanes = self.design.fetch_bytes, max(BUS_BYTES, self.design.requantizers)
        address = Signal(24)
        values = Signal(lanes * bits)
        mask = Signal(lanes)
        m.d.comb += self.bus_write.ready.eq(~self.write.valid)
        with m.If(self.write.valid):
            m.d.comb += [address.eq(self.write.p.address), values.eq(self.write.p.data.as_value()),
                         mask.eq(self.write.p.mask)]
        with m.Else():
            m.d.comb += [address.eq(self.bus_write.p.address),
                         values.eq(Cat(self.bus_write.p.data.word_select(j, 8)[:bits] for j in range(BUS_BYTES))),
                         mask.eq(self.bus_write.p.select & self.bus_write.valid.replicate(BUS_BYTES))]
        offset, addresses = self._split(address)
        nothing = Const(0, bits + 1)
        carried = [Cat(values.word_select(j, bits), mask[j]) if j < lanes else nothing for j in range(width)]
        for port, lane, bank_address in zip(ports, _rotate_right(carried, offset), addresses, strict=True):
            m.d.sync += [port.addr.eq(bank_address), port.data.eq(lane[:bits]), port.en.eq(lane[bits])]


class WeightScratchpad(wiring.Component):
    """``weight_bytes`` of program, channel parameters and weights; the engine only reads it.

    ``weights`` follows ``address`` (in weight words) by ``READ_LATENCY`` cycles. ``bus_read`` takes the port from the
    engine, where the design's weights are readable; ``bus_data`` follows it and ``bus_address``, which stays, by
    ``WEIGHT_BUS_LATENCY``. The bus waits while the stream writes. ``init`` is the content after configuration.
    """

    def __init__(self, design: DesignPoint, init: bytes = b""):
        self.design, self.init = design, init
        super().__init__({
            "address": In(weight_address_bits(design)), "weights": Out(design.weight_word_bits),
            "bus_read": In(1), "bus_address": In(24), "bus_data": Out(32),
            "bus_write": In(stream.Signature(BusWrite)),
            "stream_write": In(stream.Signature(stream_layout(design), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        design = self.design
        banks = design.weight_port_bits // 32
        depth = design.weight_bytes * 8 // design.weight_port_bits
        bank_bits = (banks - 1).bit_length()
        part_bits = (design.weight_port_bits // design.weight_word_bits - 1).bit_length()

        line = Signal(24)
        reads = self.bus_read if design.weights_readable else 0
        m.d.sync += line.eq(Mux(reads, self.bus_address >> 2 + bank_bits, self.address >> part_bits))
        part = self.address[:part_bits]
        behind = design.weight_stages_behind
        for stage in range(READ_LATENCY - 2 - behind):
            line = _registered(m, line, f"line{stage}")
        for stage in range(READ_LATENCY - min(1, behind)):
            part = _registered(m, part, f"part{stage}")
        region = _registered(m, line[WEIGHT_REGION_BITS:], "region2")
        chosen = [region == number for number in range(-(-depth >> WEIGHT_REGION_BITS))]
        if behind:     # decoded a cycle ahead: each of these is all over the device
            chosen = [_registered(m, one, f"chosen{number}") for number, one in enumerate(chosen)]
        words = []
        for bank in range(banks):
            init = [int.from_bytes(self.init[4 * n:4 * n + 4], "little")
                    for n in range(bank, -(-len(self.init) // 4), banks)]
            write = self._write(m, bank, bank_bits)
            regions = []
            for number, first in enumerate(range(0, depth, 1 << WEIGHT_REGION_BITS)):
                size = min(depth - first, 1 << WEIGHT_REGION_BITS)
                m.submodules[f"bank{bank}_{number}"] = storage = memory.Memory(
                    shape=32, depth=size, init=init[first:first + size], attrs=RAM)
                writer, reader = storage.write_port(), storage.read_port()
                m.d.comb += reader.addr.eq(line)
                # blocks of a bank lie all over the device
                domain = m.d.sync if behind else m.d.comb
                domain += [writer.addr.eq(write.line), writer.data.eq(write.data),
                           writer.en.eq(write.valid & (write.line >> WEIGHT_REGION_BITS == number))]
                regions.append(_registered(m, reader.data, f"word{bank}_{number}") if behind else reader.data)
            words.append(reduce(or_, (Mux(one, word, 0) for one, word in zip(chosen, regions, strict=True)))
                         if len(regions) > 1 else regions[0])
        port = Signal(design.weight_port_bits)
        m.d.comb += port.eq(Cat(*words))
        domain = m.d.sync if behind else m.d.comb
        domain += self.weights.eq(port.word_select(part, design.weight_word_bits))
        if design.weights_readable:     # from one of all banks, which takes a cycle of its own
            lane = _registered(m, self.bus_address[2:2 + bank_bits], "lane")
            m.d.sync += self.bus_data.eq(_registered(m, port, "held").word_select(lane, 32))
        m.d.comb += self.bus_write.ready.eq(~self.stream_write.valid)
        return m

    def _write(self, m, bank, bank_bits):
        """What is written to a bank; the stream's words may span some neighbouring ones."""
        bus, streamed = self.bus_write, self.stream_write
        write = Signal(data.StructLayout({"valid": 1, "line": 24, "data": 32}), name=f"write{bank}")
        m.d.comb += [write.data.eq(bus.p.data), write.line.eq(bus.p.address >> 2 + bank_bits),
                     write.valid.eq(bus.valid & (bus.p.address[2:2 + bank_bits] == bank))]
        span = len(streamed.p.data) // 32
        if self.design.stream_port_bytes:
            with m.If(streamed.valid):
                place = streamed.p.address[2:2 + bank_bits]
                m.d.comb += [write.data.eq(streamed.p.data.word_select(bank % span, 32)),
                             write.line.eq(streamed.p.address >> 2 + bank_bits),
                             write.valid.eq(place >> (span - 1).bit_length() == bank // span)]
        return write
