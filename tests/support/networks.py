"""The networks that come with Heddle, as tests ask for them."""

from math import prod

__all__ = ["outputs_of"]


def outputs_of(name: str, shape: tuple[int, int, int], classes: int) -> int:
    """How many values a network gives of inputs with so many classes."""
    return prod(shape) if name == "autoencoder" else classes
