"""The exact timeline of the loader that streams weights, under the stated memory of ``hw.spec.stream``."""

from collections import deque

from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.stream import CHUNK_BYTES, MOST_BLOCK_WORDS, check_streams, latency_cycles, word_bytes, write_bytes

__all__ = ["StreamError", "StreamTimeline", "check_ring", "smallest_ring", "stream_length"]

_FROM_DECISION = 1    # decision on a request to its being accepted
_FROM_BEAT = 2        # last beat of a write to ready
_TO_DECISION = 1      # last beat of a request to the next decision


class StreamError(HeddleError):
    """A stream or its ring cannot work; the message names the number, the rule and the way out."""


def stream_length(design: DesignPoint, words: int) -> int:
    """Bytes that a stream of ``words`` weight words takes: ``STREAM``'s ``stream_bytes``, its end filled with zeros."""
    whole = write_bytes(design)
    return -(-words * word_bytes(design) // whole) * whole


def smallest_ring(design: DesignPoint, block_words: int) -> int:
    """Bytes of the smallest ring through which blocks of up to ``block_words`` weight words pass.

    The block itself; where a write brings several words, also what the block before may leave of the first one.
    """
    word, whole = word_bytes(design), write_bytes(design)
    step = max(word, whole)
    return -(-(block_words * word + max(0, whole - word)) // step) * step


def check_ring(design: DesignPoint, *, ring_base: int, ring_bytes: int, block_words: int, layer: str) -> None:
    """Refuse a ring that the loader cannot fill, or that the largest block of ``layer`` never becomes ready in.

    Raises
    ------
    StreamError
    SpecError
        If the design does not stream.
    """
    check_streams(design)
    step = max(word_bytes(design), write_bytes(design))
    for name, value in (("ring_base", ring_base), ("ring_bytes", ring_bytes)):
        if value % step:
            raise StreamError(f"{name}={value}: the ring begins and ends at multiples of {step} bytes; round it up")
    if not 0 <= ring_base <= design.weight_bytes - ring_bytes:
        raise StreamError(f"ring_base={ring_base}, ring_bytes={ring_bytes}: the weight scratchpad ends at "
                          f"{design.weight_bytes}; shorten the ring or raise weight_bytes")
    if block_words > MOST_BLOCK_WORDS:
        raise StreamError(f"{layer}: a block of {block_words} weight words; the sequencer counts up to "
                          f"{MOST_BLOCK_WORDS}; raise cols or lanes, or keep the layer's weights in the scratchpad")
    if ring_bytes < (need := smallest_ring(design, block_words)):
        raise StreamError(f"{layer}: ring_bytes={ring_bytes}, but a block of {block_words} weight words needs a ring "
                          f"of {need}; lengthen the ring or raise weight_bytes")


class StreamTimeline:
    """When the blocks of one stream are ready; equal to the gateware cycle for cycle.

    Cycles are absolute. ``start`` of the loader is high in cycle ``start``. The rest is told in the order of the
    program: the sequencer waits for a block (:meth:`wait`), gives it back (:meth:`release`), waits for the next. What
    it does in between does not matter.

    With a memory outside, the loader works all the time. With SPRAM it works in the cycles of the waits only:
    ``enable`` of the loader and of its source are high from the first to the last cycle of each wait, both included.

    Parameters
    ----------
    design : DesignPoint
    ring_bytes, stream_bytes : int
        As in the ``STREAM`` command.
    start : int
        Cycle.

    Raises
    ------
    StreamError
        If a length is not a multiple of what the loader writes.
    SpecError
        If the design does not stream.
    """

    def __init__(self, design: DesignPoint, *, ring_bytes: int, stream_bytes: int, start: int = 0):
        check_streams(design)
        self._word, self._whole = word_bytes(design), write_bytes(design)
        for name, value in (("ring_bytes", ring_bytes), ("stream_bytes", stream_bytes)):
            if value % self._whole:
                raise StreamError(f"{name}={value}: the loader writes {self._whole} bytes at a time; round it up")
        self._write_cycles = self._whole // design.stream_port_bytes
        self._latency = latency_cycles(design)
        self._waits_only = design.memory == "spram"
        self._room, self._left = ring_bytes, stream_bytes
        self._freed: deque[tuple[int, int]] = deque()    # bytes, and the first decision that knows of them
        self._decision = start + 1                       # earliest cycle of the next one
        self._beat, self._under_way = 0, 0               # of the request under way: earliest beat, writes to come
        self._runs: deque[tuple[int, int]] = deque()     # writes no block has used: first one's ready, their number
        self._written = 0                                # bytes ready or waited for, and not released
        self._ready = start + 1

    def wait(self, cycle: int, words: int) -> int:
        """First cycle, not before ``cycle``, in which ``ready`` is high for the next block of ``words`` weight words.

        The sequencer waits from ``cycle`` to the cycle that is returned; with SPRAM this is when the loader works.

        Raises
        ------
        StreamError
            If the block is never ready, because the ring is too small or the stream ends.
        """
        since = cycle if self._waits_only else 0
        while (missing := -(-(words * self._word - self._written) // self._whole)) > 0:
            if self._runs:
                self._take(missing)
            elif not self._advance(since, missing):
                raise StreamError(f"a block of {words} weight words is never ready: {self._room} bytes of the ring are "
                                  f"free and {self._left} of the stream are left; see sw.compiler.stream.check_ring")
        ready = max(cycle, self._ready)
        while self._waits_only and self._advance(since, CHUNK_BYTES, until=ready):
            pass
        return ready

    def release(self, cycle: int, words: int) -> None:
        """``release`` is high in ``cycle``, and gives ``words`` back: the block that was waited for last.

        Raises
        ------
        ValueError
            If the block is not ready in that cycle.
        """
        if cycle < self._ready or words * self._word > self._written:
            raise ValueError(f"release of {words} words in cycle {cycle}: the block is not ready yet; wait for it")
        self._written -= words * self._word
        self._freed.append((cycle + 1, words * self._word))
        self._ready = cycle + 1

    def _take(self, most: int) -> None:
        ready, writes = self._runs.popleft()
        used = min(writes, most)
        self._written += used * self._whole
        self._ready = max(self._ready, ready + (used - 1) * self._write_cycles)
        if used < writes:
            self._runs.appendleft((ready + used * self._write_cycles, writes - used))

    def _advance(self, since: int, most: int, until: int | None = None) -> bool:
        """The loader's next act: a request, or ``most`` writes; False if nothing is done from ``since`` to ``until``.

        A beat counts as done when it is read: ``latency - 1`` cycles before it comes.
        """
        if not self._under_way:
            return self._ask(since, until)
        read = max(self._beat - (self._latency - 1), since)
        writes = min(self._under_way, most if self._waits_only else CHUNK_BYTES)
        if until is not None:
            writes = min(writes, (until + 1 - read) // self._write_cycles)
        if writes <= 0:
            return False
        beat = read + self._latency - 1
        self._runs.append((beat + self._write_cycles - 1 + _FROM_BEAT, writes))
        self._beat = beat + writes * self._write_cycles
        self._under_way -= writes
        self._decision = self._beat - 1 + _TO_DECISION
        return True

    def _ask(self, since: int, until: int | None) -> bool:
        """Decide on a request, in the first cycle from ``since`` on in which there is room; False if that never is."""
        cycle = max(self._decision, since)
        while self._freed and (self._freed[0][0] <= cycle or self._room < self._whole):
            known, freed = self._freed.popleft()
            cycle, self._room = max(cycle, known), self._room + freed
        writes = min(self._room, self._left, CHUNK_BYTES) // self._whole
        if not writes or until is not None and cycle > until:
            return False
        self._decision = cycle
        self._room -= writes * self._whole
        self._left -= writes * self._whole
        self._beat, self._under_way = cycle + _FROM_DECISION + self._latency, writes
        return True
