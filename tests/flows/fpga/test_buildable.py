from dataclasses import replace

import pytest

from boards import BOARDS
from flows.fpga.buildable import check_buildable, obstacles
from hw.spec.errors import HeddleError
from sw.compiler import compile_graph
from tests.support.dense import STREAMING, wide_dense


def test_an_obstacle_is_a_line_and_an_error():
    program = compile_graph(wide_dense(), STREAMING)
    assert obstacles(program) == obstacles(program, BOARDS["ulx3s-85"]) == []
    stream, = obstacles(program, BOARDS["icebreaker"])
    assert stream.startswith(f"wide: {program.streamed_bytes} bytes of its weights stream on this design; ")
    with pytest.raises(HeddleError) as caught:
        check_buildable(program, BOARDS["icebreaker"])
    assert str(caught.value) == stream


def test_what_can_be_built_has_none():
    program = compile_graph(wide_dense(), replace(STREAMING, weight_bytes=16384))
    assert obstacles(program) == []
    check_buildable(program)
