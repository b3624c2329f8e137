"""The steps of a recipe: a function each, which changes the run."""

from collections.abc import Callable

from sw.quant.run import Run
from sw.quant.stages.correct import correct
from sw.quant.stages.distill import distill
from sw.quant.stages.pretrain import pretrain
from sw.quant.stages.prune import prune
from sw.quant.stages.quantize import quantize
from sw.quant.stages.settle import settle

__all__ = ["STAGES"]

#: The names of ``sw.quant.recipe.STEPS``.
STAGES: dict[str, Callable[[Run], None]] = {
    "pretrain": pretrain,
    "prune": prune,
    "distill": distill,
    "quantize": quantize,
    "settle": settle,
    "correct": correct}
