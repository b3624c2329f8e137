"""The host's part of running a network on a SoC, whatever carries the frames: what is asked, what the answers say."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from hw.spec.image import unpack_header
from sw.firmware import protocol as wire
from sw.firmware.protocol import Frame, Info, Op

__all__ = ["OPEN_CYCLES", "DeviceRun", "Plan", "plan_run", "read_opening", "read_run"]

OPEN_CYCLES = 3000          # for each byte of a model image, that may be copied from a flash and is checked


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Requests of one run, in their order."""

    requests: tuple[tuple[Op, bytes], ...]
    opening: int              # how many bring the model image and open it; Info answers the last of them
    starts: tuple[int, ...]   # the first request of each input, and where the last one's end


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceRun:
    """What a SoC gave for N inputs to a program of L layers on the engine and K calls of the CPU."""

    outputs: np.ndarray          # int8 (N, output_bytes)
    cycles: np.ndarray           # int64 (N,): the CPU's, from the input in memory to the output in memory
    engine_cycles: np.ndarray    # int64 (N,): of those, the engine's runs
    layer_cycles: np.ndarray     # int64 (N, L): the engine's
    kernel_cycles: np.ndarray    # int64 (N, K): the CPU's
    info: Info                   # of firmware, engine and model image


def plan_run(image: bytes | None, inputs: np.ndarray, *, in_flash: bool, limit_cycles: int, opener: Op = Op.OPEN,
             upload: bool = True) -> Plan:
    """Upload a model image, open it, and run it for every input, without a reset between them.

    Inputs or outputs that are too large for a frame go in parts; cycles then count from the input in the engine's
    memory to the output there.

    Parameters
    ----------
    image : a model image (``hw.spec.image``); None if one is in place, or the firmware runs a network by itself.
    inputs : int8 (N, ...), ``input_bytes`` each.
    in_flash : the SoC boots from a flash with the image in it, and cannot be given another.
    limit_cycles : clock cycles that one inference may take.
    opener : INFO, where the image was opened by itself.
    upload : without it the image is in the weight memory already, as after configuration.

    Raises
    ------
    DeviceError
        If an input has the wrong size.
    SpecError
        If ``image`` is damaged.
    """
    if inputs.dtype != np.int8:
        raise ValueError(f"inputs are {inputs.dtype}; the SoC takes int8")
    header = unpack_header(image) if image is not None else {}
    requests = [(Op.WRITE, payload) for payload in (wire.upload_payloads(image) if image and upload and not in_flash
                                                   else ())]
    requests.append((opener, b""))
    opening = len(requests)
    # without an image nobody knows where a large input would go, and it is refused
    pieces = [wire.inference_requests(data.tobytes(), header, limit_cycles=limit_cycles, in_place=in_flash) if header
              else [(Op.INFER, wire.infer_payload(data.tobytes(), limit_cycles=limit_cycles))] for data in inputs]
    return Plan(requests=tuple(requests + [request for part in pieces for request in part]), opening=opening,
                starts=tuple(accumulate(map(len, pieces), initial=opening)))


def read_opening(plan: Plan, frames: Sequence[Frame]) -> Info:
    """What answered the requests that bring the image. Raises DeviceError if it is not ready."""
    for frame in frames[:plan.opening]:
        wire.check(frame, "uploading the model image")
    info = wire.parse_info(frames[plan.opening - 1].payload)
    wire.check(Frame(kind=info.image, sequence=0, payload=b""), "opening the model image")
    return info


def read_run(plan: Plan, frames: Sequence[Frame]) -> DeviceRun:
    """What the answers to a plan's requests say.

    Raises
    ------
    DeviceError
        If one of them is an error; the message says which and what to do.
    """
    info = read_opening(plan, frames)
    results = [wire.parse_answers([wire.check(frame, f"input {index}") for frame in frames[start:end]], info.header)
               for index, (start, end) in enumerate(pairwise(plan.starts))]
    count = len(results)
    return DeviceRun(
        outputs=np.array([list(result.output) for result in results], np.uint8).view(np.int8)
        .reshape(count, info.header["output_bytes"]),
        cycles=np.array([result.cycles for result in results], np.int64),
        engine_cycles=np.array([result.engine_cycles for result in results], np.int64),
        layer_cycles=np.array([result.layer_cycles for result in results], np.int64)
        .reshape(count, info.header["layers"]),
        kernel_cycles=np.array([result.kernel_cycles for result in results], np.int64).reshape(count, -1)
        if results else np.zeros((0, 0), np.int64), info=info)
