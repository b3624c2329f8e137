"""The networks that come with Heddle, as tests ask for them."""

from math import prod

from sw.data import Dataset, load_dataset

__all__ = ["digits_for", "outputs_of"]


def outputs_of(name: str, shape: tuple[int, int, int], classes: int) -> int:
    """How many values a network gives of inputs with so many classes."""
    return prod(shape) if name == "autoencoder" else classes


def digits_for(name: str) -> Dataset:
    """The digits as a network learns them: all ten, or what is normal."""
    return load_dataset("digits,normal=1+2" if name == "autoencoder" else "digits")
