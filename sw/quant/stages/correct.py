"""Biases of the integer network make up for a multiplier's errors."""

from hw.spec.feedback import NoiseProfile
from sw.golden import corrected
from sw.graph.graph import Graph
from sw.quant.recipe import QuantError
from sw.quant.run import Run

__all__ = ["correct", "corrects"]


def corrects(run: Run) -> None:
    _noise(run)


def correct(run: Run) -> None:
    """Correct the graph, once there is one, for the multiplier of the feedback record, on training inputs."""
    noise, design = _noise(run), _noise(run).design
    count = min(run.recipe.correct.inputs, len(run.labels))

    def finish(graph: Graph) -> Graph:
        return corrected(graph, run.data.sample(graph.input, count), design)

    run.design = design
    run.finishing.append(finish)
    run.did = f"biases for multiplier {noise.multiplier} with {count} training inputs"


def _noise(run: Run) -> NoiseProfile:
    noise = run.feedback.noise if run.feedback else None
    if noise is None:
        raise QuantError("steps: correct needs a feedback record, which names the multiplier; add --feedback FILE, or "
                         "leave it out")
    return noise
