"""The truncated multiplier: rows in plain logic, without their lowest columns."""

from amaranth import Module, Value

from hw.gateware.multipliers._builder import Builder, each, partial_products
from hw.gateware.multipliers.exact import plain_product
from hw.spec.multipliers import MultiplierKind
from hw.spec.multipliers.truncated import dropped_columns

__all__ = ["BUILDERS"]


def _truncated(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    columns = dropped_columns(len(weight))
    if not columns:
        return plain_product(m, kind, act, weight, name)
    return partial_products(m, act, weight, name, columns=columns)


BUILDERS: dict[str, Builder] = {"trunc": each(_truncated)}
