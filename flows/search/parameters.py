"""Networks of a space as values of axes: what samplers choose, and what a study keeps."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.search.candidate import NetworkChoice

__all__ = ["Parameters", "axes_of", "parameters_of"]

Parameters = Mapping[str, Any]


def axes_of(choices: Sequence[NetworkChoice]) -> dict[str, list[Any]]:
    """Every axis with its values, in the order in which they come."""
    found: dict[str, dict[Any, None]] = {}
    for choice in choices:
        for name, value in parameters_of(choice).items():
            found.setdefault(name, {})[value] = None
    return {name: list(values) for name, values in found.items()}


def parameters_of(choice: NetworkChoice) -> dict[str, Any]:
    """Values by axis, each a number or text; the arguments of a network are axes of its own.

    >>> parameters_of(NetworkChoice(name="mlp", settings=(("width", 0.5),)))
    {'network': 'mlp', 'weight_bits': 8, 'layers': '', 'mlp.width': 0.5}
    """
    layers = ",".join(f"{name}={bits}" for name, bits in choice.layers)
    return {"network": choice.name, "weight_bits": choice.weight_bits, "layers": layers,
            **{f"{choice.name}.{name}": value for name, value in choice.settings},
            **{f"data.{name}": value for name, value in choice.data},
            **{f"recipe.{name}": ",".join(map(str, value)) if isinstance(value, tuple) else value
               for name, value in choice.recipe}}
