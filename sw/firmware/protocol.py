"""The byte protocol between a host and the firmware: one source for the C header and for the host's code.

The host sends a request frame and waits for its response frame. A frame is ``MAGIC`` (2 bytes), op or status (1),
sequence number (1, repeated in the response), payload length (2), payload, CRC-32 of everything behind the magic (4);
all little-endian. The firmware ignores bytes until it sees a magic.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from zlib import crc32

from hw.spec.commands import ERRORS
from hw.spec.errors import HeddleError
from hw.spec.image import HEADER_BYTES, HEADER_FIELDS, MOST_LAYERS, unpack_header
from hw.spec.registers import ACT_WINDOW, WEIGHT_WINDOW, WINDOW_BYTES
from hw.spec.soc import OUTSIDE, MemoryMap

__all__ = ["CHUNK_BYTES", "IN_PLACE", "MAGIC", "MAX_PAYLOAD", "OVERHEAD", "PROTOCOL_VERSION",
           "DeviceError", "Frame", "Inference", "Info", "Op", "Status", "cfu_payload", "check", "decode", "encode",
           "first_frame", "infer_payload", "inference_requests", "parse_answers", "parse_cfu", "parse_inference",
           "parse_info", "read_payload", "upload_payloads"]

PROTOCOL_VERSION = 3
MAGIC = b"HD"
HEADER = struct.Struct("<2sBBH")
CRC = struct.Struct("<I")
OVERHEAD = HEADER.size + CRC.size
MAX_PAYLOAD = 4096 + 16     # bytes; the firmware's one buffer
CHUNK_BYTES = 2048          # of a model image, an input or an output in one frame
IN_PLACE = 1                # flag of INFER: the input is in the engine's memory already, the output stays there
INFERENCE = struct.Struct("<IIII")  # cycles, engine cycles, layers, calls of the CPU; their cycles; the output
MOST_INPUT_BYTES = MAX_PAYLOAD - 8                                              # that go with INFER itself
MOST_OUTPUT_BYTES = MAX_PAYLOAD - INFERENCE.size - 4 * MOST_LAYERS              # that come with its answer


class Op(IntEnum):
    """What a request asks for."""

    INFO = 1                # -> Info
    WRITE = 2               # offset in the engine's region, whole words
    OPEN = 3                # check the model image again; -> Info
    INFER = 4               # time limit in cycles (0: none), flags, input; -> Inference
    CFU = 5                 # commands for the custom instructions; -> their answers
    READ = 6                # offset in the engine's region, bytes; -> them


class Status(IntEnum):
    """How a request ended; the same numbers are the return values of the C functions."""

    OK = 0
    NO_ENGINE = 1
    NO_IMAGE = 2
    BAD_IMAGE = 3
    WRONG_DESIGN = 4
    BUSY = 5
    TIMEOUT = 6
    ENGINE_ERROR = 7
    BAD_LENGTH = 8
    BAD_CRC = 9
    BAD_OP = 10
    BAD_ADDRESS = 11
    TRAP = 12
    NO_STREAM = 13
    NO_CFU = 14


MEANING = {
    Status.NO_ENGINE: "no engine of this register map on the bus; build the SoC and its firmware from one checkout",
    Status.NO_IMAGE: "no model image where the firmware looks for one; upload it, or write it to the flash that the "
                     "SoC boots from",
    Status.BAD_IMAGE: "the model image is damaged; upload it again",
    Status.WRONG_DESIGN: "the model image was compiled for another design; compile it for the one on the board",
    Status.BUSY: "the engine still runs what was started before; reset the board",
    Status.TIMEOUT: "the engine did not finish in time; raise the time limit, or reset the board",
    Status.ENGINE_ERROR: "the engine stopped with an error",
    Status.BAD_LENGTH: "a payload has the wrong length",
    Status.BAD_CRC: "a frame arrived damaged; send it again",
    Status.BAD_OP: "unknown request; host and firmware are of different versions",
    Status.BAD_ADDRESS: "outside the memories that the SoC has, or not whole words; of a model image whose weights "
                        "stream, that it has no memory for them: build it with that network",
    Status.TRAP: "the firmware met a trap",
    Status.NO_CFU: "the SoC's CPU has no custom instructions; choose a design with a CPU that has",
    Status.NO_STREAM: "the program streams weights from a memory outside, and the firmware knows of none; call "
                      "heddle_set_stream, or raise weight_bytes until they stay in the scratchpad",
}


class DeviceError(HeddleError):
    """The firmware answered a request with an error, or with something that is no answer."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One decoded frame."""

    kind: int                 # Op of a request, Status of a response
    sequence: int             # 0 to 255
    payload: bytes


