"""The stream of weights: a ring in the weight scratchpad that a loader fills from a memory outside.

The stated memory accepts a request at once; the first beat comes ``latency_cycles`` after the request, then one in
every cycle. One request is under way at a time, so a whole chunk of the 16-bit SDRAM takes 16 + 256 + 1 cycles.
What the gap between two requests costs is hidden wherever the loader is ahead of the array.

A chip of SDRAM in a SoC is close to that: it answers sooner, and pauses to refresh and where a row ends.
"""

from hw.spec.commands import COMMAND_FIELDS
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.timing import READ_LATENCY

__all__ = ["CHUNK_BYTES", "MEMORY_LATENCY_CYCLES", "MOST_BLOCK_WORDS", "SDRAM_SLACK", "SPRAM_LATENCY_CYCLES",
           "check_streams", "latency_cycles", "word_bytes", "write_bytes"]

MOST_BLOCK_WORDS = (1 << COMMAND_FIELDS["block_words"][0]) - 1     # weight words
CHUNK_BYTES = 512            # most that one request asks for
MEMORY_LATENCY_CYCLES = 16   # memory outside: accepted request to first beat
SDRAM_SLACK = 0.05           # share of a network's cycles by which a SoC with an SDRAM may differ; docs/sdram.md
SPRAM_LATENCY_CYCLES = READ_LATENCY - 1    # SPRAM: read to the cycle before the word


def check_streams(design: DesignPoint) -> None:
    """Refuse a design without a memory to stream from.

    Raises
    ------
    SpecError
    """
    if not design.stream_port_bytes:
        raise SpecError("stream_bytes=0: the design has no memory to stream weights from; set stream_bytes to 2 or 4")


def latency_cycles(design: DesignPoint) -> int:
    """Accepted request to first beat; the SPRAM is read one cycle after the request at the earliest."""
    return 1 + SPRAM_LATENCY_CYCLES if design.memory == "spram" else MEMORY_LATENCY_CYCLES


def write_bytes(design: DesignPoint) -> int:
    """Bytes that one write of the loader brings; a power of two. Requests, rings and streams are multiples of it."""
    return max(4, design.stream_port_bytes)


def word_bytes(design: DesignPoint) -> int:
    """Bytes of one weight word; a power of two."""
    return design.weight_word_bits // 8
