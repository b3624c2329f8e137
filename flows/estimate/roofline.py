"""The least cycles that a layer could take on a design: what each of its limits alone would allow."""

from collections.abc import Mapping
from dataclasses import dataclass

from hw.spec.design import DesignPoint
from hw.spec.timing import drain_turns
from sw.compiler import LayerPlan

__all__ = ["Roof", "roofline", "written"]


@dataclass(frozen=True, kw_only=True)
class Roof:
    """Lower bound of one layer's cycles and the limit that sets it."""

    cycles: int
    bound: str      # multipliers, requantizers, weights, stream or activations


def roofline(plan: LayerPlan, design: DesignPoint) -> Roof:
    """Roof of one LAYER command of a program for ``design``.

    ``multipliers``: every multiplier busy in every cycle; ``requantizers``: every requantizer busy in every cycle;
    ``weights`` and ``activations``: everything read once from its scratchpad, through the whole port, on a single-port
    memory also written; ``stream``: the weights that stream, as fast as their memory gives them.
    """
    command = plan.command
    outputs = written(command)
    depthwise, add = bool(command["depthwise"]), bool(command["add"])
    turns = drain_turns(design, depthwise=depthwise, add=add)
    stores = outputs if design.memory == "spram" else 0
    streamed = plan.weight_words * design.weight_word_bits if command["stream"] else 0
    limits = {
        "multipliers": (plan.macs, design.macs_per_cycle << command["split"]),
        "requantizers": (outputs * turns.cycles, min(turns.columns, design.cols << command["split"])),
        "weights": (plan.weight_words, 1),
        "stream": (streamed, max(1, 8 * design.stream_port_bytes)),
        "activations": (_taken(plan, outputs) + outputs * add + stores, design.fetch_bytes),
    }
    cycles = {name: -(-work // rate) for name, (work, rate) in limits.items()}
    bound = max(cycles, key=cycles.__getitem__)
    return Roof(cycles=cycles[bound], bound=bound)


def written(command: Mapping[str, int]) -> int:
    """Outputs of one LAYER command."""
    if command["depthwise"]:
        pixels = command["bands"] * command["groups"]
        last = (command["tail_rows"] - 1) * command["tile_cols"] + command["tail_cols"]
        return pixels * ((command["blocks"] - 1) * command["tile_rows"] * command["tile_cols"] + last)
    pixels = command["bands"] * ((command["groups"] - 1) * command["tile_rows"] + command["tail_rows"])
    return pixels * ((command["blocks"] - 1) * command["tile_cols"] + command["tail_cols"])


def _taken(plan: LayerPlan, outputs: int) -> int:
    """Activations that must be read at least: all, but for what strides leave out."""
    whole = plan.command["in_height"] * plan.command["in_row_bytes"]
    return min(whole, max(plan.macs, outputs)) if plan.command["depthwise"] or not plan.macs else min(whole, plan.macs)
