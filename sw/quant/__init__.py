"""Quantization-aware training and its lowering to the integer graph."""

from sw.quant.config import QuantError, TrainConfig
from sw.quant.training import EpochRecord, Trained, evaluate, train

__all__ = ["EpochRecord", "QuantError", "TrainConfig", "Trained", "evaluate", "train"]
