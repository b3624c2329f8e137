"""The activation scratchpad on the four single-port memories of an iCE40 UP5K.

Byte ``b`` lies in memory ``b >> 1 & 3`` at ``b >> 3``, in its lower half where ``b`` is even. Each memory has its own
address, so the 8 bytes of a word may start at any even one.
"""

from amaranth import Array, Cat, ClockSignal, Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.ice40 import Cells
from hw.gateware.scratchpad import BusWrite, Fetch, write_layout
from hw.spec.design import DesignPoint

__all__ = ["SinglePort16k", "SpramScratchpad"]

BANKS = 4
WORD_BITS = 14            # of a memory's address
BYTES = 2 * BANKS
ROW_BYTES = 4             # columns of the widest array whose rows take one access each


class Row(data.Struct):
    """Bytes that are stored with one access. Place ``n`` of ``data`` is for byte addresses that end in ``n``."""

    address: 17          # of its first byte
    mask: BYTES          # by place in the word
    data: 32


class SinglePort16k(wiring.Component):
    """One SB_SPRAM256KA: 16,384 halfwords, one access per cycle, either a read or a write.

    Cell: Lattice TN1314, "iCE40 SPRAM Usage Guide". ``Cells`` as the platform gives the cell, anything else a memory
    of the same behaviour. Contents are undefined after configuration.

    Members
    -------
    address : In(14)
    write : In(2)
        For each byte. Either bit makes the access a write.
    data_in : In(16)
    data_out : Out(16)
        Of the read one cycle before; after a write nothing that may be used.
    """

    address: In(WORD_BITS)
    write: In(2)
    data_in: In(16)
    data_out: Out(16)

    def elaborate(self, platform):
        m = Module()
        if isinstance(platform, Cells):
            m.submodules.cell = Instance(
                "SB_SPRAM256KA", i_CLOCK=ClockSignal(), i_ADDRESS=self.address, i_DATAIN=self.data_in,
                i_MASKWREN=Cat(bit.replicate(2) for bit in self.write), i_WREN=self.write.any(),
                i_CHIPSELECT=Const(1, 1), i_STANDBY=Const(0, 1), i_SLEEP=Const(0, 1), i_POWEROFF=Const(1, 1),
                o_DATAOUT=self.data_out)
            return m
        m.submodules.storage = storage = memory.Memory(shape=16, depth=1 << WORD_BITS, init=[])
        writer, reader = storage.write_port(granularity=8), storage.read_port()
        wrote = Signal()
        written = Signal(16)
        m.d.sync += [wrote.eq(self.write.any()), written.eq(self.data_in)]
        m.d.comb += [writer.addr.eq(self.address), writer.data.eq(self.data_in), writer.en.eq(self.write),
                     reader.addr.eq(self.address), self.data_out.eq(Mux(wrote, ~written, reader.data))]
        return m


def _delayed(m, value, cycles, name):
    for stage in range(cycles):
        later = Signal(len(value), name=f"{name}{stage + 1}", reset_less=True)
        m.d.sync += later.eq(value)
        value = later
    return value


