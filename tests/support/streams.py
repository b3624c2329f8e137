"""The loader of weights in Amaranth's simulator, with a memory outside and a sequencer that takes blocks."""

import random
from dataclasses import dataclass, field

from amaranth import Module

from hw.formal.stream import RingContract
from hw.gateware.stream import SpramSource, WeightStream
from hw.spec.design import DesignPoint
from hw.spec.stream import SPRAM_LATENCY_CYCLES, latency_cycles, word_bytes
from tests.support.simulate import simulate

__all__ = ["Block", "StreamBench"]


@dataclass(frozen=True, kw_only=True)
class Block:
    words: int           # weight words
    pause: int = 0       # cycles from the release of the block before to the wait for this one
    hold: int = 0        # cycles from ready to release


@dataclass(kw_only=True)
class StreamBench:
    """Takes ``blocks`` from a loader, checks every word of them; ``ready`` has the cycles in which each became ready.

    The cycle with ``start`` is 0. With ``stalls`` the memory takes requests and gives beats when it likes.
    """

    design: DesignPoint
    ring_base: int
    ring_bytes: int
    stream_bytes: int
    blocks: list[Block]
    base: int = 0x1230
    stalls: random.Random | None = None
    ready: list[int] = field(default_factory=list)
    requests: list[tuple[int, int]] = field(default_factory=list)    # address, bytes
    loader: WeightStream = field(init=False)

    def __post_init__(self):
        rng = random.Random(self.stream_bytes)
        self.content = rng.randbytes(self.stream_bytes)
        self.scratchpad = bytearray(self.design.weight_bytes)
        self.loader = WeightStream(self.design)
        self.source = SpramSource(self.design) if self.design.memory == "spram" else None
        self.beats = {}          # cycle -> payload
        self.address = 0         # of the next word to take, in the stream

    def run(self):
        top = Module()
        top.submodules.loader = self.loader
        if self.source:
            top.submodules.source = self.source
            for mine, theirs in ((self.source.request, self.loader.request), (self.loader.data, self.source.data)):
                top.d.comb += [mine.payload.eq(theirs.payload), mine.valid.eq(theirs.valid)]
            top.d.comb += [self.loader.request.ready.eq(self.source.request.ready),
                           self.source.enable.eq(self.loader.enable), self.source.start.eq(self.loader.start),
                           self.source.base.eq(self.loader.base)]
        simulate(top, self._bench, contracts=[RingContract(self.loader)])
        return self.ready

    async def _bench(self, ctx):
        dut, number, waits_from, releases_at = self.loader, 0, 1 + self.blocks[0].pause, None
        for name in ("base", "ring_base", "ring_bytes", "stream_bytes"):
            ctx.set(getattr(dut, name), getattr(self, name))
        for cycle in range(200_000):
            ctx.set(dut.start, cycle == 0)
            waiting = releases_at is None and cycle >= waits_from
            if self.source:
                ctx.set(dut.enable, waiting)
            self._memory(ctx, cycle)
            if cycle >= waits_from or releases_at is not None:
                ctx.set(dut.need, self.blocks[number].words)
            if waiting and ctx.get(dut.ready):
                self.ready.append(cycle)
                releases_at = cycle + self.blocks[number].hold
            ctx.set(dut.release, cycle == releases_at)
            if cycle == releases_at:
                self._take(self.blocks[number].words)
                releases_at, number = None, number + 1
                if number == len(self.blocks):
                    return
                waits_from = cycle + 1 + self.blocks[number].pause
            if ctx.get(dut.write.valid):
                address, data = ctx.get(dut.write.p.address), ctx.get(dut.write.p.data)
                size = len(dut.write.p.data) // 8
                assert address % size == 0
                self.scratchpad[address:address + size] = data.to_bytes(size, "little")
            await ctx.tick()
        raise AssertionError(f"block {number} was never ready")

    def _memory(self, ctx, cycle):
        port = self.design.stream_port_bytes
        if self.source:
            if ctx.get(self.source.read):
                self.beats[cycle + SPRAM_LATENCY_CYCLES + 1] = self._at(ctx.get(self.source.address), port)
            ctx.set(self.source.word, self.beats.pop(cycle, 0))
            return
        request = self.loader.request
        ctx.set(request.ready, self.stalls is None or self.stalls.random() < 0.5)
        if ctx.get(request.valid) and ctx.get(request.ready):
            address, beats = ctx.get(request.p.address), ctx.get(request.p.beats)
            self.requests.append((address, beats * port))
            due = cycle + latency_cycles(self.design)
            for beat in range(beats):
                due += self.stalls.choice((0, 0, 1, 5)) if self.stalls else 0
                self.beats[due] = self._at(address + beat * port, port)
                due += 1
        ctx.set(self.loader.data.valid, cycle in self.beats)
        ctx.set(self.loader.data.payload, self.beats.pop(cycle, 0))

    def _at(self, address, size):
        offset = address - self.base
        assert 0 <= offset <= self.stream_bytes - size, f"a request outside the stream, at byte {offset}"
        return int.from_bytes(self.content[offset:offset + size], "little")

    def _take(self, words):
        """Compare a block, word by word, with what the stream holds."""
        word = word_bytes(self.design)
        for _ in range(words):
            place = self.ring_base + self.address % self.ring_bytes
            assert self.scratchpad[place:place + word] == self.content[self.address:self.address + word]
            self.address += word
