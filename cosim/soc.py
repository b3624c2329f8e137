"""The whole SoC in Verilator, CPU and firmware included: bytes of the protocol in, bytes out.

``cosim/soc.cpp`` is the other half; the requests and their answers are those that a board's UART would carry.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from boards import Board
from cosim.process import SimulationError, exchange
from cosim.verilate import verilate
from hw.soc.generate import TOP, generate, load_soc
from hw.spec.design import DesignPoint
from hw.spec.image import streams_outside, unpack_header
from hw.spec.soc import MemoryMap, memory_map
from sw.firmware import build, rom_words
from sw.firmware import protocol as wire
from sw.firmware.build import flash_content
from sw.firmware.host import OPEN_CYCLES, DeviceRun, plan_run, read_run
from sw.firmware.protocol import DeviceError, Frame, Op, Status

__all__ = ["Answer", "Message", "SocRun", "Talk", "build_soc_sim", "converse", "run_soc", "talk"]

HARNESS = Path(__file__).with_name("soc.cpp")
NO_RESPONSE = 1                 # of the harness's failures
CYCLE_LIMIT = 50_000_000        # of one request
SERVICE_CYCLES = 5_000_000      # of a request around what the firmware limits itself
MESSAGE = struct.Struct("<II")
SETTINGS = struct.Struct("<QQQ")
ANSWER = struct.Struct("<QQQd")
ROM_FILE, FLASH_FILE, FIRMWARE_FILE = f"{TOP}_rom.init", "flash.bin", "firmware.bin"
SIM_CLOCK_MHZ = 50.0            # not seen by anything in the simulation


@dataclass(frozen=True, kw_only=True)
class Message:
    """Bytes for the UART. Without a pause the simulation waits for a response frame."""

    data: bytes
    pause_cycles: int = 0        # what to wait instead, clock cycles


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came from the UART."""

    data: bytes
    simulated_cycles: int        # clock cycles, from reset on
    wall_s: float                # simulation only, without the process's start


@dataclass(frozen=True, kw_only=True)
class Talk:
    """Requests to a simulated SoC, answered."""

    frames: tuple[Frame, ...]    # one for each request
    simulated_cycles: int        # clock cycles, from reset on
    wall_s: float                # simulation only, without the process's start


@dataclass(frozen=True, kw_only=True, eq=False)
class SocRun(DeviceRun):
    """What the simulated SoC gave, and what that took."""

    simulated_cycles: int        # all clock cycles, from reset on
    wall_s: float                # simulation only, without the process's start

    @property
    def cycles_per_s(self) -> float:
        return self.simulated_cycles / self.wall_s


