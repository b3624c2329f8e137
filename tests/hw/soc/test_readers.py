"""The engine's readers, in LiteX's own simulator, at a port that answers late."""

import random
from types import SimpleNamespace

import pytest
from migen import Module, Signal, run_simulation

from hw.soc.readers import StreamReader, WideReader, reader

CYCLES = 3000


class Port:
    """What of LiteDRAM's port a reader uses; the memory's half words are their numbers."""

    def __init__(self, bits):
        self.cmd = SimpleNamespace(valid=Signal(), ready=Signal(), we=Signal(), addr=Signal(24), last=Signal())
        self.rdata = SimpleNamespace(valid=Signal(), ready=Signal(), data=Signal(bits))


def content(address, size):
    """Bytes of the memory, as a number."""
    return sum((address + at) // 2 << 8 * at for at in range(0, size, 2))


@pytest.mark.parametrize("kind, bits, beat_bits", [
    (StreamReader, 16, 16), (StreamReader, 32, 32), (WideReader, 32, 16), (WideReader, 128, 16), (WideReader, 128, 32)])
def test_a_reader_gives_what_was_asked_for_in_order(kind, bits, beat_bits):
    """From within a word to within another; commands wait, words come late and with pauses, all of a chunk too."""
    port, rng, step, size = Port(bits), random.Random(bits + beat_bits), beat_bits // 8, bits // 8
    asked = [(0, 64), (64, 12), (76, 8), (84, 4), (88, 24), (4096, 512), (4608 + 4, 508), (12, 16)]      # bytes
    unit, asking, got = reader(port, beat_bits), list(asked), []
    assert type(unit) is kind

    def serve():
        due = []
        for cycle in range(CYCLES):
            yield port.cmd.ready.eq(rng.random() < 0.7)
            yield port.rdata.valid.eq(0)
            if due and due[0][0] <= cycle and rng.random() < 0.8:
                yield port.rdata.valid.eq(1)
                yield port.rdata.data.eq(due.pop(0)[1])
            if asking:
                yield unit.request_valid.eq(1)
                yield unit.address.eq(asking[0][0])
                yield unit.beats.eq(asking[0][1] // step)
            yield
            if (yield port.cmd.valid) and (yield port.cmd.ready):
                due.append((cycle + 5, content(size * (yield port.cmd.addr), size)))
            if (yield unit.request_valid) and (yield unit.request_ready):
                asking.pop(0)
                yield unit.request_valid.eq(0)
            if (yield unit.data_valid):
                got.append((yield unit.data))

    whole = Module()
    whole.submodules += unit
    run_simulation(whole, serve())
    assert got == [content(address + at, step) for address, many in asked for at in range(0, many, step)]
