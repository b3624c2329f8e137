"""One LAYER command, as the engine of a design takes it (``hw.spec.fields.taken``), whoever made it."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from hw.spec.design import SPRAM_TOTAL_BYTES, DesignPoint
from hw.spec.digits import POOL_WEIGHT, digits, piece_bits
from hw.spec.fields import ADD_RECORDS, phases, undefined
from hw.spec.requant import ADD_LEFT_SHIFT, TOTAL_BITS
from hw.spec.timing import param_sets
from sw.golden.fixed import scaled
from sw.golden.products import products_of
from sw.golden.words import Endless, Undefined, Words

__all__ = ["run_layer"]

NEVER = np.iinfo(np.int64).max
X_BITS, Y_BITS = 18, 16      # signed: place of a pixel's first tap in its row, and its row
Params = Mapping[str, np.ndarray]


def run_layer(design: DesignPoint, command: Mapping[str, int], act: np.ndarray, words: Words,
              wait: Callable[[int], None] | None, table: np.ndarray | None = None) -> None:
    """Run a LAYER that reads ``words``; ``act`` (int8) changes.

    Parameters
    ----------
    table
        int8 (256,): what outputs -128, -127, ... 127 become before they are stored; None: they stay.
    wait
        Called with a block's ``block_words`` before they are read; None where they are in the scratchpad.

    Raises
    ------
    Endless, Undefined
    """
    if why := undefined(design, command):
        raise Undefined(why)
    _Layer(design, command, act, table).run(words, wait)


def _signed(value: np.ndarray, bits: int) -> np.ndarray:
    """The low ``bits``, with their sign."""
    half = 1 << bits - 1
    return (value + half) % (2 * half) - half


def _limited(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """int8; as the requantizer compares, also where ``low`` is above ``high``."""
    return np.where(values < low, low, np.where(values > high, high, values)).astype(np.int8)


def _scaled(total: np.ndarray, params: Params) -> np.ndarray:
    return scaled(_signed(total + params["bias"], TOTAL_BITS), params["multiplier"], params["shift"])


class _Layer:
    """A tile is a group of output pixels in one block; arrays are (tile, row, column, ...)."""

    def __init__(self, design: DesignPoint, command: Mapping[str, int], act: np.ndarray, table: np.ndarray | None):
        self.design, self.command, self.act, self.table = design, command, act, table
        self.tiles = command["bands"] * command["groups"]
        self.tile = np.arange(self.tiles)
        self.written = np.full(len(act), NEVER)     # by which tile of the layer
        self.reads: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []    # of the block: address, valid, tile
        self.products = products_of(design)
        #: Columns whose sums are read: those of whole turns of the requantizers, as ``tail_cols`` may want them stored,
        #: so far as there are parameters.
        self.sets = param_sets(design, command)
        self.turn_cols = command["tile_cols"] if command["add"] else (
            -(-command["tile_cols"] // design.requantizers) * design.requantizers)
        self.cols = min(self.turn_cols, design.cols * (1 if command["depthwise"] else self.sets))
        #: One step a segment, one word for all rows.
        self.single = bool(command["depthwise"] or command["broadcast"])
        #: Elements take their own channels only.
        self.own_channels = command["depthwise"] and design.selects_channels

    def run(self, words: Words, wait: Callable[[int], None] | None) -> None:
        command = self.command
        self._check_ends()
        adds = None
        for block in range(command["blocks"]):
            if wait:
                wait(command["block_words"])
            before, self.reads = words.position, []
            add = words.params() if command["add"] else None
            if add and adds and any((add[name] != adds[name])[:ADD_RECORDS].any() for name in add):
                raise Undefined(f"add=1: block {block} adds with other parameters than the one before, whose last "
                                f"tiles may still wait for theirs; compile the model again")
            adds = add
            acc, params = (self._depthwise if self.own_channels else self._convolution)(words, block)
            read = words.position - before
            if wait and read != command["block_words"]:
                raise Undefined(f"block_words={command['block_words']}: a block takes {read}; compile the model again")
            self._store(acc, params, add, block)

    def _check_ends(self) -> None:
        """Steps that are counted up to a number that the counter does not reach have no end."""
        if not self.design.compares_steps or self.single:
            return
        for name in ("segment_steps", "tail_steps") if self.command["segments"] > 1 else ("tail_steps",):
            if not 1 <= self.command[name] <= phases(self.design):
                raise Endless(f"{name}={self.command[name]}: a segment of 1 to {phases(self.design)} steps ends; "
                              f"compile the model again")

    def _fetch(self, block: int, position: np.ndarray, row: np.ndarray, offset: np.ndarray,
               within: np.ndarray) -> np.ndarray:
        """Activations of fetched words, ``within`` activations from their first one; 0 beyond the word.

        A word begins ``offset`` bytes behind the first tap of the output pixel at ``position``, ``row`` rows further
        down. Arguments are broadcast; the first axis is the tile.
        """
        design, command = self.design, self.command
        oy, ox = np.divmod(position, command["out_width"])
        along = ox * command["step_x_bytes"] + block * command["block_bytes"] + offset
        first = command["in_start"] + oy * command["step_y_bytes"] + row * command["in_row_bytes"] + along
        y = _signed(command["first_y"] + oy * command["stride_y"], Y_BITS) + row
        x = _signed(command["first_x_bytes"] + along, X_BITS) + within
        there = within < design.fetch_bytes
        valid = there & (y >= 0) & (y < command["in_height"]) & (x >= 0) & (x < command["in_row_bytes"])
        values = self._read(block, first, within, valid)
        return self._narrow(np.where(there, np.where(valid, values, np.int8(command["in_zero"])), np.int8(0)))

    def _read(self, block: int, first: np.ndarray, within: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """What lies ``within`` bytes from ``first``, and a note of when it was read; a single-port memory's words
        begin at even addresses."""
        if self.design.memory == "spram":
            first = first & ~1
        address = self._address(first + within, valid)
        tile = block * self.tiles + self.tile.reshape(-1, *[1] * (address.ndim - 1))
        if (valid & (self.written[address] < tile)).any():
            raise Undefined("reads what it has written itself; compile the model again")
        self.reads.append((address, valid, tile))
        return self.act[address]

    def _address(self, address: np.ndarray, used: np.ndarray) -> np.ndarray:
        """Wrapped at the end of the memory. An SPRAM does not get smaller with ``act_bytes``."""
        design = self.design
        if design.memory == "spram" and (used & (address % SPRAM_TOTAL_BYTES >= design.act_bytes)).any():
            raise Undefined(f"reaches beyond act_bytes={design.act_bytes}; compile the model again")
        return address % len(self.act)

    def _narrow(self, values: np.ndarray) -> np.ndarray:
        """The low ``act_bits``, with their sign."""
        unused = 8 - self.design.act_bits
        return np.left_shift(values, unused, dtype=np.int8) >> unused

    def _apart(self, rows: int, most: int) -> np.ndarray:
        """Where rows that share a word begin in it; beyond the word where ``distance`` is none that can be."""
        distance = self.command["distance"] & (1 << self.design.lanes.bit_length()) - 1
        row = np.arange(rows)
        return row * distance if 1 <= distance <= most else np.where(row > 0, self.design.fetch_bytes, 0)

    def _convolution(self, words: Words, block: int) -> tuple[np.ndarray, Params]:
        """Totals (tile, row, column) of a block, and parameters of its columns."""
        design, command = self.design, self.command
        rows, cols, lanes = command["tile_rows"], self.cols, design.lanes
        segments = command["segments"]
        last = 1 if self.single else command["tail_steps"]
        per_segment = [1 if self.single else command["segment_steps"]] * (segments - 1) + [last]
        steps = np.array([(ky, segment, step) for ky in range(command["kernel_rows"])
                          for segment, count in enumerate(per_segment) for step in range(count)])
        ky, segment, step = (part[:, None] for part in steps.T)
        sets = [words.params() for _ in range(self.sets)]
        params = {name: np.concatenate([one[name] for one in sets]) for name in sets[0]}
        count = 1 if command["uniform"] and not command["local"] else len(steps)
        weights = words.weights(count, command["split"])
        weights = np.broadcast_to(weights, (len(steps), *weights.shape[1:]))
        tile = self.tile.reshape(-1, 1, 1, 1)
        row = np.arange(rows).reshape(1, -1, 1, 1)
        within = step * lanes + np.arange(lanes)
        within = within + self._apart(rows, lanes).reshape(1, -1, 1, 1) if self.single else within[None, None]
        acts = self._fetch(block, tile if self.single else tile * rows + row, ky, segment * command["segment_bytes"],
                           within)
        if design.weight_bits == 1:
            tail = (segment == segments - 1) & (step == last - 1) & (np.arange(lanes) > command["tail_lanes"])
            acts = np.where(tail, np.int8(0), acts)
        kept = {name: values[:cols] for name, values in params.items()}
        if command["maximum"]:
            return self._largest(acts, weights[:, :cols]), kept
        flat = weights[:, :cols].transpose(0, 2, 1).reshape(-1, cols)
        taken = acts.reshape(self.tiles, rows, -1)
        return self._summed(flat, lambda values: self.products.matmul(taken, values), len(flat)), kept

    def _summed(self, weights: np.ndarray, sums: Callable[[np.ndarray], np.ndarray], terms: int) -> np.ndarray:
        """What ``sums`` makes of ``weights``, sums of so many products each, as accumulators hold it."""
        design = self.design
        if not design.splits or terms << design.act_bits + design.place_bits - 2 < 1 << design.digit_bits - 1:
            return sums(weights)       # digits are at most half their base: so few do not wrap
        parts = digits(weights.astype(np.int64), piece_bits(self.command["split"]), design.digits)
        total: np.ndarray = np.sum([_signed(sums(part.astype(np.int8)), design.digit_bits) << design.place_bits * place
                                    for place, part in enumerate(parts)], axis=0)
        return total

    def _largest(self, acts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """With ``maximum``: of ``acts`` (tile, row, step, lane) and ``weights`` (step, column, lane).

        Elements that choose channels in depthwise layers add where they take no part in them.
        """
        design = self.design
        rows, cols = acts.shape[1], weights.shape[1]
        column = np.arange(cols) // design.ways * design.ways
        compares = (np.arange(rows)[:, None] < design.depthwise_rows) & (column < design.depthwise_cols)
        if not design.selects_channels:
            compares[:] = True
        bits = design.maximum_bits
        acc = np.zeros((self.tiles, rows, cols), np.int64)
        for number in range(len(weights)):
            dot = self.products.matmul(acts[:, :, number], weights[number].T)
            if not number:
                acc = dot
            else:
                above = _signed(dot >> bits.start, bits.stop - bits.start) > _signed(acc >> bits.start,
                                                                                      bits.stop - bits.start)
                acc = np.where(compares, np.where(above, dot, acc), acc + dot)
        return acc

    def _depthwise(self, words: Words, block: int) -> tuple[np.ndarray, Params]:
        """Sums or maxima (tile, row, column) of a block, and parameters (row, column)."""
        command = self.command
        rows, cols = command["tile_rows"], self.cols
        if self.turn_cols > self.design.depthwise_cols and command["tail_cols"] > command["tile_cols"]:
            raise Undefined(f"tail_cols={command['tail_cols']}: a tile has {command['tile_cols']} columns; "
                            f"compile the model again")
        sets = [words.params() for _ in range(rows)]
        params = {name: np.stack([one[name][:cols] for one in sets]) for name in sets[0]}
        acts, weights = (self._columns if command["window"] else self._taps)(words, block)
        acc = np.zeros((self.tiles, rows, cols), np.int64)
        for r, c in np.ndindex(rows, cols):
            taken, kept = acts[:, :, r, c], weights[:, r, c]
            acc[:, r, c] = np.max(self._dots(taken, kept), axis=0) if command["maximum"] else self._summed(
                kept, partial(self._total, taken), kept.size)
        return acc, params

    def _total(self, acts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.asarray(np.sum(self._dots(acts, weights), axis=0))

    def _dots(self, acts: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        """Of each tap of an element: ``acts`` (tile, tap, lane) times ``weights`` (tap, lane)."""
        return [self.products.matmul(acts[:, tap], values[:, None])[:, 0] for tap, values in enumerate(weights)]

    def _taps(self, words: Words, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Activations (tile, tap, row, column, 1) and weights (tap, row, column, 1) of single taps."""
        design, command = self.design, self.command
        rows, cols = command["tile_rows"], self.cols
        ky, kx = (part.reshape(1, -1, 1, 1) for part in np.indices((command["kernel_rows"], command["segments"])))
        taps = ky.size
        whole = words.weights(1 if command["uniform"] else taps)[:, :cols]
        if design.splits and command["maximum"] and not np.isin(whole, (0, POOL_WEIGHT)).all():
            raise Undefined(f"maximum=1: elements of digits compare products with {POOL_WEIGHT} or 0; compile the "
                            f"model again")
        kept = whole[:, :, :rows].transpose(0, 2, 1)
        acts = self._fetch(block, self.tile.reshape(-1, 1, 1, 1), ky, kx * command["segment_bytes"],
                           self._channels(rows, cols).reshape(1, 1, rows, cols))
        if design.weight_bits == 1:
            tail = (kx == command["segments"] - 1) & (np.arange(cols) > command["tail_lanes"])
            acts = np.where(tail, np.int8(0), acts)
        return acts[..., None], np.broadcast_to(kept, (taps, rows, cols))[..., None]

    def _channels(self, rows: int, cols: int) -> np.ndarray:
        """Where in a fetched word each element of a depthwise tile has its channel."""
        return self._apart(rows, self.design.lanes)[:, None] + np.arange(cols)

    def _columns(self, words: Words, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Activations (tile, kernel row, row, column, lane) and weights (kernel row, row, column, lane).

        Lane n has the column that came n columns before; what came before the band's first is not defined, and
        weights of 0 meet it.
        """
        design, command = self.design, self.command
        rows, cols, height = command["tile_rows"], self.cols, command["kernel_rows"]
        weights = words.weights(rows * height).reshape(rows, height, design.cols, design.lanes)
        weights = weights[:, :, :cols].transpose(1, 0, 2, 3)
        band, group = np.divmod(self.tile, command["groups"])
        newest = command["first_segments"] - 1 + group * command["segments"]
        lane = np.arange(design.lanes)
        old = lane[command["first_segments"]:design.depthwise_taps]
        if weights[..., old].any():
            raise Undefined(f"first_segments={command['first_segments']}: the first pixel has weights for "
                            f"{design.depthwise_taps} columns; compile the model again")
        column = newest.reshape(-1, 1, 1, 1, 1) - lane
        acts = self._fetch(block, band.reshape(-1, 1, 1, 1, 1), np.arange(height).reshape(1, -1, 1, 1, 1),
                           column * command["segment_bytes"], self._channels(rows, cols).reshape(1, 1, rows, cols, 1))
        seen = (column >= 0) & (lane < design.depthwise_taps)
        if design.weight_bits == 1:
            seen = seen & (np.arange(cols).reshape(-1, 1) <= command["tail_lanes"])
        return np.where(seen, acts, np.int8(0)), weights

    def _store(self, acc: np.ndarray, params: Params, add: Params | None, block: int) -> None:
        """Requantize, limit, add, look up; then write the outputs that exist."""
        command = self.command
        first, exists = self._outputs(block, *acc.shape[1:])
        column = np.arange(acc.shape[2])
        own = _limited(_scaled(_signed(acc, self.design.sum_bits), params) + command["out_zero"], command["act_min"],
                       command["act_max"])
        values = own
        if add is not None:
            there = exists & (column < self.design.fetch_bytes)
            values = self._add(np.where(there, self._narrow(self._read(block, first, column, there)), np.int8(0)),
                               own, add)
        if self.table is not None:
            values = self.table[self._narrow(values).astype(np.int64) + 128]
        address = self._address(first + column, exists)
        tile = np.broadcast_to(block * self.tiles + self.tile.reshape(-1, 1, 1), exists.shape)
        self.act[address[exists]] = self._narrow(values)[exists]
        np.minimum.at(self.written, address[exists], tile[exists])
        for read, valid, when in self.reads:
            if (valid & (self.written[read] < when)).any():
                raise Undefined("reads what it has written itself; compile the model again")

    def _outputs(self, block: int, rows: int, cols: int) -> tuple[np.ndarray, np.ndarray]:
        """Addresses (tile, row, 1) of a block's rows of outputs, and which outputs (tile, row, column) exist."""
        command, design = self.command, self.design
        band, group = (part.reshape(-1, 1, 1) for part in np.divmod(self.tile, command["groups"]))
        row, column = np.arange(rows).reshape(-1, 1), np.arange(cols)
        band_bytes = (command["groups"] - 1) * command["out_group_bytes"] + command["out_band_bytes"]
        address = (command["out_base"] + block * command["out_block_bytes"] + band * band_bytes
                   + group * command["out_group_bytes"] + row * command["out_row_bytes"])
        last_block = block == command["blocks"] - 1
        if command["depthwise"]:
            there = row < (command["tail_rows"] if last_block else rows)
            short = last_block & (row == command["tail_rows"] - 1)
        else:
            there = (row < command["tail_rows"]) | (group != command["groups"] - 1)
            short = np.full((1, 1), last_block)
        tail = command["tail_cols"] & (1 << design.tail_cols_bits) - 1
        exists = there & (column < np.where(short, tail, command["tile_cols"]))
        return address, np.broadcast_to(exists, (self.tiles, rows, cols))

    def _add(self, other: np.ndarray, own: np.ndarray, params: Params) -> np.ndarray:
        """TFLite's ADD: ``params`` has those of the other operand, the own one and the sum."""
        first, second, last = ({name: values[which] for name, values in params.items()}
                               for which in range(ADD_RECORDS))
        total = (_scaled(other.astype(np.int64) << ADD_LEFT_SHIFT, first)
                 + _scaled(own.astype(np.int64) << ADD_LEFT_SHIFT, second))
        command = self.command
        return _limited(_scaled(total, last) + command["add_zero"], command["add_min"], command["add_max"])
