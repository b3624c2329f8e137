"""Training in floating point."""

from sw.quant.run import Run
from sw.quant.stages.quantize import NARROW

__all__ = ["pretrain"]

FIRST = 0.4         # of the recipe's passes, where narrow weights make most of it useless


def pretrain(run: Run) -> None:
    """Train without the errors of integers."""
    recipe, passes, count = run.recipe, run.recipe.pretrain.passes, len(run.labels)
    share = FIRST if run.network.narrowest <= NARROW else 1.0
    run.network.become(quantized=False)
    run.fit("pretrain", inputs=round(passes * count) if passes else recipe.inputs(share, count),
            peak=recipe.learning_rate)
    run.did = "trained in floating point"
