"""Quantization-aware training and its lowering to the integer graph."""

from sw.quant.choose import Pick
from sw.quant.config import QuantError, TrainConfig
from sw.quant.measure import paired_accuracy
from sw.quant.training import EpochRecord, Trained, evaluate, train

__all__ = ["EpochRecord", "Pick", "QuantError", "TrainConfig", "Trained", "evaluate", "paired_accuracy", "train"]
