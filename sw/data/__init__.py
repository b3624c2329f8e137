"""Data sets in their public formats."""

from sw.data.dataset import DataError, Dataset
from sw.data.sources import load_dataset

__all__ = ["DataError", "Dataset", "load_dataset"]
