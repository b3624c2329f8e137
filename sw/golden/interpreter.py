"""Runs an encoded program on the engine's memories, from ``hw.spec.commands`` alone.

It knows neither graph nor compiler: what it computes is what the command means. The memories are as the engine
sees them: weights in words of ``weight_word_bits`` (``cols`` slices of ``lanes`` weights, lowest first), activations
in bytes; addresses wrap at the size of their memory.
"""

from collections.abc import Mapping

import numpy as np

from hw.spec.commands import COMMAND_BITS, LAYER_LOG_ENTRIES, MAGIC, OPCODES, decode
from hw.spec.design import PARAM_BITS, DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import unpack_header
from hw.spec.multipliers import MULTIPLIERS
from sw.golden.ops import matmul, requantize

__all__ = ["ProgramError", "interpret", "run_command"]


class ProgramError(HeddleError, ValueError):
    """A program cannot be run; the message names the command."""


class _Weights:
    """The weight scratchpad, read in words."""

    def __init__(self, design: DesignPoint, image: bytes):
        if len(image) > design.weight_bytes:
            raise ProgramError(f"image of {len(image)} bytes: weight_bytes={design.weight_bytes}; raise weight_bytes")
        memory = np.frombuffer(image.ljust(design.weight_bytes, b"\0"), np.uint8)
        self.design, self.bits = design, np.unpackbits(memory, bitorder="little")

    def words(self, first: int, count: int) -> np.ndarray:
        """Bits ``(count, weight_word_bits)``, least significant first."""
        words = self.bits.reshape(-1, self.design.weight_word_bits)
        return words[np.arange(first, first + count) % len(words)]

    def command(self, word: int) -> dict[str, int]:
        start = word * self.design.weight_word_bits
        if start + COMMAND_BITS > len(self.bits):
            raise ProgramError(f"command at weight word {word}: the weight memory ends there; the program has no END")
        return decode(_integer(self.bits[start:start + COMMAND_BITS]))

    def weights(self, first: int, count: int) -> np.ndarray:
        """int8 ``(count, cols, lanes)``."""
        width = self.design.weight_bits
        bits = self.words(first, count).reshape(count, self.design.cols, self.design.lanes, width).astype(np.int64)
        place = 1 << np.arange(width)
        place[-1] *= -1
        return (bits @ place).astype(np.int8)

    def params(self, first: int) -> dict[str, np.ndarray]:
        """Bias, multiplier and shift of ``cols`` channels from one set of parameter words."""
        design = self.design
        bits = self.words(first, design.param_words).reshape(design.param_words, design.cols, -1)
        columns = [_integer(bits[:, column].reshape(-1)[:PARAM_BITS]) for column in range(design.cols)]
        bias = [(value + (1 << 31)) % (1 << 32) - (1 << 31) for value in columns]
        return {"bias": np.array(bias, np.int64),
                "multiplier": np.array([value >> 32 & 0xFFFFFFFF for value in columns], np.int64),
                "shift": np.array([value >> 64 & 0xFF for value in columns], np.int64)}


def _integer(bits: np.ndarray) -> int:
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def _gather(command: Mapping[str, int], act: np.ndarray, pixels: np.ndarray, ky: np.ndarray,
            offset: np.ndarray) -> np.ndarray:
    """Activations of output ``pixels`` at kernel row ``ky`` and byte ``offset`` within the row (broadcast)."""
    oy, ox = np.divmod(pixels, command["out_width"])
    y = command["first_y"] + oy * command["stride_y"] + ky
    x = command["first_x_bytes"] + ox * command["step_x_bytes"] + offset
    address = (command["in_base"] + command["first_offset"] + oy * command["step_y_bytes"]
               + ox * command["step_x_bytes"] + ky * command["in_row_bytes"] + offset)
    valid = (y >= 0) & (y < command["in_height"]) & (x >= 0) & (x < command["in_row_bytes"])
    return np.where(valid, act[address % len(act)], np.int8(command["in_zero"]))


def _finish(design: DesignPoint, command: Mapping[str, int], acc: np.ndarray,
            params: Mapping[str, np.ndarray]) -> np.ndarray:
    half = 1 << design.acc_bits - 1
    return requantize((acc + half) % (2 * half) - half, zero=command["out_zero"], low=command["act_min"],
                      high=command["act_max"], **params)


