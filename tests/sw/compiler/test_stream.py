import random

import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.stream import word_bytes, write_bytes
from sw.compiler.stream import StreamError, StreamTimeline, check_ring, smallest_ring, stream_length
from tests.support.streams import Block, StreamBench

DESIGNS = {
    "2 bytes": DesignPoint(rows=4, cols=4, lanes=4, weight_bytes=4096, stream_bytes=2),
    "4 bytes": DesignPoint(rows=2, cols=4, lanes=4, weight_bytes=3072, stream_bytes=4),
    "binary": DesignPoint(rows=4, cols=8, lanes=4, weight_bits=1, multiplier="lut", weight_bytes=1024,
                          stream_bytes=2),
    "wide words": DesignPoint(rows=4, cols=8, lanes=4, weight_bytes=8192, stream_bytes=2),
    "spram": DesignPoint(rows=1, cols=4, lanes=4, memory="spram", act_bytes=131072, weight_bytes=4096),
    "spram, half words": DesignPoint(rows=1, cols=4, lanes=4, memory="spram", weight_bits=2, multiplier="lut",
                                     act_bytes=131072, weight_bytes=1024),
}
DESIGN = DESIGNS["2 bytes"]


def predicted(bench):
    timeline = StreamTimeline(bench.design, ring_bytes=bench.ring_bytes, stream_bytes=bench.stream_bytes)
    cycle, ready = 0, []
    for block in bench.blocks:
        ready.append(timeline.wait(cycle + 1 + block.pause, block.words))
        cycle = ready[-1] + block.hold
        timeline.release(cycle, block.words)
    return ready


def random_bench(design, rng):
    """A small ring, often just one block long, and blocks that the sequencer takes fast, slowly or both."""
    largest = rng.choice((3, 30, 100))
    ring = smallest_ring(design, largest) + rng.choice((0, 0, 5, 60)) * max(word_bytes(design), write_bytes(design))
    pause, hold = rng.choice(((0, 0), (0, 200), (200, 5), (30, 30)))
    blocks = [Block(words=rng.choice((largest, rng.randint(1, largest))), pause=rng.randint(0, pause),
                    hold=rng.randint(0, hold)) for _ in range(10)]
    words = sum(block.words for block in blocks) + rng.choice((0, 0, 7))
    return StreamBench(design=design, ring_base=0, ring_bytes=min(ring, design.weight_bytes),
                       stream_bytes=stream_length(design, words), blocks=blocks)


@pytest.mark.sim
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("seed", range(5))
def test_every_block_is_ready_in_the_predicted_cycle(name, seed):
    bench = random_bench(DESIGNS[name], random.Random(f"{name} {seed}"))
    assert bench.run() == predicted(bench)


@pytest.mark.sim
@pytest.mark.parametrize("name, latency", [("2 bytes", 17), ("2 bytes", 15), ("spram", 6)])
def test_a_timeline_of_another_memory_is_noticed(name, latency, monkeypatch):
    bench = random_bench(DESIGNS[name], random.Random("noticed"))
    monkeypatch.setattr("sw.compiler.stream.latency_cycles", lambda design: latency)
    assert bench.run() != predicted(bench)


@pytest.mark.slow
@pytest.mark.sim
@pytest.mark.parametrize("name", DESIGNS)
def test_many_streams_are_predicted(name):
    for seed in range(30):
        bench = random_bench(DESIGNS[name], random.Random(f"{name} many {seed}"))
        assert bench.run() == predicted(bench), f"seed {seed}"


def test_the_first_words_of_a_stream():
    """Offered in cycle 2, first beat in 18, a weight word of eight beats written in 26."""
    timeline = StreamTimeline(DESIGN, ring_bytes=1024, stream_bytes=1024, start=0)
    assert timeline.wait(0, 1) == 27
    assert timeline.wait(0, 32) == 18 + 256 + 1
    assert timeline.wait(0, 33) == 275 + 16 + 7 + 2          # the second request is accepted in cycle 275


def test_time_begins_with_the_start():
    early, late = (StreamTimeline(DESIGN, ring_bytes=512, stream_bytes=4096, start=start) for start in (0, 1000))
    assert late.wait(0, 20) == early.wait(0, 20) + 1000
    early.release(500, 20)
    late.release(1500, 20)
    assert late.wait(0, 30) == early.wait(0, 30) + 1000


@pytest.mark.parametrize("values, message", [
    ({"ring_bytes": 1000}, "ring_bytes=1000: the ring begins and ends at multiples of 16 bytes; round it up"),
    ({"ring_base": 8}, "ring_base=8: the ring begins and ends at multiples of 16 bytes; round it up"),
    ({"ring_base": 3584}, "ring_base=3584, ring_bytes=1024: the weight scratchpad ends at 4096; shorten the ring or"),
    ({"block_words": 65}, "layer 3 conv: ring_bytes=1024, but a block of 65 weight words needs a ring of 1040; "),
    ({"block_words": 4096}, "layer 3 conv: a block of 4096 weight words; the sequencer counts up to 4095; raise cols"),
])
def test_a_wrong_ring_is_refused(values, message):
    ring = {"ring_base": 1024, "ring_bytes": 1024, "block_words": 64, "layer": "layer 3 conv"}
    check_ring(DESIGN, **ring)
    with pytest.raises(StreamError, match=message):
        check_ring(DESIGN, **ring | values)


def test_a_design_without_a_stream_is_refused():
    with pytest.raises(SpecError, match="stream_bytes=0: the design has no memory"):
        check_ring(DesignPoint(), ring_base=0, ring_bytes=1024, block_words=1, layer="layer 0 conv")


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("block_words", [1, 2, 3, 8, 9])
def test_the_smallest_ring_suffices_and_nothing_less_does(name, block_words):
    """Blocks that begin at every place of a ring pass; in a ring one step shorter, one of them is never ready."""
    design = DESIGNS[name]
    ring, step = smallest_ring(design, block_words), max(word_bytes(design), write_bytes(design))

    def run(ring_bytes):
        timeline = StreamTimeline(design, ring_bytes=ring_bytes, stream_bytes=stream_length(design, 400))
        cycle = 0
        for words in [block_words, 1] * 20:
            cycle = timeline.wait(cycle + 1, words)
            timeline.release(cycle, words)

    run(ring)
    with pytest.raises(StreamError, match=f"a block of {block_words} weight words is never ready: .* of the ring are"):
        run(ring - step)


def test_lengths_that_the_loader_cannot_write_are_refused():
    with pytest.raises(StreamError, match="stream_bytes=1002: the loader writes 4 bytes at a time; round it up"):
        StreamTimeline(DESIGN, ring_bytes=512, stream_bytes=1002)
    assert stream_length(DESIGNS["spram, half words"], 501) == 2008


def test_a_block_is_not_released_before_it_is_ready():
    timeline = StreamTimeline(DESIGN, ring_bytes=512, stream_bytes=1024)
    ready = timeline.wait(0, 4)
    with pytest.raises(ValueError, match=f"release of 4 words in cycle {ready - 1}: the block is not ready yet"):
        timeline.release(ready - 1, 4)


def test_a_stream_that_ends_is_named():
    timeline = StreamTimeline(DESIGN, ring_bytes=512, stream_bytes=64)
    with pytest.raises(StreamError, match="a block of 5 weight words is never ready: 448 bytes .* 0 of the stream are"):
        timeline.wait(0, 5)
