"""A network in training as a traced one, and back: its shapes may have changed between."""

from typing import Any

from sw.models.ir import Traced
from sw.quant.network import QuantNetwork
from sw.quant.product import Product

__all__ = ["remade", "values_of"]


def values_of(network: QuantNetwork) -> Traced:
    """What a network in floating point is now: a traced one that starts with what was trained."""
    tensors = dict(network.traced.tensors)
    for number, node in enumerate(network.traced.nodes[1:], 1):
        unit = network.unit_of(number)
        now = _of_product(unit) if isinstance(unit, Product) else unit.tensors
        for role, name in node.tensors.items():
            value = now[role].detach().reshape(tensors[name].shape).clone()
            tensors[name] = value.requires_grad_(tensors[name].requires_grad)
    return Traced(nodes=network.traced.nodes, tensors=tensors)


def _of_product(unit: Product) -> dict[str, Any]:
    found = {"weight": unit.weight, "bias": unit.bias}
    if unit.normalized:      # a bias in front of a normalization is nothing that is trained
        found |= {"bias": 0 * unit.bias, "beta": unit.bias, "gamma": unit.gamma, "mean": unit.mean,
                  "variance": unit.variance - unit.node.epsilon}
    return found


def remade(network: QuantNetwork, traced: Traced) -> QuantNetwork:
    """Another network for the same inputs, in floating point."""
    made = QuantNetwork(traced, network.input, network.bits, network.generator, network.options)
    made.become(quantized=False)
    return made
