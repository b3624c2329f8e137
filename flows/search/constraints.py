"""Conditions that candidates must meet: comparisons of a space's axes, such as ``width * blocks <= 4``."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

from hw.spec.errors import SpecError

__all__ = ["Constraint"]

ALLOWED = (ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Add, ast.Sub,
           ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
           ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.List)


@dataclass(frozen=True)
class Constraint:
    """A condition, as it is written.

    Raises
    ------
    SpecError
        If it is no expression of comparisons, ``and``, ``or``, ``not`` and arithmetic.

    >>> Constraint("width <= 1 or weight_bits < 8").holds({"width": 2.0, "weight_bits": 8})
    False
    """

    text: str

    def __post_init__(self) -> None:
        try:
            tree = ast.parse(self.text, mode="eval")
        except (SyntaxError, ValueError) as error:
            raise SpecError(f"constraints: {self.text!r} cannot be read ({error.args[0]}); write a comparison, such as "
                            f"width * blocks <= 4") from error
        for node in ast.walk(tree):
            if not isinstance(node, ALLOWED):
                raise SpecError(f"constraints: {self.text!r}: {type(node).__name__} is no part of a condition; it has "
                                f"comparisons, and, or, not, and + - * / // %")

    @property
    def names(self) -> frozenset[str]:
        """Axes that it speaks of."""
        return _names(self.text)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether values of axes meet it.

        Raises
        ------
        SpecError
            If it compares what cannot be compared.
        """
        try:
            return bool(eval(_code(self.text), {"__builtins__": {}}, dict(values)))    # of nothing but ALLOWED
        except (TypeError, ZeroDivisionError) as error:
            where = ", ".join(f"{name}={values[name]!r}" for name in sorted(self.names & set(values)))
            raise SpecError(f"constraints: {self.text!r} of {where}: {error}") from error

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether all its axes have values: an axis that one network alone has binds no other."""
        return self.names <= set(values)


@cache
def _names(text: str) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name))


@cache
def _code(text: str) -> CodeType:
    return compile(text, "<constraint>", "eval")
