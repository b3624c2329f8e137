"""Biases of the integer network make up for a multiplier's errors."""

import numpy as np

from hw.spec.design import DesignPoint
from sw.golden import corrected
from sw.graph.graph import Graph
from sw.quant.recipe import QuantError
from sw.quant.run import Run

__all__ = ["correct"]


def correct(run: Run) -> None:
    """Correct the graph, once there is one, for the multiplier of the feedback record, on training inputs."""
    noise, data = run.feedback.noise if run.feedback else None, run.data
    if noise is None:
        raise QuantError("steps: correct needs a feedback record, which names the multiplier; add --feedback FILE, or "
                         "leave it out")
    design = DesignPoint(multiplier=noise.multiplier, weight_bits=noise.weight_bits, lanes=16)
    every = len(data.labels["train"])
    count = min(run.recipe.correct.inputs, every)

    def finish(graph: Graph) -> Graph:
        inputs = data.quantized("train", graph.input)
        return corrected(graph, inputs[np.arange(count) * every // count], design)

    run.design = design
    run.finishing.append(finish)
    run.did = f"biases for multiplier {noise.multiplier} with {count} training inputs"
