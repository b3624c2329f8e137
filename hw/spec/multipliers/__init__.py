"""Multiplier kinds: the golden product of each, and what it can be built for.

A module of this folder with ``KINDS`` joins by being there; those that begin with an underscore hold what all share.
A module of the same name in ``hw/gateware/multipliers`` builds them. Every kind passes one conformance suite, over all
pairs of operands.
"""

from importlib import import_module
from pkgutil import iter_modules

from hw.spec.multipliers._kind import (
    MultiplierKind,
    check_kind,
    product,
    product_table,
    weight_code,
    weight_value,
)

__all__ = ["MULTIPLIERS", "MultiplierKind", "check_kind", "product", "product_table", "weight_code", "weight_value"]

#: Exact kinds first, then the modules in the order of their names.
MULTIPLIERS: dict[str, MultiplierKind] = {
    kind.name: kind for module in sorted((module.name for module in iter_modules(__path__)),
                                         key=lambda name: (name != "exact", name))
    if not module.startswith("_") for kind in import_module(f"{__name__}.{module}").KINDS}
