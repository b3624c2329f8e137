"""The steps of a recipe: a function each, which changes the run; some say before anything is trained what they lack."""

from collections.abc import Callable

from sw.quant.run import Run
from sw.quant.stages.correct import correct, corrects
from sw.quant.stages.distill import distill, teaches
from sw.quant.stages.pretrain import pretrain
from sw.quant.stages.prune import prune, prunes
from sw.quant.stages.quantize import quantize
from sw.quant.stages.settle import settle

__all__ = ["READY", "STAGES"]

#: The names of ``sw.quant.recipe.STEPS``.
STAGES: dict[str, Callable[[Run], None]] = {
    "pretrain": pretrain,
    "prune": prune,
    "distill": distill,
    "quantize": quantize,
    "settle": settle,
    "correct": correct}

#: Raises QuantError or ModelError where a step cannot be run; asked of all steps before the first.
READY: dict[str, Callable[[Run], None]] = {"prune": prunes, "distill": teaches, "correct": corrects}
