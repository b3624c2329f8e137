"""UART and LEDs on the bus, in LiteX's own simulator."""

from types import SimpleNamespace

import pytest
from litex.build.generic_platform import GenericPlatform, Pins, Subsignal
from migen import run_simulation

from hw.soc.peripheral import FIFO_BYTES, Peripheral
from hw.spec.soc import IO_REGISTERS, UART_EMPTY


class Bench:
    """A peripheral whose bytes are streams, and a program for its bus."""

    def __init__(self, cycles=False, small=False):
        streams = [Subsignal("valid", Pins(1)), Subsignal("ready", Pins(1)), Subsignal("data", Pins(8))]
        platform = GenericPlatform("sim", [("leds", 0, Pins(8)), ("serial_rx", 0, *streams),
                                           ("serial_tx", 0, *streams)], name="sim")
        self.pads = {}
        request = platform.request

        def keep(name):
            self.pads[name] = request(name)
            return self.pads[name]
        self.peripheral = Peripheral(SimpleNamespace(request=keep), 50_000_000, 1_000_000, streams=True, cycles=cycles,
                                     small=small)
        self.rx, self.tx, self.leds = (self.pads[name] for name in ("serial_rx", "serial_tx", "leds"))

    def access(self, name, value=None):
        """One access of a register; gives what was read, and the cycles until the answer."""
        bus, cycles = self.peripheral.bus, 0
        yield bus.adr.eq(IO_REGISTERS[name][0] // 4)
        yield bus.we.eq(value is not None)
        yield bus.dat_w.eq(value or 0)
        yield bus.cyc.eq(1)
        yield bus.stb.eq(1)
        yield
        while not (yield bus.ack):
            yield
            cycles += 1
        read = yield bus.dat_r
        yield bus.cyc.eq(0)
        yield bus.stb.eq(0)
        yield
        return read, cycles

    def receive(self, byte):
        yield self.rx.data.eq(byte)
        yield self.rx.valid.eq(1)
        yield
        yield self.rx.valid.eq(0)
        yield
        yield

    def run(self, program):
        ended = []

        def whole():
            yield from program(self)
            ended.append(True)
        run_simulation(self.peripheral, whole())
        assert ended


def test_an_access_is_answered_in_the_next_cycle():
    def program(bench):
        for _ in range(3):
            assert (yield from bench.access("LEDS"))[1] == 1
    Bench().run(program)


def test_received_bytes_wait_in_order_and_raise_the_interrupt():
    def program(bench):
        assert (yield from bench.access("UART_DATA"))[0] == UART_EMPTY
        assert not (yield bench.peripheral.ev.irq)
        for byte in (0xA5, 0x00):
            yield from bench.receive(byte)
        assert (yield bench.peripheral.ev.irq)
        assert (yield from bench.access("UART_DATA"))[0] == 0xA5
        assert (yield from bench.access("UART_DATA"))[0] == 0x00
        assert (yield from bench.access("UART_DATA"))[0] == UART_EMPTY
        assert not (yield bench.peripheral.ev.irq)
    Bench().run(program)


def test_a_small_one_has_no_room_for_bytes():
    """One waits outside, and is taken as it is read; one that is sent is gone as the line takes it."""
    def program(bench):
        yield bench.rx.data.eq(0xA5)
        yield bench.rx.valid.eq(1)
        yield
        assert (yield bench.peripheral.ev.irq)
        assert (yield from bench.access("UART_DATA"))[0] == 0xA5
        assert (yield from bench.access("UART_ROOM"))[0] == 0
        yield bench.tx.ready.eq(1)
        yield
        assert (yield from bench.access("UART_ROOM"))[0] == 1
    Bench(small=True).run(program)


def test_sent_bytes_leave_in_order_and_room_is_told():
    def program(bench):
        assert (yield from bench.access("UART_ROOM"))[0] == 1
        for byte in range(FIFO_BYTES + 4):      # more than have room; the last ones are lost
            yield from bench.access("UART_DATA", 0x40 + byte)
        assert (yield from bench.access("UART_ROOM"))[0] == 0
        sent = []
        yield bench.tx.ready.eq(1)
        yield
        while (yield bench.tx.valid):
            sent.append((yield bench.tx.data))
            yield
        assert sent == [0x40 + byte for byte in range(len(sent))] and FIFO_BYTES <= len(sent) < FIFO_BYTES + 4
        assert (yield from bench.access("UART_ROOM"))[0] == 1
    Bench().run(program)


def test_a_byte_that_cannot_be_received_is_held_back():
    def program(bench):
        for byte in range(FIFO_BYTES + 4):
            if (yield bench.rx.ready):
                yield from bench.receive(byte)
        assert not (yield bench.rx.ready)
        assert (yield from bench.access("UART_DATA"))[0] == 0
        yield
        assert (yield bench.rx.ready)
    Bench().run(program)


def test_leds_show_what_was_written():
    def program(bench):
        yield from bench.access("LEDS", 0x5A)
        assert (yield bench.leds) == 0x5A
        assert (yield from bench.access("LEDS"))[0] == 0x5A
    Bench().run(program)


@pytest.mark.parametrize("counts", [True, False])
def test_cycles_are_counted_for_a_cpu_that_does_not(counts):
    def program(bench):
        first, _ = yield from bench.access("CYCLES")
        for _ in range(10):
            yield
        second, _ = yield from bench.access("CYCLES")
        assert (second - first >= 10) == counts
    Bench(cycles=counts).run(program)
