"""The cycle model: closed form over the commands of a program, equal to the engine's own counters.

What a command takes is asked of one design or of many (:mod:`sw.compiler.designs`), by the same lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hw.spec.commands import OPCODES
from hw.spec.design import DesignPoint
from hw.spec.tiles import chosen, larger, tiles_of
from hw.spec.timing import (
    LOG_CYCLES,
    READ_LATENCY,
    add_slot_cycles,
    command_words,
    drain_turns,
    last_output_cycles,
    param_sets,
    settle_cycles,
    table_cycles,
    table_words,
    tile_start_cycles,
)
from sw.compiler.designs import of_each
from sw.compiler.stream import StreamTimeline

__all__ = ["LayerCycles", "block_words", "command_cycles", "layer_cycles", "layer_words", "program_cycles", "slot_wait",
           "timeline"]


@dataclass(frozen=True, kw_only=True)
class LayerCycles:
    """Where the clock cycles of one layer go, by the names of ``hw.spec.commands.COUNTERS``."""

    compute: int       # issuing steps
    weight_load: int   # fetching the command; loading parameters and weights, or waiting for them
    memory: int        # the activation port serves residual operands and outputs
    requantize: int    # waiting for the requantizers
    drain: int         # from the last step to the last output

    @property
    def total(self) -> int:
        return self.compute + self.weight_load + self.memory + self.requantize + self.drain


def command_cycles(design: DesignPoint) -> int:
    """Fetch a command (one weight word a cycle), wait for its last word, decode."""
    return command_words(design) + (READ_LATENCY + 1) + 1


def _begin_cycles(design: DesignPoint, command: Mapping[str, int]) -> int:
    """Before the first block: the command, and the table."""
    return command_cycles(design) + command["table"] * table_cycles(design)


def layer_cycles(design: DesignPoint, command: Mapping[str, int]) -> LayerCycles:
    """Cycles of one ``LAYER`` command, from the first fetch of the command to the last output.

    Two tiles are at least ``drain_cycles`` apart; after the last step of the last tile the result runs through
    scratchpad, element, requantizer and store.
    """
    depthwise, add = bool(command["depthwise"]), bool(command["add"])
    tiles, blocks = tiles_of(design, command), command["blocks"]
    per_block, last_wait = _spaces(design, command)
    sets = param_sets(design, command) + add
    settle = settle_cycles(design, depthwise=depthwise, add=add)
    return LayerCycles(
        compute=blocks * tiles.bands * (tiles.first + (tiles.groups - 1) * tiles.others),
        weight_load=_begin_cycles(design, command)
        + blocks * (1 + sets * design.param_words + command["local_words"]) + (blocks - 1) * settle,
        memory=blocks * tiles.bands * tiles.groups * tiles.extra,
        requantize=blocks * per_block - last_wait,
        drain=of_each(last_output_cycles, design, depthwise=depthwise, add=add, rows=command["tile_rows"],
                      cols=command["tile_cols"]) - tiles.idle)


def layer_words(design: DesignPoint, command: Mapping[str, int]) -> int:
    """Weight words of a LAYER: its table, and its blocks'."""
    return command["table"] * table_words(design) + command["blocks"] * block_words(design, command)


def block_words(design: DesignPoint, command: Mapping[str, int]) -> int:
    """Weight words of a block: parameters, and weights."""
    sets = param_sets(design, command) + command["add"]
    if command["local"]:
        weights = command["local_words"]
    elif command["uniform"]:
        weights = 1
    elif command["depthwise"] or command["broadcast"]:
        weights = command["kernel_rows"] * command["segments"]
    else:
        steps = (command["segments"] - 1) * command["segment_steps"] + command["tail_steps"]
        weights = command["kernel_rows"] * steps
    return sets * design.param_words + weights


def _spaces(design: DesignPoint, command: Mapping[str, int]) -> tuple[int, int]:
    """Cycles that the requantizers hold up a block with all its tiles, and behind its last tile."""
    tiles = tiles_of(design, command)
    spacing = command["spacing"]
    first, other = (larger(0, spacing - counted) for counted in (tiles.counted_first, tiles.others + tiles.extra))
    return tiles.bands * (first + (tiles.groups - 1) * other), chosen(tiles.groups > 1, other, first)


def program_cycles(design: DesignPoint, layers: Iterable[LayerCycles]) -> int:
    """From the accepted ticket to the end: all layers and the logging of each, and the command that says so."""
    return sum(layer.total + LOG_CYCLES for layer in layers) + command_cycles(design)


def timeline(design: DesignPoint, commands: Sequence[Mapping[str, int]]) -> list[LayerCycles]:
    """Cycles of each LAYER command of a program in order; those that stream wait for their blocks.

    A STREAM command comes first if there is one; its cycles belong to the first layer. Cycle 0 is that after the
    accepted ticket.
    """
    now, layers = 0, list[LayerCycles]()
    loader: StreamTimeline | None = None
    for command in commands:
        if command["opcode"] == OPCODES["STREAM"]:
            now += command_cycles(design)
            loader = StreamTimeline(design, ring_bytes=command["ring_bytes"], stream_bytes=command["stream_bytes"],
                                    start=now)
            continue
        own = layer_cycles(design, command)
        if command["stream"] and loader:
            own = replace(own, weight_load=own.weight_load + _waits(design, command, own, now, loader))
        own = replace(own, drain=own.drain + slot_wait(design, command, own))
        now += own.total + LOG_CYCLES
        if loader and not layers:
            own = replace(own, weight_load=own.weight_load + command_cycles(design))
        layers.append(own)
    return layers


def slot_wait(design: DesignPoint, command: Mapping[str, int], own: LayerCycles) -> int:
    """Cycles that the last tile of a residual add waits for its turn in the requantizer."""
    if not command["add"]:
        return 0
    steps_end = own.total - own.drain - command_cycles(design) - tiles_of(design, command).idle
    begins, slot = (of_each(each, design, depthwise=bool(command["depthwise"]), rows=command["tile_rows"],
                            cols=command["tile_cols"]) for each in (_add_starts, _add_slot))
    wait: int = -(steps_end + begins - 2) % slot
    return wait


def _add_starts(design: DesignPoint, *, depthwise: bool, rows: int, cols: int) -> int:
    return tile_start_cycles(design, drain_turns(design, depthwise=depthwise, add=True, rows=rows, cols=cols))


def _add_slot(design: DesignPoint, *, depthwise: bool, rows: int, cols: int) -> int:
    return add_slot_cycles(design)


def _waits(design: DesignPoint, command: Mapping[str, int], own: LayerCycles, start: int,
           loader: StreamTimeline) -> int:
    """Cycles that the blocks of a layer, which begins in cycle ``start``, wait for their weights."""
    blocks, words = command["blocks"], command["block_words"]
    last_wait = _spaces(design, command)[1]
    settle = settle_cycles(design, depthwise=bool(command["depthwise"]), add=bool(command["add"]))
    begin = _begin_cycles(design, command)
    per_block = (own.compute + own.memory + own.weight_load - begin - (blocks - 1) * settle
                 + own.requantize + last_wait) // blocks
    now, waits = start + begin, 0
    for block in range(blocks):
        ready = loader.wait(now, words)
        waits += ready - now
        now = ready + per_block - (last_wait if block == blocks - 1 else 0)
        loader.release(now - 1, words)
        now += settle
    return waits
