"""The small UART, bit by bit, in LiteX's own simulator."""

from types import SimpleNamespace

import pytest
from migen import Signal, run_simulation

from hw.soc.uart import Uart

DIVISOR = 16


def receive(line, cycles):
    """What the UART gives while its line is as in ``line``, a list of levels; ones follow."""
    pads = SimpleNamespace(tx=Signal(), rx=Signal(reset=1))
    uart, got = Uart(pads, DIVISOR), []

    def drive():
        for level in line:
            yield pads.rx.eq(level)
            yield
        yield pads.rx.eq(1)

    def take():
        for _ in range(cycles):
            if (yield uart.source.valid):
                got.append((yield uart.source.data))
                yield uart.source.ready.eq(1)
                yield
                yield uart.source.ready.eq(0)
            yield
    run_simulation(uart, [drive(), take()])
    return got


def wave(values, bit=DIVISOR, stop=1):
    """Levels of frames without a pause; ``bit`` cycles each, which need not be a whole number."""
    bits = [level for value in values for level in (0, *(value >> n & 1 for n in range(8)), stop)]
    return [bits[int(cycle / bit)] for cycle in range(int(len(bits) * bit))]


@pytest.mark.parametrize("bit", [DIVISOR, DIVISOR * 0.97, DIVISOR * 1.03])
def test_frames_that_follow_each_other_are_received(bit):
    """At other rates than its own too, as far as a stop bit's middle allows."""
    values = [0x00, 0xFF, 0x55, 0xA3, 0x80, 0x01]
    assert receive(wave(values, bit), 1200) == values


def test_a_short_disturbance_is_no_frame():
    assert receive([0, 0, 0] + [1] * 40 + wave([0x42]), 500) == [0x42]


def test_a_frame_without_its_stop_bit_is_dropped():
    assert receive(wave([0x7F], stop=0) + [1] * 12 * DIVISOR + wave([0x42]), 900) == [0x42]


def test_sent_frames_are_those_of_a_uart():
    pads = SimpleNamespace(tx=Signal(), rx=Signal(reset=1))
    uart, levels, values = Uart(pads, DIVISOR), [], [0x00, 0xA5, 0xFF]

    def send():
        for value in values:
            yield uart.sink.data.eq(value)
            yield uart.sink.valid.eq(1)
            yield
            while not (yield uart.sink.ready):
                yield
            yield
            yield uart.sink.valid.eq(0)
            yield

    def watch():
        for _ in range(40 * DIVISOR):
            levels.append((yield pads.tx))
            yield
    run_simulation(uart, [send(), watch()])
    assert receive(levels, 45 * DIVISOR) == values
    low = levels.index(0)
    assert levels[low:].index(1) == 9 * DIVISOR, "a start bit and eight zeros"
