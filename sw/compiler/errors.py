"""The errors of the compiler."""

from hw.spec.errors import HeddleError

__all__ = ["CompileError", "PlanError"]


class CompileError(HeddleError, ValueError):
    """A graph does not run on a design; the message names the layer and the limit."""


class PlanError(HeddleError, ValueError):
    """A memory plan is wrong: a stage would not compute what the graph says; the message names stage and tensor."""