def _normal_block(design: DesignPoint, command: Mapping[str, int], memory: _Weights, act: np.ndarray,
                  first: int, block: int) -> int:
    """One block of ``cols`` output channels; returns the weight word behind it."""
    rows, lanes, segments = design.rows, design.lanes, command["segments"]
    steps = [(ky, segment * command["segment_bytes"] + step * lanes)
             for ky in range(command["kernel_rows"]) for segment in range(segments)
             for step in range(command["tail_steps"] if segment == segments - 1 else rows)]
    ky, offset = np.array(steps).T
    groups = command["groups"]
    pixels = np.arange((groups - 1) * rows + command["tail_rows"])
    weights = memory.weights(first + design.param_words, len(steps))
    acts = _gather(command, act, pixels[:, None], np.repeat(ky, lanes),
                   (offset[:, None] + np.arange(lanes)).reshape(-1))
    dropped = MULTIPLIERS[design.multiplier].dropped_columns(design.weight_bits)
    acc = matmul(acts, weights.transpose(0, 2, 1).reshape(-1, design.cols), dropped)
    values = _finish(design, command, acc, memory.params(first))
    group, row = np.divmod(pixels, rows)
    columns = np.arange(command["tail_cols"] if block == command["blocks"] - 1 else design.cols)
    address = (command["out_base"] + block * command["out_block_bytes"] + group * command["out_group_bytes"]
               + row * command["out_row_bytes"])[:, None] + columns
    act[address % len(act)] = values[:, columns]
    return first + design.param_words + len(steps)


def _depthwise_block(design: DesignPoint, command: Mapping[str, int], memory: _Weights, act: np.ndarray,
                     first: int, block: int) -> int:
    """One block of ``depthwise_channels`` channels, one per element; returns the weight word behind it."""
    taps = [(ky, segment * command["segment_bytes"])
            for ky in range(command["kernel_rows"]) for segment in range(command["segments"])]
    ky, offset = np.array(taps).T
    pixels = np.arange(command["groups"])
    last = block == command["blocks"] - 1
    weights_at = first + design.depthwise_rows * design.param_words
    weights = memory.weights(weights_at, len(taps))
    dropped = MULTIPLIERS[design.multiplier].dropped_columns(design.weight_bits)
    for row in range(command["tail_rows"] if last else design.depthwise_rows):
        params = memory.params(first + row * design.param_words)
        short = last and row == command["tail_rows"] - 1
        for column in range(command["tail_cols"] if short else design.depthwise_cols):
            channel = block * command["block_bytes"] + row * design.depthwise_cols + column
            acts = _gather(command, act, pixels[:, None], ky, offset + channel)
            acc = matmul(acts, weights[:, column, row, None], dropped)
            own = {name: values[column:column + 1] for name, values in params.items()}
            address = (command["out_base"] + block * command["out_block_bytes"]
                       + pixels * command["out_group_bytes"] + row * command["out_row_bytes"] + column)
            act[address % len(act)] = _finish(design, command, acc, own)[:, 0]
    return weights_at + len(taps)


def run_command(design: DesignPoint, command: Mapping[str, int], image: bytes, act: bytearray) -> None:
    """Run one decoded ``LAYER`` command on ``act``."""
    _run_layer(design, command, _Weights(design, image), _activations(design, act))


def _run_layer(design: DesignPoint, command: Mapping[str, int], memory: _Weights, act: np.ndarray) -> None:
    step = _depthwise_block if command["depthwise"] else _normal_block
    word = command["weight_base"]
    for block in range(command["blocks"]):
        word = step(design, command, memory, act, word, block)


def _activations(design: DesignPoint, act: bytearray) -> np.ndarray:
    if len(act) != design.act_bytes:
        raise ProgramError(f"activation memory of {len(act)} bytes: act_bytes={design.act_bytes}; give a bytearray "
                           f"of that size")
    return np.frombuffer(act, np.int8)


def interpret(design: DesignPoint, image: bytes, act: bytearray) -> None:
    """Run the image's program from its header's ``program`` to its ``END``; ``act`` (``act_bytes`` long) changes.

    Raises
    ------
    ProgramError
        If the image or the memory does not fit the design, or at a command that the engine refuses.
    SpecError
        If the image's header is missing or the image is damaged.
    """
    memory, activations = _Weights(design, image), _activations(design, act)
    word = unpack_header(image)["program"]
    for index in range(LAYER_LOG_ENTRIES + 1):
        command = memory.command(word)
        where = f"command {index} at weight word {word}"
        if command["magic"] != MAGIC:
            raise ProgramError(f"{where}: starts with {command['magic']:#04x}, not {MAGIC:#04x}; "
                               f"compile the model again")
        if command["opcode"] not in OPCODES.values():
            raise ProgramError(f"{where}: unknown opcode {command['opcode']}; compile the model again")
        if command["opcode"] == OPCODES["END"]:
            return
        if index == LAYER_LOG_ENTRIES:
            raise ProgramError(f"{where}: more than {LAYER_LOG_ENTRIES} layers; split the model")
        _run_layer(design, command, memory, activations)
        word += COMMAND_BITS // design.weight_word_bits
