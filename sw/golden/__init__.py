"""What "right" means: the integer arithmetic of a graph, and of an encoded program."""

from sw.golden.interpreter import ProgramError, interpret, layers
from sw.golden.ops import accumulate, finish, run

__all__ = ["ProgramError", "accumulate", "finish", "interpret", "layers", "run"]
