"""Square roots that are the same on every processor."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["root"]


def root(value: Tensor) -> Tensor:
    """The float32 number that is nearest to the square root of each element; not for gradients.

    Torch leaves its own to MKL, which on some processors starts from their approximate reciprocals: on an AMD EPYC one
    root in six is another than the nearest number, and which ones depends on the processor.

    >>> root(torch.tensor([4.0, 2.0])).tolist()
    [2.0, 1.4142135381698608]
    """
    found = torch.empty_like(value)
    np.sqrt(value.detach().numpy(), out=found.numpy())
    return found
