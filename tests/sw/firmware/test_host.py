import struct

import numpy as np
import pytest

from hw.spec.image import HEADER_FIELDS
from sw.firmware.host import plan_run, read_opening, read_run
from sw.firmware.protocol import PROTOCOL_VERSION, DeviceError, Frame, Op, Status
from tests.support.images import run_image

IMAGE = run_image(bytes(4000), input_address=8, input_bytes=6, output_address=16, output_bytes=3, layers=2)
INPUTS = np.arange(12, dtype=np.int8).reshape(2, 6)


def answer(payload=b"", kind=Status.OK):
    return Frame(kind=kind, sequence=0, payload=payload)


def info(image=Status.OK, **header):
    words = [header.get(name, 0) for name in HEADER_FIELDS]
    return answer(struct.pack(f"<{4 + len(words)}I", PROTOCOL_VERSION, 7, 1, image, *words))


def inference(first):
    return answer(struct.pack("<IIII", 90 + first, 50, 2, 1) + struct.pack("<III", 20, 30, 9) + bytes([first, 1, 255]))


def test_an_image_goes_before_the_inputs_unless_it_is_in_the_flash():
    plan = plan_run(IMAGE, INPUTS, in_flash=False, limit_cycles=99)
    assert [op for op, _ in plan.requests] == [Op.WRITE] * (plan.opening - 1) + [Op.OPEN, Op.INFER, Op.INFER]
    assert plan.starts == (plan.opening, plan.opening + 1, plan.opening + 2) and plan.opening > 2
    plan = plan_run(IMAGE, INPUTS, in_flash=True, limit_cycles=99)
    assert [op for op, _ in plan.requests] == [Op.OPEN] + [Op.WRITE, Op.INFER, Op.READ] * 2
    assert (plan.opening, plan.starts) == (1, (1, 4, 7))
    assert plan_run(IMAGE, INPUTS, in_flash=True, limit_cycles=99, opener=Op.INFO).requests[0] == (Op.INFO, b"")


def test_what_the_answers_say():
    plan = plan_run(None, INPUTS, in_flash=False, limit_cycles=0)
    run = read_run(plan, [info(layers=2, output_bytes=3), inference(1), inference(2)])
    assert run.outputs.tolist() == [[1, 1, -1], [2, 1, -1]] and run.outputs.dtype == np.int8
    assert (run.cycles.tolist(), run.engine_cycles.tolist()) == ([91, 92], [50, 50])
    assert (run.layer_cycles.tolist(), run.kernel_cycles.tolist()) == ([[20, 30]] * 2, [[9]] * 2)
    assert run.info.fingerprint == 7


def test_an_answer_that_is_an_error_says_to_what():
    plan = plan_run(None, INPUTS, in_flash=False, limit_cycles=0)
    with pytest.raises(DeviceError, match=r"^uploading the model image: BAD_CRC"):
        read_opening(plan, [answer(kind=Status.BAD_CRC)])
    with pytest.raises(DeviceError, match=r"^opening the model image: BAD_IMAGE"):
        read_opening(plan, [info(Status.BAD_IMAGE)])
    with pytest.raises(DeviceError, match=r"^input 1: TIMEOUT"):
        read_run(plan, [info(layers=2, output_bytes=3), inference(1), answer(kind=Status.TIMEOUT)])


def test_inputs_are_bytes():
    with pytest.raises(ValueError, match="inputs are int64; the SoC takes int8"):
        plan_run(None, INPUTS.astype(np.int64), in_flash=False, limit_cycles=0)
