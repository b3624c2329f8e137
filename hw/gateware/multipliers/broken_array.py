"""The broken-array multiplier: rows in plain logic, without the first ones and without the lowest columns."""

from amaranth import Module, Value

from hw.gateware.multipliers._builder import Builder, each, partial_products
from hw.spec.multipliers import MultiplierKind
from hw.spec.multipliers.broken_array import break_levels

__all__ = ["BUILDERS"]


def _broken(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    rows, columns = break_levels(len(weight))
    return partial_products(m, act, weight, name, columns=columns, rows=rows)


BUILDERS: dict[str, Builder] = {"broken": each(_broken)}