class SpramScratchpad(wiring.Component):
    """128 KB of activations, and of weights that stream from here, behind one port of 8 bytes.

    The port serves one request per cycle: ``fetch`` whenever ``fetch_valid`` says so, else the oldest row that waits
    to be stored, else ``load``, else the bus. Reads give their data ``READ_LATENCY`` cycles after the cycle in
    which they had the port, and see everything that had the port before them.

    The writes up to and including the one with ``write_last`` are a row: at most ``cols`` neighbouring bytes, from the
    address of its first write on, which counts even where its mask is 0. A row is stored with one access, from the
    second cycle after its last write on. One row is collected while one waits for the port, so each must have had
    the port before the first write of the next but one, else bytes are lost. That holds where last writes are ``p`` or
    more cycles apart and every ``p - 1`` neighbouring cycles have one without a fetch.

    Members
    -------
    fetch : In(Fetch)
        ``address`` must be even. Looked at where ``fetch_valid`` is high.
    row_bytes, zero : In
        Constant from a fetch to its ``word``.
    hold : In(1)
        ``word``, ``load_data`` and ``bus_data`` stay as they are in the next cycle.
    word : Out
        The fetched bytes; those outside the row are ``zero``.
    write, write_last : In
        As above; ``write_last`` counts only with ``write.valid``.
    idle : Out(1)
        No row is collected or waits: all that was written is visible to a read that has the port in this cycle.
    load_read, load_address : In
        Read of 8 bytes at a multiple of 8; it has the port where ``load_ready`` is high as well.
    load_data : Out(64)
    bus_read, bus_address : In
        Read of 4 bytes at a multiple of 4; it has the port where ``bus_ready`` is high as well.
    bus_data : Out(32)
    bus_write : In(stream)
        Has the port where ``ready`` is high; never between a row and the port.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        #: For proofs: the memories; the row that is collected, or whole; the one that waits for the port, or has it.
        self.banks = [SinglePort16k() for _ in range(BANKS)]
        self.row = Signal(Row)
        self.collecting = Signal()
        self.whole = Signal()
        self.stored = Signal(Row, reset_less=True)
        self.waiting = Signal()
        self.store = Signal()
        super().__init__({
            "fetch": In(Fetch), "fetch_valid": In(1), "row_bytes": In(16), "zero": In(signed(8)),
            "hold": In(1), "word": Out(data.ArrayLayout(signed(8), BYTES)),
            "write": In(stream.Signature(write_layout(design), always_ready=True)), "write_last": In(1),
            "idle": Out(1),
            "load_read": In(1), "load_address": In(24), "load_ready": Out(1), "load_data": Out(64),
            "bus_read": In(1), "bus_address": In(24), "bus_ready": Out(1), "bus_data": Out(32),
            "bus_write": In(stream.Signature(BusWrite)),
        })

    def elaborate(self, platform):
        m = Module()
        move = Signal()
        bus_store = Signal()
        waiting, store, stored = self.waiting, self.store, self.stored
        self._collect(m, move)
        m.d.comb += [
            self.load_ready.eq(~self.fetch_valid & ~waiting),
            self.bus_ready.eq(self.load_ready & ~self.load_read),
            self.bus_write.ready.eq(self.bus_ready & ~self.bus_read & ~move),
            store.eq(~self.fetch_valid & waiting),
            bus_store.eq(self.bus_write.valid & self.bus_write.ready),
            self.idle.eq(~(self.collecting | self.whole | waiting)),
        ]
        m.d.sync += waiting.eq(move | (waiting & ~store))
        # the memories take it in the cycle after its access was granted
        select, upper = self.bus_write.p.select, self.bus_write.p.address[2]
        with m.If(bus_store):
            m.d.sync += [stored.data.eq(self.bus_write.p.data),
                         stored.mask.eq(Cat(select & ~upper.replicate(4), select & upper.replicate(4)))]
        with m.If(move):
            m.d.sync += stored.eq(self.row)

        bus_address = Mux(self.bus_read, self.bus_address, self.bus_write.p.address)
        address = Signal(16)       # of the first halfword
        m.d.comb += address.eq(Mux(self.fetch_valid, self.fetch.address >> 1,
                                   Mux(waiting, stored.address >> 1, Mux(self.load_read, self.load_address >> 3 << 2,
                                                                         bus_address[2:] << 1))))
        offset, word = address[:2], address[2:]
        writes = Signal()
        m.d.sync += writes.eq(store | bus_store)
        halves = []
        for bank, cell in enumerate(self.banks):
            m.submodules[f"bank{bank}"] = cell
            held = Signal(WORD_BITS, name=f"address{bank}", reset_less=True)
            m.d.sync += held.eq(word + (offset > bank))
            m.d.comb += [cell.address.eq(held), cell.data_in.eq(stored.data.word_select(bank & 1, 16)),
                         cell.write.eq(stored.mask.word_select(bank, 2) & writes.replicate(2))]
            halves.append(cell.data_out)
        self._read(m, halves, _delayed(m, offset, 1, "offset1_"))
        return m

    def _collect(self, m, move):
        """The row in the making, and when it becomes the one that waits for the port."""
        per_turn = self.design.requantizers
        write = self.write
        row = self.row
        taken = Signal(ROW_BYTES)
        address = Signal(17, reset_less=True)
        m.d.comb += [move.eq(self.whole & ~self.waiting), row.address.eq(address)]
        m.d.sync += self.whole.eq((write.valid & self.write_last) | (self.whole & ~move))
        with m.If(write.valid):
            m.d.sync += self.collecting.eq(~self.write_last)
            with m.If(~self.collecting):
                m.d.sync += address.eq(write.p.address)
        # neighbouring bytes, at most four of them: the lowest two bits of its address say where one is kept
        for place in range(ROW_BYTES):
            kept = Signal(8, name=f"kept{place}", reset_less=True)
            comes = Signal(name=f"comes{place}")
            m.d.comb += comes.eq(write.valid & Cat(
                write.p.mask[q] & ((write.p.address + q)[:2] == place) for q in range(per_turn)).any())
            with m.If(comes):
                turn = (place - write.p.address)[:(per_turn - 1).bit_length()]
                m.d.sync += kept.eq(Array(write.p.data)[turn] if per_turn > 1 else write.p.data[0])
            m.d.sync += taken[place].eq(comes | (taken[place] & ~move))
            wrapped = address[2] ^ (address[:2] > place)
            m.d.comb += [row.data.word_select(place, 8).eq(kept),
                         row.mask[place].eq(taken[place] & ~wrapped), row.mask[place + 4].eq(taken[place] & wrapped)]

    def _read(self, m, halves, offset):
        """Rotation in two steps. What lies outside the row is cleared in between; as ``zero`` is taken out before
        and put in after that, it becomes ``zero``."""
        fetched = _delayed(m, self.fetch_valid & ~self.fetch.raw, 1, "fetched")
        offset2 = _delayed(m, offset, 1, "offset2_")
        offset3 = _delayed(m, offset2[1], 1, "offset3_")
        zero = _delayed(m, Mux(fetched, self.zero, 0), 1, "zero2_")
        after = _delayed(m, zero, 1, "zero3_")
        outside = self._outside(m, fetched)
        swapped = Cat(outside[BANKS:], outside[:BANKS])
        cleared = _delayed(m, Mux(offset[1], swapped, outside), 1, "cleared")

        steps = Signal(8 * BYTES, reset_less=True)
        for bank in range(BANKS):
            half = Mux(offset2[0], halves[(bank + 1) % BANKS], halves[bank])
            for byte in 2 * bank, 2 * bank + 1:
                with m.If(cleared[byte]):
                    m.d.sync += steps.word_select(byte, 8).eq(0)
                with m.Else():
                    m.d.sync += steps.word_select(byte, 8).eq(half.word_select(byte & 1, 8) ^ zero)
        lower, upper = steps[:4 * BYTES], steps[4 * BYTES:]
        word = Signal(8 * BYTES, reset_less=True)
        with m.If(~self.hold):
            m.d.sync += word.eq(Mux(offset3, Cat(upper, lower), steps) ^ after.replicate(BYTES))
        m.d.comb += [self.word.as_value().eq(word), self.load_data.eq(word), self.bus_data.eq(word)]

    def _outside(self, m, fetched):
        """For each byte of a word whether it lies outside the row, one cycle after the fetch; never for others."""
        x = self.fetch.x
        left = Signal(reset_less=True)
        far = Signal(reset_less=True)
        low = Signal(3, reset_less=True)
        inside = Signal(signed(19), reset_less=True)      # bytes up to the row's end
        m.d.sync += [left.eq(x[-1]), far.eq(~self.fetch.row_valid | (x[-1] & ~x[3:].all())), low.eq(x[:3]),
                     inside.eq(self.row_bytes - x)]
        none, many = far | inside[-1], inside[3:-1].any()
        return Cat(fetched & (none | (left & (low + byte < BYTES)) | (~many & (inside[:3] <= byte)))
                   for byte in range(BYTES))
