"""Runs an encoded program on the engine's memories, from ``hw.spec.commands`` alone.

It knows neither graph nor compiler: what it computes is what the command means. The memories are as the engine
sees them: weights in words of ``weight_word_bits`` (``cols`` slices of ``lanes`` weights, lowest first), activations
in bytes; addresses wrap at the size of their memory.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from hw.spec.commands import COMMAND_BITS, COUNTS, LAYER_LOG_ENTRIES, MAGIC, OPCODES, checksum, decode
from hw.spec.design import DesignPoint
from hw.spec.image import unpack_header
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.requant import ADD_LEFT_SHIFT
from sw.golden.ops import matmul, requantize, scaled
from sw.golden.words import ProgramError, Resident, Words

__all__ = ["ProgramError", "interpret", "layers"]

NEVER = np.iinfo(np.int64).max


def interpret(design: DesignPoint, image: bytes, act: bytearray) -> None:
    """Run the image's program from its header's ``program`` to its ``END``; ``act`` (``act_bytes`` long) changes.

    Streamed weights come from the image; with ``memory="spram"`` from ``act``, where they are put first.

    Raises
    ------
    ProgramError
        If the image or the memory does not fit the design, at a command that the engine refuses, or at one whose
        result is not defined.
    SpecError
        If the image's header is missing or the image is damaged.
    """
    for _ in layers(design, image, act):
        pass


def layers(design: DesignPoint, image: bytes, act: bytearray) -> Iterator[tuple[dict[str, int], Words]]:
    """As :func:`interpret`, but stop before each LAYER: its fields, and the words that it is going to read."""
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
    yield from _Program(design, resident, streamed, np.frombuffer(act, np.int8)).run(header["program"])


class _Program:
    """What lives from one command to the next."""

    def __init__(self, design: DesignPoint, resident: Resident, streamed: np.ndarray, act: np.ndarray):
        self.design, self.resident, self.streamed, self.act = design, resident, streamed, act
        self.stream: Words | None = None

    def run(self, word: int) -> Iterator[tuple[dict[str, int], Words]]:
        index = count = 0
        while True:
            try:
                command = self._command(word, count)
                if command["opcode"] == OPCODES["END"]:
                    return
                if command["opcode"] == OPCODES["STREAM"]:
                    self._start_stream(command)
                else:
                    words = self._words(command)
                    yield command, words.copy()
                    _Layer(self.design, command, self.act).run(words)
                    count += 1
            except ProgramError as error:
                raise ProgramError(f"command {index} at weight word {word}: {error}") from error
            word += COMMAND_BITS // self.design.weight_word_bits
            index += 1

    def _command(self, word: int, count: int) -> dict[str, int]:
        """The decoded command behind ``count`` layers; refused as the engine refuses it."""
        encoded = self.resident.command(word)
        command = decode(encoded)
        if command["magic"] != MAGIC:
            raise ProgramError(f"starts with {command['magic']:#04x}, not {MAGIC:#04x}; compile the model again")
        if checksum(encoded):
            raise ProgramError(f"damaged, its checksum is off by {checksum(encoded):#06x}; load the model again")
        opcode = command["opcode"]
        if opcode not in OPCODES.values() or opcode == OPCODES["STREAM"] and not self.design.stream_port_bytes:
            raise ProgramError(f"unknown opcode {opcode}; compile the model again")
        if opcode == OPCODES["LAYER"]:
            if count == LAYER_LOG_ENTRIES:
                raise ProgramError(f"more than {LAYER_LOG_ENTRIES} layers; split the model")
            if zero := [name for name in COUNTS if not command[name]]:
                raise ProgramError(f"{zero[0]}=0: must be 1 or more; compile the model again")
        return command

    def _start_stream(self, command: Mapping[str, int]) -> None:
        ring_end = command["ring_base"] + command["ring_bytes"]
        if ring_end > self.design.weight_bytes:
            raise ProgramError(f"ring ends at byte {ring_end}, weight_bytes={self.design.weight_bytes}; "
                               f"compile the model again")
        size = self.design.weight_word_bits // 8
        available = min(command["stream_bytes"], len(self.streamed)) // size

        def take(first: int, count: int) -> np.ndarray:
            if first + count > available:
                raise ProgramError(f"waits for weight words {first} to {first + count - 1} of a stream of "
                                   f"{available}; compile the model again")
            part = self.streamed[first * size:(first + count) * size].reshape(count, size)
            return np.unpackbits(part, axis=1, bitorder="little")

        self.stream = Words(self.design, take)

    def _words(self, command: Mapping[str, int]) -> Words:
        if not command["stream"]:
            return self.resident.words(command["weight_base"])
        if self.stream is None:
            raise ProgramError("waits for streamed weights, but no STREAM came before; compile the model again")
        return self.stream


class _Layer:
    """One LAYER command. A tile is a group of output pixels in one block; arrays are (tile, row, column, ...)."""

    def __init__(self, design: DesignPoint, command: Mapping[str, int], act: np.ndarray):
        self.design, self.command, self.act = design, command, act
        self.tiles = command["bands"] * command["groups"]
        self.written = np.full(len(act), NEVER)     # by which tile of the layer
        self.dropped = MULTIPLIERS[design.multiplier].dropped_columns(design.weight_bits)
        for wrong, why in {
            "window": command["window"] and (not (command["depthwise"] and command["local"])
                                             or MULTIPLIERS[design.multiplier].ways > 1),
            "maximum": command["maximum"] and not command["depthwise"],
            "broadcast": command["broadcast"] and command["depthwise"],
            "local": command["local"] and (not design.has_local_memory
                                           or command["depthwise"] and not command["window"]),
            "add": command["add"] and design.cols < 3,
        }.items():
            if why:
                raise ProgramError(f"{wrong}=1: means nothing in this command on this design; compile the model again")

    def run(self, words: Words) -> None:
        command = self.command
        for block in range(command["blocks"]):
            before = words.position
            add = words.params() if command["add"] else None
            acc, params = (self._depthwise if command["depthwise"] else self._convolution)(words, block)
            taken = words.position - before
            if command["stream"] and taken != command["block_words"]:
                raise ProgramError(f"block_words={command['block_words']}: a block takes {taken}; "
                                   f"compile the model again")
            self._store(acc, params, add, block)

    def _fetch(self, block: int, position: np.ndarray, row: np.ndarray, offset: np.ndarray,
               within: np.ndarray) -> np.ndarray:
        """Activations of fetched words, ``within`` activations from their first one.

        A word begins ``offset`` bytes behind the first tap of the output pixel at ``position``, ``row`` rows further
        down. Arguments are broadcast; the first axis is the tile.
        """
        design, command = self.design, self.command
        if within.max() >= design.fetch_bytes:
            raise ProgramError(f"takes activation {within.max()} of a fetched word, which has {design.fetch_bytes}; "
                               f"compile the model again")
        oy, ox = np.divmod(position, command["out_width"])
        along = ox * command["step_x_bytes"] + block * command["block_bytes"] + offset
        first = command["in_start"] + oy * command["step_y_bytes"] + row * command["in_row_bytes"] + along
        y = command["first_y"] + oy * command["stride_y"] + row
        x = command["first_x_bytes"] + along + within
        valid = (y >= 0) & (y < command["in_height"]) & (x >= 0) & (x < command["in_row_bytes"])
        if design.memory == "spram" and (valid & (first % 2 == 1)).any():
            raise ProgramError("fetches from an odd address, memory='spram'; compile the model again")
        address = (first + within) % (1 << 24) % len(self.act)
        tile = block * self.tiles + np.arange(self.tiles).reshape(-1, *[1] * (address.ndim - 1))
        if (valid & (self.written[address] < tile)).any():
            raise ProgramError("reads what it has written itself; compile the model again")
        self._reads = address, valid, tile
        return self._narrow(np.where(valid, self.act[address], np.int8(command["in_zero"])))

    def _narrow(self, values: np.ndarray) -> np.ndarray:
        """The low ``act_bits``, with their sign."""
        unused = 8 - self.design.act_bits
        return np.left_shift(values, unused, dtype=np.int8) >> unused

    def _convolution(self, words: Words, block: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Sums (tile, row, column) of a block, and parameters of its columns."""
        design, command = self.design, self.command
        rows, lanes = command["tile_rows"], design.lanes
        segments, broadcast = command["segments"], command["broadcast"]
        last = [1 if broadcast else command["tail_steps"]]
        per_segment = [1 if broadcast else command["segment_steps"]] * (segments - 1) + last
        steps = np.array([(ky, segment, step) for ky in range(command["kernel_rows"])
                          for segment, count in enumerate(per_segment) for step in range(count)])
        ky, segment, step = (part[:, None] for part in steps.T)
        params = words.params()
        count = 1 if command["uniform"] else len(steps)
        if command["local"] and command["local_words"] != count:
            raise ProgramError(f"local_words={command['local_words']}: a tile has {count} steps; "
                               f"compile the model again")
        weights = np.broadcast_to(words.weights(count), (len(steps), design.cols, lanes))
        tile = np.arange(self.tiles).reshape(-1, 1, 1, 1)
        row = np.arange(rows).reshape(1, -1, 1, 1)
        within = step * lanes + np.arange(lanes)
        within = within + row * command["distance"] if broadcast else within[None, None]
        acts = self._fetch(block, tile if broadcast else tile * rows + row, ky, segment * command["segment_bytes"],
                           within)
        if design.weight_bits == 1:
            tail = (segment == segments - 1) & (step == last[0] - 1) & (np.arange(lanes) > command["tail_lanes"])
            acts = np.where(tail, np.int8(0), acts)
        cols = command["tile_cols"]
        flat = weights[:, :cols].transpose(0, 2, 1).reshape(-1, cols)
        return (matmul(acts.reshape(self.tiles, rows, -1), flat, self.dropped),
                {name: values[:cols] for name, values in params.items()})

    def _depthwise(self, words: Words, block: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Sums or maxima (tile, row, column) of a block, and parameters (row, column)."""
        command = self.command
        rows, cols = command["tile_rows"], command["tile_cols"]
        sets = [words.params() for _ in range(rows)]
        params = {name: np.stack([one[name][:cols] for one in sets]) for name in sets[0]}
        acts, weights = (self._columns if command["window"] else self._taps)(words, block)
        acc = np.zeros((self.tiles, rows, cols), np.int64)
        for r, c in np.ndindex(rows, cols):
            dots = [matmul(acts[:, tap, r, c], weights[tap, r, c][:, None], self.dropped)[:, 0]
                    for tap in range(acts.shape[1])]
            acc[:, r, c] = np.max(dots, axis=0) if command["maximum"] else np.sum(dots, axis=0)
        return acc, params

    def _taps(self, words: Words, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Activations (tile, tap, row, column, 1) and weights (tap, row, column, 1) of single taps."""
        design, command = self.design, self.command
        rows, cols = command["tile_rows"], command["tile_cols"]
        ky, kx = (part.reshape(1, -1, 1, 1) for part in np.indices((command["kernel_rows"], command["segments"])))
        taps = ky.size
        kept = words.weights(1 if command["uniform"] else taps)
        if design.compact:      # zero but for column c's lane c
            kept = kept[:, np.arange(cols), np.arange(cols)][:, None]
        else:
            kept = kept[:, :cols, :rows].transpose(0, 2, 1)
        acts = self._fetch(block, np.arange(self.tiles).reshape(-1, 1, 1, 1), ky, kx * command["segment_bytes"],
                           self._channels(rows, cols).reshape(1, 1, rows, cols))
        if design.weight_bits == 1:
            tail = (kx == command["segments"] - 1) & (np.arange(cols) > command["tail_lanes"])
            acts = np.where(tail, np.int8(0), acts)
        return acts[..., None], np.broadcast_to(kept, (taps, rows, cols))[..., None]

    def _channels(self, rows: int, cols: int) -> np.ndarray:
        """Where in a fetched word each element of a depthwise tile has its channel."""
        return np.arange(rows)[:, None] * self.command["distance"] + np.arange(cols)

    def _columns(self, words: Words, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Activations (tile, kernel row, row, column, lane) and weights (kernel row, row, column, lane).

        Lane n has the column that came n columns before, none before the band's first.
        """
        design, command = self.design, self.command
        rows, cols, height = command["tile_rows"], command["tile_cols"], command["kernel_rows"]
        if command["local_words"] != rows * height:
            raise ProgramError(f"local_words={command['local_words']}: the rows of elements take {rows * height}; "
                               f"compile the model again")
        weights = words.weights(rows * height).reshape(rows, height, design.cols, design.lanes)
        band, group = np.divmod(np.arange(self.tiles), command["groups"])
        newest = command["first_segments"] - 1 + group * command["segments"]
        lane = np.arange(design.lanes)
        column = newest.reshape(-1, 1, 1, 1, 1) - lane
        acts = self._fetch(block, band.reshape(-1, 1, 1, 1, 1), np.arange(height).reshape(1, -1, 1, 1, 1),
                           column * command["segment_bytes"], self._channels(rows, cols).reshape(1, 1, rows, cols, 1))
        acts = np.where((column >= 0) & (lane < design.depthwise_taps), acts, np.int8(0))
        return acts, weights[:, :, :cols].transpose(1, 0, 2, 3)

    def _store(self, acc: np.ndarray, params: Mapping[str, np.ndarray], add: Mapping[str, np.ndarray] | None,
               block: int) -> None:
        """Requantize, clamp, add; then write the outputs that exist."""
        command, half = self.command, 1 << self.design.acc_bits - 1
        address, exists = self._outputs(block, *acc.shape[1:])
        values = requantize((acc + half) % (2 * half) - half, zero=command["out_zero"], low=command["act_min"],
                            high=command["act_max"], **params)
        if add is not None:
            values = self._add(self._narrow(self.act[address]), values, add)
        tile = np.broadcast_to(block * self.tiles + np.arange(self.tiles).reshape(-1, 1, 1), exists.shape)
        self.act[address[exists]] = self._narrow(values)[exists]
        np.minimum.at(self.written, address[exists], tile[exists])
        read, valid, when = self._reads
        if (valid & (self.written[read] < when)).any():
            raise ProgramError("reads what it has written itself; compile the model again")

    def _outputs(self, block: int, rows: int, cols: int) -> tuple[np.ndarray, np.ndarray]:
        """Addresses (tile, row, column) of a block's outputs, and which exist."""
        command = self.command
        band, group = (part.reshape(-1, 1, 1) for part in np.divmod(np.arange(self.tiles), command["groups"]))
        row, column = np.arange(rows).reshape(-1, 1), np.arange(cols)
        band_bytes = (command["groups"] - 1) * command["out_group_bytes"] + command["out_band_bytes"]
        address = (command["out_base"] + block * command["out_block_bytes"] + band * band_bytes
                   + group * command["out_group_bytes"] + row * command["out_row_bytes"] + column)
        last_block = block == command["blocks"] - 1
        if command["depthwise"]:
            there = row < (command["tail_rows"] if last_block else rows)
            short = last_block & (row == command["tail_rows"] - 1)
        else:
            there = (row < command["tail_rows"]) | (group != command["groups"] - 1)
            short = np.full((1, 1), last_block)
        exists = there & (column < np.where(short, command["tail_cols"], cols))
        return address % len(self.act), np.broadcast_to(exists, address.shape)

    def _add(self, other: np.ndarray, own: np.ndarray, params: Mapping[str, np.ndarray]) -> np.ndarray:
        """TFLite's ADD: ``params`` has those of the other operand, the own one and the sum."""
        def one(values: np.ndarray, which: int) -> np.ndarray:
            return scaled(values + params["bias"][which], params["multiplier"][which], params["shift"][which])

        total = one(other.astype(np.int64) << ADD_LEFT_SHIFT, 0) + one(own.astype(np.int64) << ADD_LEFT_SHIFT, 1)
        command = self.command
        return np.clip(one(total, 2) + command["add_zero"], command["add_min"], command["add_max"]).astype(np.int8)
