from dataclasses import replace

import pytest

from boards import BOARDS
from flows.fpga.buildable import check_buildable, obstacles
from hw.spec.errors import HeddleError
from sw.compiler import compile_graph
from tests.support.dense import STREAMING, wide_dense


def test_every_obstacle_is_a_line_and_one_error_has_them_all():
    program = compile_graph(wide_dense(), STREAMING)
    board, stream = obstacles(program, BOARDS["icebreaker"])
    assert board.startswith("board 'icebreaker': no SoC can be made for the ice40 yet; choose one of ulx3s-12, ")
    assert stream.startswith(f"wide: {program.streamed_bytes} bytes of its weights stream on this design; ")
    with pytest.raises(HeddleError) as caught:
        check_buildable(program, BOARDS["icebreaker"])
    assert str(caught.value) == f"{board}; {stream}"


def test_what_can_be_built_has_none():
    program = compile_graph(wide_dense(), replace(STREAMING, weight_bytes=16384))
    assert obstacles(program, BOARDS["ulx3s-25"]) == []
    check_buildable(program, BOARDS["ulx3s-25"])
