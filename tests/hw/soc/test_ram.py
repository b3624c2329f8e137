"""Working memory, in LiteX's own simulator."""

from migen import run_simulation

from hw.soc.ram import Ram


def test_words_and_bytes_are_kept():
    ram, read = Ram(64), []

    def access(address, value=None, select=15):
        for signal, level in ((ram.bus.adr, address), (ram.bus.we, value is not None), (ram.bus.dat_w, value or 0),
                              (ram.bus.sel, select), (ram.bus.cyc, 1), (ram.bus.stb, 1)):
            yield signal.eq(level)
        yield
        while not (yield ram.bus.ack):
            yield
        read.append((yield ram.bus.dat_r))
        yield ram.bus.cyc.eq(0)
        yield

    def program():
        for address in range(16):
            yield from access(address, 0x01020304 * (address + 1))
        yield from access(3, 0xAABBCCDD, select=0b0110)
        read.clear()
        for address in (3, 0, 15):
            yield from access(address)
    run_simulation(ram, program())
    assert read == [0x04BBCC10, 0x01020304, 0x10203040]
