"""How long the tiles of a LAYER command keep the array, and what they leave to a single-port memory.

Fields of a command are whole numbers here, or arrays of them where many commands are asked about at once; its flags
are numbers always.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hw.spec.design import DesignPoint

__all__ = ["Tiles", "chosen", "larger", "port_cycles", "tiles_of"]

ROW_CYCLES = 9     # see port_cycles


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """The tiles of a channel block, in cycles; bands are alike, and so are their tiles but for the first one."""

    bands: int
    groups: int     # per band
    first: int      # compute cycles of a band's first tile
    others: int     # of every other one
    extra: int      # cycles of a tile before its first step
    idle: int       # of a tile, behind its last step
    counted_first: int   # cycles of a band's first tile that keep the next one off the requantizers


def larger(one: Any, other: Any) -> Any:
    """Of two numbers, or of each two of arrays."""
    return chosen(one > other, one, other)


def chosen(condition: Any, one: Any, other: Any) -> Any:
    """``one`` where the condition holds, else ``other``; of arrays each."""
    return other + (one - other) * condition


def tiles_of(design: DesignPoint, command: Mapping[str, int]) -> Tiles:
    """How long the tiles of a LAYER command take, without the requantizers."""
    rows, idle = command["kernel_rows"], 0
    if command["window"]:
        first, others = rows * command["first_segments"], rows * command["segments"]
    elif command["depthwise"] or command["broadcast"]:
        first = others = rows * command["segments"]
    else:
        full, tail = (larger(command["tile_rows"], command[name]) for name in ("segment_steps", "tail_steps"))
        first = others = rows * ((command["segments"] - 1) * full + tail)
        idle = tail - command["tail_steps"]
    residual = command["tile_rows"] if command["add"] else 0
    extra = residual + command["port_cycles"]
    longer = command["window"] * (command["first_segments"] > command["segments"])
    return Tiles(bands=command["bands"], groups=command["groups"], first=first, others=others, extra=extra, idle=idle,
                 counted_first=chosen(longer, others, first + extra))


def port_cycles(design: DesignPoint, command: Mapping[str, int]) -> int:
    """Cycles per tile that a LAYER command leaves the activation port to the outputs, on a single-port memory.

    A row of outputs waits for a cycle without a fetch; the next one but one must not begin before it had one. That
    holds if every tile has such a cycle, and tiles are ``ROW_CYCLES`` or more apart.
    """
    if design.memory != "spram":
        return 0
    tiles = tiles_of(design, {**command, "port_cycles": 0})
    single = command["depthwise"] or command["broadcast"]
    free = not single and (command["tail_steps"] > 1 or (command["segments"] > 1 and command["segment_steps"] > 1))
    spacing = command["spacing"]
    if free or tiles.others + tiles.extra + 2 < spacing:
        return 0
    return max(1, ROW_CYCLES - tiles.others - tiles.extra)
