"""The cycle model: closed form over the commands of a program, equal to the engine's own counters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hw.spec.design import DesignPoint
from hw.spec.timing import (
    DRAIN_SELECT_LATENCY,
    ELEMENT_LATENCY,
    READ_LATENCY,
    REQUANTIZE_LATENCY,
    WRITE_LATENCY,
    command_words,
    drain_cycles,
    drain_lag_cycles,
    drain_turns,
)

__all__ = ["LayerCycles", "layer_cycles", "program_cycles"]


@dataclass(frozen=True, kw_only=True)
class LayerCycles:
    """Where the clock cycles of one layer go; they add up to ``total``."""

    compute: int
    weight_load: int = 0
    memory: int = 0
    requantize: int = 0
    drain: int = 0

    @property
    def total(self) -> int:
        return self.compute + self.weight_load + self.memory + self.requantize + self.drain


def command_cycles(design: DesignPoint) -> int:
    """Fetch a command (one weight word a cycle), wait for its last word, decode."""
    return command_words(design) + (READ_LATENCY + 1) + 1


def layer_cycles(design: DesignPoint, command: Mapping[str, int]) -> LayerCycles:
    """Cycles of one ``LAYER`` command, from the first fetch of the command to the last output.

    A tile of ``t`` cycles takes ``max(t, drain_cycles)``; after the last step of the last tile the result runs
    through scratchpad, element, requantizer and store.
    """
    depthwise = bool(command["depthwise"])
    phases = 1 if depthwise else design.rows
    sets = design.depthwise_rows if depthwise else 1
    tile = command["kernel_rows"] * command["segments"] * phases
    idle = 0 if depthwise else design.rows - command["tail_steps"]     # of the last tile, behind its last step
    tiles = command["groups"] * command["blocks"]
    waits = max(0, drain_cycles(design, depthwise=depthwise) - tile)
    drain = (1 + READ_LATENCY + ELEMENT_LATENCY + drain_lag_cycles(design) + drain_turns(design, depthwise=depthwise)
             - 1 + DRAIN_SELECT_LATENCY + REQUANTIZE_LATENCY + WRITE_LATENCY - 1)
    return LayerCycles(
        compute=command_cycles(design) + command["blocks"] * (1 + sets * design.param_words) + tiles * tile - idle
        + (tiles - 1) * waits + drain)


def program_cycles(design: DesignPoint, layers: Iterable[LayerCycles]) -> int:
    """From the accepted ticket to the end: all layers, and the command that says so."""
    return sum(layer.total for layer in layers) + command_cycles(design)
