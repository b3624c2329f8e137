"""Quantization-aware training and its lowering to the integer graph.

Only the configuration is here, which loads in no time. What trains is in ``sw.quant.training``, which loads torch, and
that takes seconds.
"""

from sw.quant.config import QuantError, TrainConfig

__all__ = ["QuantError", "TrainConfig"]
