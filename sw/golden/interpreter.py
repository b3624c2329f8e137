"""Runs a model image on the engine's memories, from ``hw.spec`` alone: its calls, and the commands of each run.

It knows neither graph nor compiler: what it computes is what a call means to the CPU and a command to the engine of
the design, whoever made it. The memories are as the engine sees them: weights in words of ``weight_word_bits``
(``cols`` slices of ``lanes`` weights, lowest first), activations in bytes; addresses wrap at the size of their memory.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hw.spec.commands import COMMAND_BITS, LAYER_LOG_ENTRIES, MAGIC, OPCODES, checksum, decode
from hw.spec.design import DesignPoint
from hw.spec.fields import counts, taken
from hw.spec.image import ENGINE, reset_calls, unpack_calls, unpack_header
from hw.spec.stream import word_bytes, write_bytes
from sw.golden.kernels import run_call
from sw.golden.layer import run_layer
from sw.golden.words import Endless, ProgramError, Refused, Resident, Undefined, Words

__all__ = ["Ending", "ProgramError", "execute", "interpret", "layers", "reset"]


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What the engine's registers say after a run, or for ever."""

    busy: bool
    error: str     # of hw.spec.commands.ERRORS
    pc: int        # weight word of the last command that was fetched
    layer: int     # number of the layer that runs, or of the command it stopped at


def reset(image: bytes, act: bytearray) -> None:
    """Bring all states in the activation scratchpad to their beginning; what runs an image does so first.

    Raises as :func:`interpret`.
    """
    for call in reset_calls(image, unpack_header(image)):
        run_call(call, np.frombuffer(act, np.int8))


def interpret(design: DesignPoint, image: bytes, act: bytearray) -> None:
    """Make the image's calls, each run of the engine to its ``END``; ``act`` (``act_bytes`` long) changes.

    Streamed weights come from the image; with ``memory="spram"`` from ``act``, where they are put first.

    Raises
    ------
    ProgramError
        If the image or the memory does not fit the design, at a command that the engine refuses (Refused) or stays at
        for ever (Endless), or at one, or a call, whose result is not defined (Undefined).
    SpecError
        If the image's header is missing or the image is damaged.
    """
    for _ in layers(design, image, act):
        pass


def execute(design: DesignPoint, image: bytes, act: bytearray) -> Ending:
    """As :func:`interpret`, but where the engine refuses a command, or stays at it, tell what it shows then."""
    ending = Ending(busy=False, error="NONE", pc=0, layer=0)
    for program in _runs(design, image, act):
        busy, error = False, "NONE"
        try:
            for _ in program.run():
                pass
        except Refused as refused:
            error = refused.error
        except Endless:
            busy = True
        ending = Ending(busy=busy, error=error, pc=program.word, layer=program.count)
        if busy or error != "NONE":
            break
    return ending


def layers(design: DesignPoint, image: bytes, act: bytearray) -> Iterator[tuple[dict[str, int], Words]]:
    """As :func:`interpret`, but stop before each LAYER: its fields as the engine takes them, and the words that it is
    going to read."""
    for program in _runs(design, image, act):
        yield from program.run()


def _runs(design: DesignPoint, image: bytes, act: bytearray) -> Iterator["_Program"]:
    """Each run of the engine, to be run before the next one is asked for; the CPU's calls between are made here."""
    header = unpack_header(image)
    if len(act) != design.act_bytes:
        raise ProgramError(f"activation memory of {len(act)} bytes: act_bytes={design.act_bytes}; give a bytearray "
                           f"of that size")
    resident = Resident(design, image[:header["stream_offset"]])
    streamed = np.frombuffer(image[header["stream_offset"]:], np.uint8)
    if design.memory == "spram":
        place = header["stream_address"]
        if place + len(streamed) > len(act):
            raise ProgramError(f"stream of {len(streamed)} bytes at {place}: reaches beyond act_bytes="
                               f"{design.act_bytes}; compile the model again")
        act[place:place + len(streamed)] = streamed.tobytes()
        streamed = np.frombuffer(act, np.uint8)[place:place + len(streamed)]
    memory = np.frombuffer(act, np.int8)
    for call in unpack_calls(image, header):
        if call.runner == ENGINE:
            run = call.run
            yield _Program(design, resident, streamed[run["stream_start"]:], memory, run["program"])
        else:
            run_call(call, memory)


