import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.stream import check_streams, latency_cycles, word_bytes, write_bytes

SDRAM = DesignPoint(rows=4, cols=4, lanes=4, stream_bytes=2)
SPRAM = DesignPoint(rows=1, cols=4, lanes=4, memory="spram", act_bytes=131072, weight_bytes=4096)


def test_a_design_without_a_stream_is_refused():
    with pytest.raises(SpecError, match="stream_bytes=0: the design has no memory .*; set stream_bytes to 2 or 4"):
        check_streams(DesignPoint())
    check_streams(SDRAM)
    check_streams(SPRAM)


def test_sizes_and_latencies():
    assert (word_bytes(SDRAM), write_bytes(SDRAM), latency_cycles(SDRAM)) == (16, 4, 16)
    assert (word_bytes(SPRAM), write_bytes(SPRAM), latency_cycles(SPRAM)) == (16, 8, 4)
