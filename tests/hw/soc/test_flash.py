"""Words from a serial flash, in LiteX's own simulator."""

from types import SimpleNamespace

from migen import Array, Cat, If, Module, Signal, run_simulation

from hw.soc.flash import READ_CYCLES, SpiFlash

CONTENT = bytes(range(256))[::-1]


class Chip(Module):
    """A serial flash that knows one ``command``: it takes a bit as the clock rises, and gives one after it fell."""

    def __init__(self, pads, content, command):
        before, count, taken, byte = Signal(), Signal(8), Signal(32), Signal(8)
        self.sync += [before.eq(pads.clk),
                      If(pads.cs_n, count.eq(0)).Elif(
                          pads.clk & ~before, count.eq(count + 1),
                          If(count < 32, taken.eq(Cat(pads.mosi, taken[:31]))))]
        self.comb += [byte.eq(Array(content)[(taken[:24] + (count[3:] - 4))[:8]]),
                      pads.miso.eq((count < 32) | (taken[24:] != command) | (byte >> (7 - count[:3]))[0])]


def read(addresses, content=CONTENT, command=0x03):
    """Words at byte addresses, and how many cycles each took, from a flash that knows one ``command``."""
    pads = SimpleNamespace(**{name: Signal() for name in ("cs_n", "clk", "mosi", "miso")})
    both, got = Module(), []
    both.submodules.flash = flash = SpiFlash(pads)
    both.submodules.chip = Chip(pads, content, command)

    def bus():
        for address in addresses:
            yield flash.bus.adr.eq(address // 4)
            yield flash.bus.cyc.eq(1)
            yield flash.bus.stb.eq(1)
            cycles = 0
            while not (yield flash.bus.ack):
                cycles += 1
                yield
            word = yield flash.bus.dat_r
            yield flash.bus.cyc.eq(0)
            yield flash.bus.stb.eq(0)
            yield
            got.append((word, cycles))
    run_simulation(both, bus())
    return got


def test_words_are_little_endian_and_take_what_is_said():
    addresses = [0, 4, 100, 96, 0]
    got = read(addresses)
    assert [word for word, _ in got] == [int.from_bytes(CONTENT[at:at + 4], "little") for at in addresses]
    assert all(READ_CYCLES <= cycles <= READ_CYCLES + 3 for _, cycles in got)


def test_a_flash_is_asked_with_the_command_that_every_one_knows():
    assert read([0], command=0x0B)[0][0] == 0xFFFFFFFF
