"""Multiplier kinds in gateware, by the names of ``hw.spec.multipliers``, whose products they form.

A module of this folder with ``BUILDERS``, from a kind's name to what builds it, joins by being there; those that begin
with an underscore hold what all share.
"""

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from amaranth import Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.adders import balanced_sum
from hw.gateware.multipliers._builder import Builder, registered
from hw.gateware.multipliers.exact import DOT_PRODUCTS
from hw.spec.multipliers import MULTIPLIERS

__all__ = ["BUILDERS", "Multiplier", "Products", "dot_product", "multiply", "products"]

BUILDERS: dict[str, Builder] = {
    name: build for module in sorted(module.name for module in iter_modules(__path__)) if not module.startswith("_")
    for name, build in import_module(f"{__name__}.{module}").BUILDERS.items()}


def products(m: Module, kind: str, acts: Sequence[Value], weights: Sequence[Sequence[Value]],
             name: str = "product") -> list[list[Value]]:
    """Combinational products of every way's weights with the same activations, by the multiplier ``kind``.

    Parameters
    ----------
    acts
        One signed value per lane, all of one width. Any number of lanes; blocks that lanes share stay half empty
        where it is odd.
    weights
        For each of the kind's ``ways``, one value per lane: signed, or a single bit that is -1 where it is set and 1
        where it is clear. A weight that ``MultiplierKind.weights`` does not list may give anything.
    name
        Start of the names of signals and submodules in ``m``; unique within it.

    Returns
    -------
    ``[way][lane]``, signed, each as wide as both operands together, equal to ``hw.spec.multipliers.product``.

    Raises
    ------
    ValueError
        If there are not ``ways`` rows of as many weights as activations.
    """
    spec = MULTIPLIERS[kind]
    if len(weights) != spec.ways or any(len(row) != len(acts) for row in weights):
        raise ValueError(f"{kind}: takes {spec.ways} rows of {len(acts)} weights, got {[len(row) for row in weights]}")
    width = len(acts[0]) + len(weights[0][0])
    answers = BUILDERS[kind](m, spec, acts, weights, name)
    result = [[Signal(signed(width), name=f"{name}_{way}_{lane}") for lane in range(len(acts))]
              for way in range(spec.ways)]
    m.d.comb += [ours.eq(theirs) for row, answer in zip(result, answers, strict=True)
                 for ours, theirs in zip(row, answer, strict=True)]
    return [list(row) for row in result]


def dot_product(m: Module, kind: str, acts: Sequence[Value], weights: Sequence[Value], name: str) -> Value:
    """The sum of the products of all lanes, three cycles later; for kinds of one way.

    Parameters and errors are those of :func:`products`, with one weight per lane. Operands, products and sums are
    registered, inside of the multiplier blocks where these can.
    """
    if kind in DOT_PRODUCTS:
        return DOT_PRODUCTS[kind](m, acts, weights, name)
    acts, weights = ([registered(m, value) for value in values] for values in (acts, weights))
    row = [registered(m, value) for value in products(m, kind, acts, [weights], name)[0]]
    return registered(m, balanced_sum(m, row, f"{name}sum"))


def multiply(m: Module, kind: str, act: Value, weight: Value, name: str = "product") -> Value:
    """:func:`products` of one pair; where ways share a multiplier, the others are idle."""
    idle = [[Const(0, weight.shape())]] * (MULTIPLIERS[kind].ways - 1)
    return products(m, kind, [act], [[weight], *idle], name)[0][0]


class Multiplier(wiring.Component):
    """One combinational multiplier alone, for noise measurements.

    Members
    -------
    act : In(signed(act_bits))
    weight : In(signed(weight_bits))
    product : Out(signed(act_bits + weight_bits))
        Equal to ``hw.spec.multipliers.product`` for every pair of operands.
    """

    def __init__(self, name: str, *, weight_bits: int = 8, act_bits: int = 8):
        self.name = name
        super().__init__({"act": In(signed(act_bits)), "weight": In(signed(weight_bits)),
                          "product": Out(signed(act_bits + weight_bits))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.product.eq(multiply(m, self.name, self.act, self.weight))
        return m


class Products(wiring.Component):
    """:func:`products` alone, for conformance tests and to see what a kind takes of a device.

    Members
    -------
    acts : In(lanes x signed(act_bits))
    weights : In(ways x lanes x signed(weight_bits))
    products : Out(ways x lanes x signed(act_bits + weight_bits))
        Lane 0 of way 0 is lowest in each.
    """

    def __init__(self, kind: str, *, weight_bits: int, act_bits: int, lanes: int):
        self.kind, self.lanes = kind, lanes
        ways = MULTIPLIERS[kind].ways

        def rows(bits: int) -> data.ArrayLayout:
            return data.ArrayLayout(data.ArrayLayout(signed(bits), lanes), ways)
        super().__init__({"acts": In(data.ArrayLayout(signed(act_bits), lanes)), "weights": In(rows(weight_bits)),
                          "products": Out(rows(act_bits + weight_bits))})

    def elaborate(self, platform):
        m = Module()
        weights = [[row[lane] for lane in range(self.lanes)] for row in self.weights]
        answers = products(m, self.kind, [self.acts[lane] for lane in range(self.lanes)], weights)
        for way, row in enumerate(answers):
            m.d.comb += [self.products[way][lane].eq(answer) for lane, answer in enumerate(row)]
        return m
