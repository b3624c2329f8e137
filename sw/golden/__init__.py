"""What "right" means: the integer arithmetic of a graph, and of an encoded program."""

from sw.golden.correction import corrected
from sw.golden.interpreter import Ending, ProgramError, execute, interpret, layers
from sw.golden.ops import run
from sw.golden.sums import accumulate

__all__ = ["Ending", "ProgramError", "accumulate", "corrected", "execute", "interpret", "layers", "run"]