class _Program:
    """What lives from one command of a run to the next."""

    def __init__(self, design: DesignPoint, resident: Resident, streamed: np.ndarray, act: np.ndarray, word: int):
        self.design, self.resident, self.streamed, self.act = design, resident, streamed, act
        self.word, self.count = word % resident.counted, 0
        self.stream: _Stream | None = None

    def run(self) -> Iterator[tuple[dict[str, int], Words]]:
        index, first = 0, self.word
        while True:
            self.word = (first + index * COMMAND_BITS // self.design.weight_word_bits) % self.resident.counted
            try:
                command = self._command()
                if command["opcode"] == OPCODES["END"]:
                    return
                if command["opcode"] == OPCODES["STREAM"]:
                    self.stream = _Stream(self.design, command, self.streamed)
                    self.resident.stream_to(command["ring_base"], command["ring_base"] + command["ring_bytes"])
                else:
                    table, words = self._words(command)
                    yield command, words.copy()
                    run_layer(self.design, command, self.act, words,
                              self.stream.wait if command["stream"] and self.stream else None, table)
                    self.count += 1
            except Refused as error:
                raise Refused(self._where(index, error), error.error) from error
            except ProgramError as error:
                raise type(error)(self._where(index, error)) from error
            index += 1

    def _where(self, index: int, error: ProgramError) -> str:
        return f"command {index} at weight word {self.word}: {error}"

    def _command(self) -> dict[str, int]:
        """The decoded command, a LAYER as the engine takes it; refused as the engine refuses it."""
        encoded = self.resident.command(self.word)
        command = decode(encoded)
        if command["magic"] != MAGIC:
            raise Refused(f"starts with {command['magic']:#04x}, not {MAGIC:#04x}; compile the model again",
                          "BAD_MAGIC")
        if checksum(encoded):
            raise Refused(f"damaged, its checksum is off by {checksum(encoded):#06x}; load the model again",
                          "BAD_CHECKSUM")
        opcode = command["opcode"]
        if opcode not in OPCODES.values() or opcode == OPCODES["STREAM"] and not self.design.stream_port_bytes:
            raise Refused(f"unknown opcode {opcode}; compile the model again", "BAD_OPCODE")
        if opcode != OPCODES["LAYER"]:
            return command
        if self.count == LAYER_LOG_ENTRIES:
            raise Refused(f"more than {LAYER_LOG_ENTRIES} layers; split the model", "TOO_LONG")
        if zero := [name for name in counts(self.design) if not command[name]]:
            raise Refused(f"{zero[0]}=0: must be 1 or more; compile the model again", "ZERO_COUNT")
        return taken(self.design, command)

    def _words(self, command: Mapping[str, int]) -> tuple[np.ndarray | None, Words]:
        """The table, if there is one, and the words of the blocks."""
        resident = self.resident.words(command["weight_base"])
        table = resident.table() if command["table"] else None
        return table, self._streamed(command) if command["stream"] else resident

    def _streamed(self, command: Mapping[str, int]) -> Words:
        if not command["block_words"]:
            raise Undefined("block_words=0: reads words that have not come; compile the model again")
        if self.stream is None:
            raise Endless("waits for streamed weights, but no STREAM came before; compile the model again")
        return self.stream.words


class _Stream:
    """The words that come through a ring since a STREAM command."""

    def __init__(self, design: DesignPoint, command: Mapping[str, int], streamed: np.ndarray):
        self._design, self._size = design, word_bytes(design)
        self._ring, length = command["ring_bytes"], command["stream_bytes"]
        base, end, step = command["ring_base"], command["ring_base"] + self._ring, max(self._size, write_bytes(design))
        if end > design.weight_bytes:
            raise Undefined(f"ring ends at byte {end}, weight_bytes={design.weight_bytes}; compile the model again")
        for name, value in (("ring_base", base), ("ring_bytes", self._ring)):
            if value % step:
                raise Undefined(f"{name}={value}: no multiple of {step}; compile the model again")
        if length > len(streamed) or length % write_bytes(design):
            raise Undefined(f"stream_bytes={length}: {len(streamed)} bytes are there, in writes of "
                            f"{write_bytes(design)}; compile the model again")
        self._available = length // self._size
        self._live, self._loaded = streamed, streamed.copy()
        self.words = Words(design, self._take)

    def wait(self, count: int) -> None:
        """For the next words of a block."""
        first, need = self.words.position, count * self._size
        if first + count > self._available or need > self._ring:
            raise Endless(f"waits for weight words {first} to {first + count - 1} of a stream of {self._available} "
                          f"through a ring of {self._ring} bytes; compile the model again")
        if need + max(0, write_bytes(self._design) - self._size) > self._ring:
            raise Undefined(f"ring_bytes={self._ring}: too short for {count} words that begin anywhere; "
                            f"compile the model again")

    def _take(self, first: int, count: int) -> np.ndarray:
        if first + count > self._available:
            raise Undefined(f"reads {first + count} weight words of a stream of {self._available}; raise block_words "
                            f"or compile the model again")
        place = slice(first * self._size, (first + count) * self._size)
        if (self._live[place] != self._loaded[place]).any():
            raise Undefined("layers wrote over weights that stream; compile the model again")
        return np.unpackbits(self._loaded[place].reshape(count, self._size), axis=1, bitorder="little")