def build_soc_sim(design: DesignPoint, board: Board, out: Path, *, firmware: Path | None = None,
                  memory: MemoryMap | None = None, weight_init: bytes = b"", engine: str | None = None,
                  trace: bool = False) -> Path:
    """Generate the SoC and its firmware and compile their simulator in folder ``out``; returns ``out``.

    Parameters
    ----------
    firmware : what ``sw.firmware.build`` returned for the design's CPU; built here if missing.
    weight_init : a model image that is there from the start, as in a bitstream.
    engine : Verilog of a ``heddle_engine`` in place of the design's, for tests.
    trace : whether it can write waves; it is several times slower then.

    Raises
    ------
    HeddleError
        If a tool is missing or fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    memory = memory or memory_map(design)
    firmware = firmware or build(out / "firmware", cpu=design.cpu, memory=memory)
    files = generate(design, board, clock_mhz=SIM_CLOCK_MHZ, firmware=firmware, out=out / "soc", sim=True,
                     memory=memory, weight_init=weight_init, engine=engine)
    if memory.image:
        copyfile(firmware, files.folder / FIRMWARE_FILE)
    verilate(files.verilog, files.top, [HARNESS], out, defines=harness_defines(memory), trace=trace)
    return out


def harness_defines(memory: MemoryMap) -> list[str]:
    """Macros for the harness."""
    return [f"HEADER_BYTES={wire.HEADER.size}", f"OVERHEAD_BYTES={wire.OVERHEAD}", f"LENGTH_AT={wire.HEADER.size - 2}",
            *(["FLASH"] if memory.image else [])]


def converse(directory: Path, messages: Sequence[Message], *, cycle_limit: int = CYCLE_LIMIT, limit_s: float = 3600,
             firmware: Path | None = None, memory: MemoryMap | None = None, image: bytes = b"",
             contents: Mapping[str, bytes] | None = None, trace: Path | None = None,
             traced: tuple[int, int] = (0, 0)) -> Answer:
    """Send bytes to the SoC, from reset on, each message after what the one before waits for.

    Parameters
    ----------
    directory : what :func:`build_soc_sim` returned.
    cycle_limit : clock cycles that one message may take.
    limit_s : seconds that the whole run may take.
    firmware : another program for the ROM, which needs no new simulator; built for ``memory``.
    image : the model image in the flash, of a SoC that boots from there.
    contents : files that the simulator's memories begin with, by name, of one of a routed SoC.
    trace : VCD file for the waves of the messages ``traced`` (first and last); needs a simulator built with ``trace``.

    Raises
    ------
    SimulationError
        If the simulator fails, or a response does not come in time.
    """
    request = SETTINGS.pack(cycle_limit, *traced) + b"".join(
        MESSAGE.pack(len(message.data), message.pause_cycles) + message.data for message in messages)
    with TemporaryDirectory(prefix="heddle-") as name:
        folder, soc, files = directory / "soc", load_soc(directory / "soc"), dict(contents or {})
        if soc.memory.image:
            files[FLASH_FILE] = flash_content(b"", firmware or soc.folder / FIRMWARE_FILE, image, soc.memory)
        elif firmware:
            files[ROM_FILE] = b"".join(b"%08x\n" % word for word in rom_words(firmware, memory or MemoryMap()))
        if files:
            folder = Path(name)
            for file, content in files.items():
                (folder / file).write_bytes(content)
        answer = exchange(directory / "sim", request, limit_s=limit_s,
                          arguments=[folder.resolve(), *([trace.resolve()] if trace else [])])
    failure, done, simulated, wall_s = ANSWER.unpack_from(answer)
    came = answer[ANSWER.size:]
    if failure:
        what = f"message {done}: no response" if failure == NO_RESPONSE else "the firmware does not light an LED"
        raise SimulationError("SoC simulation", f"{what} in {cycle_limit} cycles",
                              detail=f"{len(came)} bytes came in all, the last {came[-8:].hex(' ') or 'none'}",
                              repeats=True)
    return Answer(data=came, simulated_cycles=simulated, wall_s=wall_s)


def talk(directory: Path, requests: Sequence[tuple[Op, bytes]], **options: Any) -> Talk:
    """Send requests (op and payload) to the SoC and match its responses; ``options`` are those of :func:`converse`.

    Raises
    ------
    SimulationError
        If the simulator fails, or a response does not come in time.
    DeviceError
        If the SoC sends anything else than one response for each request.
    """
    answer = converse(directory, [Message(data=wire.encode(op, index, payload))
                                  for index, (op, payload) in enumerate(requests)], **options)
    frames = wire.decode(answer.data)
    for index, frame in enumerate(frames):
        if frame.kind == Status.TRAP:
            wire.check(frame, f"request {index}")
        if index >= len(requests) or frame.sequence != index % 256:
            raise DeviceError(f"response {index}: sequence number {frame.sequence}; {len(frames)} responses to "
                              f"{len(requests)} requests; the firmware was restarted or answers twice")
    return Talk(frames=tuple(frames), simulated_cycles=answer.simulated_cycles, wall_s=answer.wall_s)


def run_soc(directory: Path, image: bytes | None, inputs: np.ndarray, *, cycle_limit: int = CYCLE_LIMIT,
            limit_s: float = 3600, firmware: Path | None = None, memory: MemoryMap | None = None,
            contents: Mapping[str, bytes] | None = None, upload: bool = True, trace: Path | None = None,
            traced_input: int = 0) -> SocRun:
    """Upload a model image and run it for every input, without a reset between them.

    Inputs or outputs that are too large for a frame go in parts; ``cycles`` then counts from the input in the engine's
    memory to the output there.

    Parameters
    ----------
    directory : what :func:`build_soc_sim` returned.
    image : a model image (``hw.spec.image``); None if one is in place, or the firmware runs a network by itself.
    inputs : int8 (N, ...), ``input_bytes`` each.
    cycle_limit : clock cycles that one inference may take.
    limit_s : seconds that the whole run may take.
    firmware : another program for the ROM, which needs no new simulator; built for ``memory``.
    contents : files that the simulator's memories begin with, by name, of one of a routed SoC.
    upload : without it the image is in these memories.
    trace : VCD file for the waves of input number ``traced_input``; needs a simulator built with ``trace``.

    Raises
    ------
    SimulationError
        If the simulator fails, or the SoC hangs.
    DeviceError
        If the firmware answers with an error, or the image's weights stream and the SoC has no memory for them; the
        message says which and what to do.
    SpecError
        If ``image`` is damaged.
    """
    built = load_soc(directory / "soc").memory
    flash = built.image is not None
    header = unpack_header(image) if image is not None else {}
    if header and streams_outside(header) and not built.outside:
        raise DeviceError(f"model image: {header['stream_bytes']} bytes of weights stream from a memory outside, and "
                          f"this SoC has none; build it for that network")
    # it opens what is in its flash by itself
    plan = plan_run(image, inputs, in_flash=flash, upload=upload, limit_cycles=cycle_limit,
                    opener=Op.OPEN if upload and not flash else Op.INFO)
    seen = (plan.starts[traced_input], plan.starts[traced_input + 1] - 1) if trace else (0, 0)
    longest = cycle_limit + SERVICE_CYCLES + (OPEN_CYCLES * len(image) if flash and image else 0)
    done = talk(directory, plan.requests, cycle_limit=longest, limit_s=limit_s, firmware=firmware, memory=memory,
                image=image or b"", contents=contents, trace=trace, traced=seen)
    return SocRun(**vars(read_run(plan, done.frames)), simulated_cycles=done.simulated_cycles, wall_s=done.wall_s)