@dataclass(frozen=True, kw_only=True)
class Info:
    """What the firmware knows about itself, the engine and the model image."""

    protocol: int             # PROTOCOL_VERSION of the firmware
    fingerprint: int          # of the engine
    map_version: int          # of the engine's register map
    image: Status             # state of the model image
    header: dict[str, int]    # hw.spec.image.HEADER_FIELDS as they lie in the weight scratchpad


@dataclass(frozen=True, kw_only=True)
class Inference:
    """One inference on the device."""

    cycles: int               # of the CPU, from the input in memory to the output in memory
    engine_cycles: int        # of those, the engine's runs
    layer_cycles: tuple[int, ...]      # the engine's, of each layer
    kernel_cycles: tuple[int, ...]     # the CPU's, of each call
    output: bytes             # empty if it stayed in the engine's memory


def encode(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """One frame.

    >>> decode(encode(Op.INFO, 7))[0].sequence
    7
    """
    if len(payload) > MAX_PAYLOAD:
        raise DeviceError(f"payload: {len(payload)} bytes; a frame takes {MAX_PAYLOAD}; send it in parts")
    body = HEADER.pack(MAGIC, kind, sequence % 256, len(payload)) + payload
    return body + CRC.pack(crc32(body[len(MAGIC):]))


def decode(data: bytes) -> list[Frame]:
    """Every frame in ``data``.

    Raises
    ------
    DeviceError
        If something else than whole, undamaged frames is in it.
    """
    frames, position = [], 0
    while position < len(data):
        head = data[position:position + HEADER.size]
        if len(head) < HEADER.size or not head.startswith(MAGIC):
            raise DeviceError(f"response: no frame at byte {position}, but {head.hex(' ')}; check the connection")
        _, kind, sequence, length = HEADER.unpack(head)
        end = position + OVERHEAD + length
        if len(data) < end:
            raise DeviceError(f"response: ends {end - len(data)} bytes before the end of its last frame")
        if crc32(data[position + len(MAGIC):end - CRC.size]) != CRC.unpack_from(data, end - CRC.size)[0]:
            raise DeviceError(f"response: CRC-32 differs in the frame at byte {position}; check the connection")
        frames.append(Frame(kind=kind, sequence=sequence, payload=data[position + HEADER.size:end - CRC.size]))
        position = end
    return frames


def first_frame(data: bytes) -> tuple[Frame | None, bytes, bytes]:
    """The first whole, undamaged frame of what came on a line so far, what was skipped before it, what is behind it.

    Without one, what may still become a frame is the rest.

    >>> first_frame(b"noise" + encode(Op.INFO, 7) + b"HD")[1:]
    (b'noise', b'HD')
    """
    start = 0
    while (start := data.find(MAGIC, start)) >= 0:
        head = data[start:start + HEADER.size]
        length = HEADER.unpack(head)[-1] if len(head) == HEADER.size else 0
        end = start + OVERHEAD + length
        if len(data) < end and length <= MAX_PAYLOAD:
            return None, data[:start], data[start:]
        try:
            return decode(data[start:end])[0], data[:start], data[end:]
        except DeviceError:
            start += 1
    kept = len(data) - data.endswith(MAGIC[:1])
    return None, data[:kept], data[kept:]


def check(frame: Frame, doing: str) -> bytes:
    """The payload of a good response; ``doing`` says in the error what was asked for."""
    if frame.kind == Status.OK:
        return frame.payload
    try:
        status = Status(frame.kind)
    except ValueError:
        raise DeviceError(f"{doing}: unknown status {frame.kind}; build the firmware again") from None
    raise DeviceError(f"{doing}: {status.name}: {MEANING[status]}{_particulars(status, frame.payload)}")


def _particulars(status: Status, payload: bytes) -> str:
    words = struct.unpack(f"<{len(payload) // 4}I", payload[:len(payload) // 4 * 4])
    if status in (Status.ENGINE_ERROR, Status.TIMEOUT, Status.BUSY) and len(words) == 4:
        state, done, cycles, pc = words
        names = {value: name for name, value in ERRORS.items()}
        return (f" (STATUS {state:#010x}: error {names.get(state >> 8 & 255, '?')}, layer {state >> 16}, "
                f"busy {state & 1}; PC {pc:#x}, DONE {done}, CYCLES {cycles})")
    if status == Status.TRAP and len(words) == 3:
        return " (mcause {:#x}, mepc {:#x}, mtval {:#x})".format(*words)
    return ""


def upload_payloads(image: bytes) -> Iterator[bytes]:
    """Payloads of the WRITE requests that bring a model image to where it belongs: what streams to a memory outside.

    Raises SpecError if the image is damaged.
    """
    header = unpack_header(image)
    resident, address = header["stream_offset"], header["stream_address"]
    streamed = ACT_WINDOW + address if address else OUTSIDE.origin - MemoryMap().engine.origin
    for offset, part in ((WEIGHT_WINDOW, image[:resident]), (streamed, image[resident:])):
        padded = part + bytes(-len(part) % 4)
        for start in range(0, len(padded), CHUNK_BYTES):
            yield struct.pack("<I", offset + start) + padded[start:start + CHUNK_BYTES]


def infer_payload(data: bytes | None, *, limit_cycles: int = 0) -> bytes:
    """Payload of INFER; without ``data`` the input is in the engine's memory already."""
    return struct.pack("<II", limit_cycles, IN_PLACE if data is None else 0) + (data or b"")


def inference_requests(data: bytes, header: Mapping[str, int], *, limit_cycles: int = 0,
                       in_place: bool = False) -> list[tuple[Op, bytes]]:
    """The requests of one inference of the model with that image header, for :func:`parse_answers`.

    It is one INFER, unless input or output are too large for a frame, or with ``in_place``. Then the input is written
    to its place in parts and the output read from there; neither is a part of what INFER counts.

    Raises
    ------
    DeviceError
        If the model takes an input of another size.
    """
    if len(data) != header["input_bytes"]:
        raise DeviceError(f"input: {len(data)} bytes; the model takes {header['input_bytes']}; give a whole input")
    if not in_place and len(data) <= MOST_INPUT_BYTES and header["output_bytes"] <= MOST_OUTPUT_BYTES:
        return [(Op.INFER, infer_payload(data, limit_cycles=limit_cycles))]
    start, end = _words(header["input_address"], len(data))
    # nothing else lives before the engine starts, so what shares a word with the input may change
    content = (bytes(header["input_address"] - start) + data).ljust(end - start, b"\0")
    return [*((Op.WRITE, struct.pack("<I", ACT_WINDOW + start + at) + content[at:at + CHUNK_BYTES])
              for at in range(0, len(content), CHUNK_BYTES)),
            (Op.INFER, infer_payload(None, limit_cycles=limit_cycles)),
            *((Op.READ, read_payload(ACT_WINDOW + at, size)) for at, size in _output_parts(header))]


def parse_answers(payloads: Sequence[bytes], header: Mapping[str, int]) -> Inference:
    """The inference that the answers to :func:`inference_requests` give."""
    reads = list(_output_parts(header)) if len(payloads) > 1 else []
    done = parse_inference(payloads[len(payloads) - 1 - len(reads)])
    if not reads:
        return done
    skipped = header["output_address"] - reads[0][0]
    output = b"".join(payloads[len(payloads) - len(reads):])
    return replace(done, output=output[skipped:skipped + header["output_bytes"]])


def _output_parts(header: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Address in the activation scratchpad and size of each part of the output."""
    start, end = _words(header["output_address"], header["output_bytes"])
    for at in range(start, end, CHUNK_BYTES):
        yield at, min(CHUNK_BYTES, end - at)


def _words(address: int, size: int) -> tuple[int, int]:
    """Start and end of the whole words around so many bytes."""
    return address & ~3, address + size + 3 & ~3


def cfu_payload(commands: Sequence[tuple[int, int, int]]) -> bytes:
    """Payload of CFU: function id and two operands of each command."""
    return b"".join(struct.pack("<III", *command) for command in commands)


def read_payload(offset: int, size: int) -> bytes:
    """Payload of READ: bytes of the engine's region, whole words."""
    if offset % 4 or size % 4 or not 0 <= offset <= offset + size <= WINDOW_BYTES:
        raise DeviceError(f"read: {size} bytes at {offset:#x}; read whole words inside the engine's region")
    return struct.pack("<II", offset, size)


def parse_info(payload: bytes) -> Info:
    protocol, fingerprint, map_version, image = struct.unpack_from("<4I", payload)
    if protocol != PROTOCOL_VERSION:
        raise DeviceError(f"firmware: protocol version {protocol}, the host has {PROTOCOL_VERSION}; build the firmware "
                          f"again")
    words = struct.unpack_from(f"<{HEADER_BYTES // 4}I", payload, 16)
    return Info(protocol=protocol, fingerprint=fingerprint, map_version=map_version, image=Status(image),
                header=dict(zip(HEADER_FIELDS, words, strict=False)))


def parse_inference(payload: bytes) -> Inference:
    cycles, engine, layers, kernels = INFERENCE.unpack_from(payload)
    log = struct.unpack_from(f"<{layers + kernels}I", payload, INFERENCE.size)
    return Inference(cycles=cycles, engine_cycles=engine, layer_cycles=log[:layers], kernel_cycles=log[layers:],
                     output=payload[INFERENCE.size + 4 * len(log):])


def parse_cfu(payload: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(payload) // 4}I", payload))


