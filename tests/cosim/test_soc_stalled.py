"""The SoC keeps its bytes in order when the UART stalls on either side."""

from pathlib import Path

import pytest

from boards import BOARDS
from cosim.process import SimulationError
from cosim.soc_stalled import build_soc_bench, converse_stalled
from hw.soc.generate import generate
from hw.spec.cfu import CFU_INSTRUCTIONS, cfu_result
from hw.spec.design import DesignPoint
from sw.firmware import build
from sw.firmware import protocol as wire
from sw.firmware.protocol import Op, Status
from tests.support.images import run_image

pytestmark = pytest.mark.soc

IMAGE = run_image(b"body", fingerprint=0xC0FFEE, input_address=8, input_bytes=10, output_address=64, output_bytes=10)


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soc")
    verilog = Path(__file__).with_name("stub_soc_engine.v").read_text()
    files = generate(DesignPoint(), BOARDS["ulx3s-25"], clock_mhz=50, firmware=build(folder / "firmware"),
                     out=folder / "soc", sim=True, engine=verilog)
    return build_soc_bench(files, folder / "bench")


@pytest.mark.parametrize("stall", [0.0, 0.9])
def test_requests_are_answered(soc, stall):
    commands = [(entry.function_id, 0x8001807F, 0x12345678) for entry in CFU_INSTRUCTIONS.values()]
    requests = [*((Op.WRITE, payload) for payload in wire.upload_payloads(IMAGE)), (Op.OPEN, b""),
                (Op.CFU, wire.cfu_payload(commands)), (Op.INFER, wire.infer_payload(bytes(range(10))))]
    sent = b"".join(wire.encode(op, index, payload) for index, (op, payload) in enumerate(requests))
    wanted = len(requests) * wire.OVERHEAD + 80 + 16 + 16 + 4 + 10
    frames = wire.decode(converse_stalled(soc, sent, wanted, stall=stall))
    assert [frame.kind for frame in frames] == [Status.OK] * len(requests)
    assert wire.parse_cfu(frames[-2].payload) == [cfu_result(*command) for command in commands]
    result = wire.parse_inference(frames[-1].payload)
    assert result.output == bytes(range(1, 11))
    assert result.engine_cycles == 10


def test_a_silent_soc_is_an_error(soc):
    with pytest.raises(SimulationError, match="0 of 1 bytes came in 2000 cycles; 3 of 3 were taken"):
        converse_stalled(soc, b"xyz", 1, cycle_limit=2000)
